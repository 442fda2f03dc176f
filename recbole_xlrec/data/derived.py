"""Folders made from a dataset's files, beside them: made once, complete or not there, and never used when stale."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from recbole_xlrec.data.files import file_hash

logger = logging.getLogger(__name__)

META = "meta.json"


def made_once(folder: Path, made_of: Mapping[str, Any], make: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """Makes a folder, or finds it made before; a second process that wants the same one waits for the first.

    What was written when a process was killed is thrown away; so is a folder whose files have been changed, or which
    was made of something else. What others add to it later is not looked at.

    Args:
        folder: The folder, named after `made_of`.
        made_of: All that its content depends on, as JSON can say it.
        make: Writes the files into the folder that it is given, and returns counts to be kept with them.

    Returns:
        What `make` returned, now or then.
    """
    if (found := _finished(folder, made_of)) is not None:
        return found
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if (found := _finished(folder, made_of)) is not None:  # another process has made it meanwhile
            return found
        partial = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            partial.mkdir()
            counts = make(partial)
            _write_meta(partial, made_of, counts)
            _publish(partial, folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return counts


def _finished(folder: Path, made_of: Mapping[str, Any]) -> dict[str, Any] | None:
    if not folder.exists():
        return None
    try:
        meta = json.loads((folder / META).read_text(encoding="utf-8"))
        written = {name: file_hash(folder / name) for name in meta["sha256"]}
        unchanged = meta["made_of"] == json.loads(json.dumps(made_of)) and meta["sha256"] == written
        counts: dict[str, Any] = meta["counts"]
    except (OSError, ValueError, KeyError, TypeError) as error:  # a DataError for a missing file among them
        logger.warning("%s is made again: %s", folder, error)
        return None
    if not unchanged:
        logger.warning("%s is made again: its files are not those that were written", folder)
        return None
    return counts


def _write_meta(folder: Path, made_of: Mapping[str, Any], counts: Mapping[str, Any]) -> None:
    hashes = {path.name: file_hash(path) for path in sorted(folder.iterdir())}
    meta = {"made_of": made_of, "counts": counts, "sha256": hashes}
    (folder / META).write_text(json.dumps(meta, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _publish(partial: Path, folder: Path) -> None:
    if folder.exists():  # found not to be usable
        shutil.rmtree(folder)
    os.replace(partial, folder)
