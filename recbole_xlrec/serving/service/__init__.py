"""A run behind HTTP (extra `[serve]`): JSON in, JSON out, and a page to try it."""
