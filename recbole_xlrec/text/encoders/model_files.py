"""The files of a model: where they are, what they say, and their hash."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from recbole_xlrec.errors import EncoderError

_BLOCK = 1 << 20


def folder_sha256(folder: Path) -> str:
    """Hashes names and contents of all files below `folder`, block by block.

    Hidden files and folders are left out: downloads keep time stamps there, version control its history.

    Raises:
        EncoderError: The folder holds no file.
    """
    files = sorted((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if path.is_file())
    files = [(name, path) for name, path in files if not any(part.startswith(".") for part in name.split("/"))]
    if not files:
        raise EncoderError(f"encoder {folder}: the folder is empty. Name one with a model's files.")
    digest = hashlib.sha256()
    for name, path in files:
        digest.update(f"{name}\0{path.stat().st_size}\0".encode("utf-8", "surrogateescape"))
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()


def read_json(path: Path) -> Any:
    """Returns what a JSON file says, None where there is no such file.

    Raises:
        EncoderError: The file is not JSON.
    """
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise EncoderError(f"{path}: not valid JSON ({error}). Copy the model's files again.") from error


def cached_snapshot(name: str, revision: str | None) -> Path | None:
    """Returns the hub cache's folder of a model, whose name is the commit; None where it is not cached."""
    from huggingface_hub import try_to_load_from_cache

    cache = os.environ.get("SENTENCE_TRANSFORMERS_HOME")
    found = try_to_load_from_cache(name, "config.json", cache_dir=cache, revision=revision)
    if not isinstance(found, str):
        found = try_to_load_from_cache(name, "modules.json", cache_dir=cache, revision=revision)
    return Path(found).parent if isinstance(found, str) else None
