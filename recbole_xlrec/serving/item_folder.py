"""The folder that `export` writes: item vectors, what the items are, an index of them, and what all that came from.

`vectors.npy` (float32, one row an item, to be memory-mapped), `items.tsv` (item_id and language, in the same order),
`index.faiss` (its ids are the rows) and `meta.json`, which is written last and holds the hashes of the others: a folder
that was half written, or of which a file changed, is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import recbole_xlrec
from recbole_xlrec.bridge.run_folder import CONFIG, ENVIRONMENT, MODEL, write_json
from recbole_xlrec.data.atomic import write_atomic
from recbole_xlrec.data.columns import ITEM_ID, LANGUAGE
from recbole_xlrec.data.files import file_hash, replacing
from recbole_xlrec.errors import DataError, sample
from recbole_xlrec.serving.nearest import KINDS, NearestIndex, Vectors

FORMAT_VERSION = 1
VECTORS, ITEMS, INDEX, META = "vectors.npy", "items.tsv", "index.faiss", "meta.json"
_FILES = (VECTORS, ITEMS, INDEX)
_AGAIN = "Export the run again"


class ItemFolder(NamedTuple):
    """An export.

    Attributes:
        vectors: (items, width), memory-mapped.
        nearest: An index of their rows.
        meta: What is noted of it.
    """

    vectors: Vectors
    nearest: NearestIndex
    meta: dict[str, Any]


def write_items(
    folder: Path,
    vectors: Vectors,
    items: tuple[NDArray[np.str_], NDArray[np.str_]],
    index: NearestIndex,
    noted: Mapping[str, Any],
) -> None:
    """Writes an export, in place of an older one.

    Args:
        folder: Where to.
        vectors: (items, width).
        items: (items,) ids and languages.
        index: Of the vectors.
        noted: What `meta.json` holds besides.

    Raises:
        DataError: If the folder holds something else.
    """
    strange = sorted(path.name for path in folder.glob("*") if path.name not in (*_FILES, META))
    if strange:
        raise DataError(f"{folder} holds other files, {sample(strange)}: name an empty folder, or one that is new")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / META).unlink(missing_ok=True)
    with replacing(folder / VECTORS) as partial, partial.open("wb") as handle:
        np.save(handle, vectors, allow_pickle=False)
    write_atomic(folder / ITEMS, pd.DataFrame(dict(zip((ITEM_ID, LANGUAGE), items, strict=True))))
    with replacing(folder / INDEX) as partial:
        index.write(partial)
    described = {
        "format_version": FORMAT_VERSION,
        "recbole_xlrec": recbole_xlrec.__version__,
        **noted,
        "metric": "inner product",
        "items": len(vectors),
        "width": vectors.shape[1],
        "index": {"kind": index.kind, "effort": index.effort, **noted.get("index", {})},
        "sha256": {name: file_hash(folder / name) for name in _FILES},
    }
    write_json(folder / META, described)


def read_items(folder: Path, run: Path) -> ItemFolder:
    """Opens an export of a run.

    Raises:
        DataError: If a file is missing, has changed or is of another format, or the export is of another run.
        ConfigError: If FAISS is not installed.
    """
    meta = _read_meta(folder / META)
    if meta["run_sha256"] != run_hash(run):
        raise DataError(f"{folder} was exported from another run ({meta.get('run')}) than {run}. {_AGAIN}")
    changed = [
        name for name in _FILES if not (folder / name).is_file() or file_hash(folder / name) != meta["sha256"][name]
    ]
    if changed:
        raise DataError(f"{folder}: {sample(changed)} is gone or has changed since it was exported. {_AGAIN}")
    vectors = np.load(folder / VECTORS, mmap_mode="r", allow_pickle=False)
    index = NearestIndex.read(folder / INDEX, meta["index"]["kind"], meta["index"]["effort"])
    if (index.index.ntotal, index.index.d) != vectors.shape or vectors.dtype != np.float32:
        raise DataError(f"{folder}: {INDEX} is not of {VECTORS}, {vectors.dtype} {vectors.shape}. {_AGAIN}")
    return ItemFolder(vectors, index, meta)


def run_hash(folder: Path) -> str:
    """SHA-256 of what a run's answers follow from: its settings, its weights, and its data by their own hashes."""
    digest = hashlib.sha256()
    for name in (CONFIG, MODEL):
        digest.update(file_hash(folder / name).encode())
    try:
        data = json.loads((folder / ENVIRONMENT).read_text(encoding="utf-8"))["data_sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder / ENVIRONMENT} does not say what data the run was made with ({error!r})") from error
    digest.update(json.dumps(data, sort_keys=True).encode())
    return digest.hexdigest()


def _read_meta(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise DataError(f"{path.parent} is no whole export: there is no {path.name}. {_AGAIN}")
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
        if meta["format_version"] != FORMAT_VERSION:
            raise DataError(f"{path}: format {meta['format_version']!r}; this version reads {FORMAT_VERSION}. {_AGAIN}")
        whole = meta["index"]["kind"] in KINDS and isinstance(meta["index"]["effort"], int)
        whole = whole and set(meta["sha256"]) == set(_FILES) and isinstance(meta["run_sha256"], str)
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is broken: {error!r}. {_AGAIN}") from error
    if not whole:
        raise DataError(f"{path} is broken: it does not name a kind of index, its effort or hashes. {_AGAIN}")
    return dict(meta)
