"""Whole files: replaced in one step, hashed, and looked for with a helpful error."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.errors import DataError, sample

_BLOCK = 1 << 20


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a temporary path beside `path`; on success it becomes `path`, on failure it is removed.

    A reader sees the old file or the new one, never a half of it. The parent folder is created.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> target = Path(folder.name) / "new" / "a.txt"
        >>> with replacing(target) as partial:
        ...     _ = partial.write_text("done")
        >>> target.read_text()
        'done'
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}.partial")
    try:
        yield partial
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def file_hash(path: str | os.PathLike[str]) -> str:
    """Returns the SHA-256 of a file as 64 hexadecimal digits, read block by block.

    Raises:
        DataError: There is no such file.
    """
    digest = hashlib.sha256()
    with existing_file(path).open("rb") as handle:
        while block := handle.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def existing_file(path: str | os.PathLike[str]) -> Path:
    """Returns `path` if it is a file.

    Raises:
        DataError: It is not; the message says what the folder holds instead and which name is nearest.
    """
    wanted = Path(path)
    if wanted.is_file():
        return wanted
    if wanted.is_dir():
        raise DataError(f"{wanted} is a folder, not a file; it holds {_listing(wanted)}. Give the path of one file.")
    if not wanted.parent.is_dir():
        raise DataError(f"{wanted} does not exist: there is no folder {wanted.parent}. Check the data path.")
    hint = did_you_mean(wanted.name, (entry.name for entry in wanted.parent.iterdir()))
    raise DataError(f"{wanted} does not exist. The folder {wanted.parent} holds {_listing(wanted.parent)}.{hint}")


def _listing(folder: Path) -> str:
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_file() and not entry.name.startswith("."))
    return sample(names, limit=12) if names else "no files"
