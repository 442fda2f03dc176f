"""What sources that come in splits share: their folders told apart by name, and rows that count only once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from recbole_xlrec.convert.base import SPLITS, Batch
from recbole_xlrec.convert.codes import Ids
from recbole_xlrec.convert.raw import RawFile
from recbole_xlrec.errors import DataError, sample

_WORD = re.compile(r"(?<![a-z])(train|valid|dev|test)(?:ation)?(?![a-z])")
_MEANING = {"train": "train", "valid": "valid", "dev": "valid", "test": "test"}


def by_split(files: Sequence[RawFile]) -> list[tuple[RawFile, str | None]]:
    """Tells by the folders which split each file belongs to.

    Args:
        files: Files of one kind.

    Returns:
        Each file with one of `SPLITS`, in the order of `SPLITS`; a file that is the only one belongs to none.

    Raises:
        DataError: A folder's name says no split, or two files belong to one.
    """
    if len(files) == 1:
        return [(files[0], None)]
    found: dict[str, RawFile] = {}
    for file in files:
        split = split_of(file.name)
        if split is None or split in found:
            names = sample((entry.name for entry in files), limit=8)
            raise DataError(
                f"There are {len(files)} files {PurePosixPath(file.name).name}: {names}. Give one folder with train, "
                "dev (or validation) and test in the names of its subfolders, each once; or the folder of one alone."
            )
        found[split] = file
    return [(found[split], split) for split in SPLITS if split in found]


def split_of(name: str) -> str | None:
    """Returns the split that the innermost telling folder of a path names.

    Example:
        >>> [split_of(f"{folder}/behaviors.tsv") for folder in ("MINDsmall_dev", "train", "latest")]
        ['valid', 'train', None]
    """
    for part in reversed(PurePosixPath(name.lower()).parts[:-1]):
        word = _WORD.search(part)
        if word:
            return _MEANING[word.group(1)]
    return None


class Seen:
    """Remembers keys; memory grows with their number, never with rows."""

    def __init__(self) -> None:
        self._ids = Ids()

    def first(self, batch: Batch, column: str) -> Batch:
        """Returns the first row of each key that has not come up before."""
        known = len(self._ids)
        codes = self._ids.codes(batch.frame[column])
        _, places = np.unique(codes, return_index=True)
        return Batch(batch.file, batch.frame[np.sort(places[codes[places] >= known])])
