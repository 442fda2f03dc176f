"""The nearest known name, for error messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Ends an error message with the known name nearest to a wrong one, or with nothing.

    Example:
        >>> did_you_mean("tokn", ["token", "float"])
        " Did you mean 'token'?"
        >>> did_you_mean("xyz", ["token", "float"])
        ''
    """
    near = difflib.get_close_matches(str(name), list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
