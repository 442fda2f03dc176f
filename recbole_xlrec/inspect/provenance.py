"""Where a dataset comes from and what cleaning took away, as far as its `<name>.meta.json` says so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recbole_xlrec.errors import DataError


@dataclass(frozen=True)
class Step:
    """One cleaning step: its name, the rows that it left and those that it removed; None where not recorded."""

    name: str
    rows: int | None
    removed: int | None


@dataclass(frozen=True)
class Provenance:
    """What is known of a dataset's origin; empty where it is not."""

    source: str
    licence: str
    citation: str
    url: str
    steps: tuple[Step, ...]


def read_provenance(path: Path) -> Provenance:
    """Reads `<name>.meta.json`; everything in it, and the file itself, may be missing.

    Raises:
        DataError: The file is not a JSON object.
    """
    meta = _read_object(path)
    steps = meta.get("steps")
    known = [step for step in steps if isinstance(step, Mapping)] if isinstance(steps, list) else []
    source, licence, citation, url = (_text(meta.get(key)) for key in ("source", "licence", "citation", "url"))
    found = (Step(_text(step.get("step")), _whole(step.get("rows")), _whole(step.get("removed"))) for step in known)
    return Provenance(source, licence, citation, url, tuple(found))


def _read_object(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{path} is not JSON ({error}). Convert the dataset again, or remove the file.") from error
    if not isinstance(found, dict):
        raise DataError(f"{path} must hold a JSON object, found a {type(found).__name__}. Correct or remove it.")
    return found


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
