"""The files of a model: where they are, what they say, and their hash."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

from recbole_xlrec.errors import EncoderError

_BLOCK = 1 << 20
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
HOW_LOCAL = (
    "Without the hub, copy the model's files (config.json, modules.json, tokenizer, weights) to a folder and name it: "
    "encoder: /path/to/model"
)


def is_path(name: str) -> bool:
    """Says whether `name` is meant as a folder rather than as a name on the hub."""
    return name.startswith(("/", ".", "~")) or "\\" in name or name.count("/") > 1 or Path(name).is_dir()


def is_hub_name(name: str) -> bool:
    """Says whether `name` is written `organisation/model`."""
    return _HUB_NAME.fullmatch(name) is not None


def local_folder(name: str) -> Path | None:
    """Returns the folder that `name` is meant as, None for a name on the hub.

    Raises:
        EncoderError: It is neither, or there is no such folder.
    """
    if not is_path(name):
        if not is_hub_name(name):
            raise EncoderError(
                f"encoder {name!r} is neither a folder nor a hub name such as intfloat/multilingual-e5-small."
            )
        return None
    folder = Path(name).expanduser()
    if not folder.is_dir():
        found = "is a file, not a folder" if folder.is_file() else "does not exist"
        raise EncoderError(f"encoder {name}: the path {found} (looked at {folder.absolute()}). {HOW_LOCAL}")
    return folder


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


def module_configs(folder: Path) -> list[str]:
    """Lists the modules after the transformer (pooling, dense, normalisation) with their options."""
    modules: list[dict[str, Any]] = read_json(folder / "modules.json") or []
    configs = [
        (module["type"], read_json(folder / module["path"] / "config.json")) for module in modules if module["path"]
    ]
    return [f"{kind} {json.dumps(config, sort_keys=True)}" for kind, config in configs]


def own_length_limit(folder: Path) -> int | None:
    """Returns the tokens of a text that the model's files say it reads; None where they do not say."""
    limit: int | None = (read_json(folder / "sentence_bert_config.json") or {}).get("max_seq_length")
    return limit
