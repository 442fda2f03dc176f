"""A dataset's folder appears whole or not at all, and says where it comes from."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from polars.exceptions import PolarsError

from recbole_xlrec.data.files import file_hash
from recbole_xlrec.errors import DataError


@contextmanager
def publishing(output: Path, name: str, replace: bool) -> Iterator[tuple[Path, Path]]:
    """Gives a new folder for the files of a dataset and one for temporary files; in the end the former is put in place.

    Whatever goes wrong, the disk being full or Ctrl-C too, both are removed, and a dataset that was there stays.

    Args:
        output: Folder of the datasets.
        name: The dataset's name.
        replace: Whether a dataset of this name may be replaced.

    Raises:
        DataError: There is a dataset of this name, it is being written by another process, the disk is full, a file
            cannot be read or written, or holds what polars cannot take.
    """
    target = output / name
    if target.exists() and not replace:
        raise DataError(
            f"{target} is there already; nothing is overwritten. Give another --name or --output, or --replace."
        )
    output.mkdir(parents=True, exist_ok=True)
    partial = output / f".{name}.partial"
    lock = FileLock(output / f".{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise DataError(
            f"{target} is being written by another process. Wait for it, or give another --name."
        ) from error
    try:
        shutil.rmtree(partial, ignore_errors=True)  # of a conversion that was killed
        work, files = partial / "work", partial / name
        work.mkdir(parents=True)
        files.mkdir()
        yield files, work
        _put(files, target, partial / "old")
    except (OSError, PolarsError) as error:
        raise _explained(error, output) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def _explained(error: OSError | PolarsError, output: Path) -> DataError:
    """What to do about a disk that is full, a file that cannot be read or written, or data that polars cannot take."""
    if getattr(error, "errno", None) == errno.ENOSPC or f"os error {errno.ENOSPC}" in str(error):
        free = shutil.disk_usage(output).free
        return DataError(
            f"The disk of {output} is full ({free / 1e9:.1f} GB free now). Nothing was changed. Make room, or give an "
            "--output on another disk; a conversion takes about twice the size of the unpacked raw files."
        )
    if isinstance(error, OSError):
        return DataError(f"{error}. Nothing was changed in {output}.")
    return DataError(f"The raw files are not as expected: {error}. Nothing was changed in {output}.")


def write_meta(folder: Path, name: str, meta: Mapping[str, Any]) -> None:
    """Writes `<name>.meta.json`, with the hashes of the files beside it."""
    outputs = {path.name: file_hash(path) for path in sorted(folder.iterdir())}
    text = json.dumps({**meta, "outputs_sha256": outputs}, indent=2, ensure_ascii=False) + "\n"
    (folder / f"{name}.meta.json").write_text(text, encoding="utf-8")


def _put(files: Path, target: Path, old: Path) -> None:
    if target.exists():
        os.replace(target, old)
        try:
            os.replace(files, target)
        except OSError:
            os.replace(old, target)
            raise
        return
    os.replace(files, target)
