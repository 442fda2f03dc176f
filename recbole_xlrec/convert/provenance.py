"""Where a dataset comes from: source, terms, what to cite, the command, and the hashes of the raw files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from importlib import resources
from pathlib import Path
from typing import Any

from recbole_xlrec.convert.base import Source
from recbole_xlrec.convert.options import Options
from recbole_xlrec.convert.raw import RawFile
from recbole_xlrec.convert.registry import default_name
from recbole_xlrec.data.files import file_hash


def provenance(source: Source, raw: Path, options: Options, used: Sequence[RawFile]) -> dict[str, Any]:
    """Returns the block that tells a reader how to get the same files; it holds no time and no path of this machine."""
    files = {}
    for file in used:
        name = file.name if file.member is None else file.name.removesuffix(f"/{file.member}")
        files[name] = file.path
    hashes = {name: {"bytes": path.stat().st_size, "sha256": file_hash(path)} for name, path in sorted(files.items())}
    return {
        "source": source.name,
        "title": source.title,
        "url": source.url,
        "licence": source.licence,
        "citation": source.citation,
        "command": command(source, raw, options),
        "options": _given(source, options),
        "inputs": hashes,
    }


def command(source: Source, raw: Path, options: Options) -> str:
    """The command that converts a source so, the raw folder being named without its place."""
    words = [f"recbole-xlrec convert {source.name} --input {raw.name}"]
    for key, value in _given(source, options).items():
        flag = "--" + key.replace("_", "-")
        if value is True:
            words.append(flag)
        elif isinstance(value, dict):
            words += [f"--option {name}={setting}" for name, setting in value.items()]
        else:
            words.append(f"{flag} {','.join(value) if isinstance(value, list) else value}")
    return " ".join(words)


def config_name(source: str, options: Mapping[str, Any]) -> str | None:
    """The name of the shipped dataset config for what was converted so, if there is one."""
    name = options.get("settings", {}).get("mapping", source)
    return name if (resources.files("recbole_xlrec.dataset_configs") / f"{name}.yaml").is_file() else None


def _given(source: Source, options: Options) -> dict[str, Any]:
    """The options that are not the usual ones."""
    usual = {"name": default_name(source.name, options.settings)}
    found = {}
    for entry in fields(options):
        value = getattr(options, entry.name)
        default = usual.get(entry.name, () if entry.name == "languages" else entry.default)
        if value and value != default:
            found[entry.name] = list(value) if isinstance(value, tuple) else value
    if options.settings:
        found["settings"] = {key: _without_place(value) for key, value in options.settings.items()}
    return found


def _without_place(value: str) -> str:
    """A file's name without the folders of this machine."""
    return Path(value).name if Path(value).is_absolute() else value
