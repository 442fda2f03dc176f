"""All that touches RecBole's insides: the only package that imports them."""

from __future__ import annotations

import importlib.util

if importlib.util.find_spec("recbole") is None:
    raise ImportError("RecBole is not installed. Type: pip install --no-deps recbole==1.2.1")

from recbole_xlrec.bridge import compat

compat.apply()
