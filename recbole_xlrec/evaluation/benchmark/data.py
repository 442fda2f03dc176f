"""What a benchmark needs of a dataset before anything runs: that it is there, its languages, its state."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import recbole_xlrec
from recbole_xlrec.bridge.environment import version
from recbole_xlrec.bridge.registry import PACKAGE
from recbole_xlrec.bridge.run_folder import data_hashes
from recbole_xlrec.convert import ml100k_xl
from recbole_xlrec.convert.registry import SOURCES
from recbole_xlrec.data.atomic import read_atomic, read_header
from recbole_xlrec.data.columns import INTER, LANGUAGE, USER
from recbole_xlrec.data.files import file_hash
from recbole_xlrec.data.languages import normalise_language
from recbole_xlrec.errors import ConfigError, DataError


def check_there(data_path: Path, name: str) -> None:
    """Makes sure that a dataset is there; the quick-start data, which needs no download, is written if it is not.

    Raises:
        DataError: If it is not, with the command that converts it.
    """
    if name == ml100k_xl.NAME:
        ml100k_xl.convert(data_path)
    if not any((data_path / name).glob(f"{name}*.{INTER}")):
        raise DataError(f"no dataset {name} in {data_path}. Type: {_convert_command(data_path, name)}")


def user_languages(data_path: Path, name: str) -> list[str]:
    """The languages of a dataset's users, sorted.

    Raises:
        ConfigError: If its users have none.
    """
    path = data_path / name / f"{name}.{USER}"
    if not path.is_file() or LANGUAGE not in read_header(path):
        raise ConfigError(f"{name} has no languages of users, so that there is no language to take at a time")
    return sorted({normalise_language(tag) for tag in read_atomic(path, [LANGUAGE])[LANGUAGE].unique()})


def state(data_path: Path, name: str, config_files: Sequence[Path]) -> str:
    """A short hash of what runs read besides their settings: data files, configuration files, defaults, versions."""
    versions = [recbole_xlrec.__version__, version("recbole")]
    files = [*config_files, *sorted((PACKAGE / "properties").rglob("*.yaml"))]
    read = [data_hashes(data_path / name, name), [file_hash(path) for path in files], versions]
    return hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()[:8]


def _convert_command(data_path: Path, name: str) -> str:
    mapped = (PACKAGE / "resources" / "mappings" / f"{name}.yaml").is_file()
    source = f"table --option mapping={name}" if mapped else name if name in SOURCES else f"SOURCE --name {name}"
    where = "" if data_path == Path("atomic_data") else f" --output {data_path}"
    listed = "" if mapped or name in SOURCES else " (`recbole-xlrec datasets` lists the sources)"
    return f"recbole-xlrec convert {source} --input RAW{where}{listed}"
