"""The nearest known names, for error messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: object, known: Iterable[str], n: int = 1) -> str:
    """Ends an error message with the known names nearest to a wrong one in any case, or with nothing.

    Args:
        name: What was found.
        known: What there is.
        n: How many names at most.

    Example:
        >>> did_you_mean("tokn", ["token", "float"])
        " Did you mean 'token'?"
        >>> did_you_mean("TOKN", ["token", "token_seq", "float"], n=2)
        " Did you mean 'token' or 'token_seq'?"
        >>> did_you_mean("xyz", ["token", "float"])
        ''
    """
    spelled = {entry.lower(): entry for entry in known}
    near = [repr(spelled[match]) for match in difflib.get_close_matches(str(name).lower(), spelled, n=n)]
    return f" Did you mean {' or '.join(near)}?" if near else ""
