"""The folder of a run: its name, its lock, its log, and the step that makes it appear complete or not at all."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

import recbole_xlrec
from recbole_xlrec.bridge.checkpoint import config_values
from recbole_xlrec.bridge.environment import version
from recbole_xlrec.data.columns import INTER, ITEM, TEXT, USER
from recbole_xlrec.data.files import file_hash, replacing
from recbole_xlrec.errors import DataError
from recbole_xlrec.text.encoders.model_files import folder_sha256
from recbole_xlrec.text.encoders.registry import ENCODERS, file_path, is_file_spec

METRICS, RANKING, MODEL, CONFIG = "metrics.json", "ranking.npz", "model.safetensors", "config.yaml"
CONTEXT, VALID_RANKING = "context.npz", "ranking_valid.npz"
CHECKPOINT = "checkpoint.pth"
HISTORY, ENVIRONMENT, LOG = "history.jsonl", "environment.json", "log.txt"

#: What changes where, when or how loudly a run is made, and not its result; of several processes, all but the first are
#: told by RecBole to be quiet.
NO_IDENTITY = frozenset(
    {
        *("run_path", "run_folder", "rerun", "keep_model", "data_path", "checkpoint_dir", "config_files"),
        "finetune_from",  # what is there counts, and not where
        *("show_progress", "state", "verbose", "log_wandb", "wandb_project"),
        *("gpu_id", "use_gpu", "device", "worker"),
        *("nproc", "world_size", "ip", "port", "offset", "local_rank", "single_spec"),
    }
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def data_hashes(folder: Path, name: str, more: Iterable[str] = ()) -> dict[str, str]:
    """SHA-256 of each of a dataset's files that a run can read; `more` are suffixes beyond the usual ones."""
    known = {INTER, ITEM, USER, TEXT, "kg", "link", *more}
    parts = sorted(path for path in folder.glob(f"{name}.*") if path.suffix[1:] in known)
    return {path.name: file_hash(path) for path in parts}


def encoder_hash(spec: str) -> dict[str, str]:
    """SHA-256 of an encoder that is a file or folder on this machine; nothing for a name on the hub."""
    if spec in ENCODERS:
        return {}
    path = file_path(spec) if is_file_spec(spec) else Path(spec).expanduser()
    if path.is_dir():
        return {spec: folder_sha256(path)}
    return {spec: file_hash(path)} if path.is_file() else {}


def run_name(config: Mapping[str, Any], hashes: Mapping[str, str]) -> str:
    """``<protocol>-<seed>-<hash>``; the hash changes with any setting, data file or version that can matter."""
    values = config_values({key: value for key, value in config.items() if key not in NO_IDENTITY})
    versions = {"recbole_xlrec": recbole_xlrec.__version__, "recbole": version("recbole")}
    identity = json.dumps([values, dict(hashes), versions], sort_keys=True, default=str)
    digest = hashlib.sha256(identity.encode()).hexdigest()[:8]
    return f"{config['protocol']}-{config['seed']}-{digest}"


def read_metrics(folder: Path) -> dict[str, Any]:
    """The ``metrics.json`` of a finished run.

    Raises:
        DataError: If the run has none or it is broken.
    """
    try:
        return dict(json.loads((folder / METRICS).read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise DataError(f"{folder} holds no finished run: there is no {METRICS}") from error
    except (ValueError, TypeError) as error:
        raise DataError(f"{folder / METRICS} is broken: {error}") from error


def write_json(path: Path, values: Any) -> None:
    """Writes indented JSON, beside its place first and then renamed."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def partial_folder(folder: Path) -> Path:
    """Where a run is written until it is complete."""
    return folder.with_name(f"{folder.name}.partial")


@contextmanager
def writing(folder: Path) -> Iterator[Path]:
    """Gives the folder to write a run into; it takes the place of `folder` when everything in it is written.

    Raises:
        DataError: If another process is writing the same run.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_folder(folder)
    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise DataError(
            f"another process is writing the run {folder}; wait for it to end, or change the seed, the settings or "
            "run_path"
        ) from error
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        with _log_to(partial / LOG):
            yield partial
        _replace(partial, folder)
    finally:
        lock.release()


def _replace(partial: Path, folder: Path) -> None:
    old = folder.with_name(f"{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.replace(folder, old)
    os.replace(partial, folder)
    shutil.rmtree(old, ignore_errors=True)


class _PlainFormatter(logging.Formatter):
    """RecBole colours its messages with terminal codes; a file has none."""

    def format(self, record: logging.LogRecord) -> str:
        return _COLOUR.sub("", super().format(record))


@contextmanager
def _log_to(path: Path) -> Iterator[None]:
    root = logging.getLogger()
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(_PlainFormatter("%(asctime)s %(levelname)s %(name)s  %(message)s"))
    level = root.level
    root.setLevel(min(level or logging.INFO, logging.INFO))
    root.addHandler(handler)
    try:
        yield
    except Exception:
        # Into the file alone: on the terminal the error itself is enough
        place = (__name__, logging.ERROR, __file__, 0, "the run failed", (), sys.exc_info())
        handler.handle(logging.LogRecord(*place))
        raise
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        handler.close()
