"""recbole_xlrec: a RecBole extension that recommends across languages.

``register()`` makes this package's models known to RecBole; ``run()`` runs one model, ours or RecBole's.
Importing the package is cheap: torch and RecBole are loaded by the first call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recbole_xlrec.bridge.experiment import run as run
    from recbole_xlrec.bridge.registry import register as register

__version__ = "0.1.0"
__all__ = ["__version__", "register", "run"]

_LAZY = {"register": "recbole_xlrec.bridge.registry", "run": "recbole_xlrec.bridge.experiment"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
