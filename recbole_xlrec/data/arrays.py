"""Named arrays in an ``.npz``: written beside and renamed, read without unpickling, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast
from zipfile import BadZipFile

import numpy as np

from recbole_xlrec.data.files import replacing
from recbole_xlrec.errors import DataError

Arrays = TypeVar("Arrays", bound=NamedTuple)


def save_arrays(arrays: Any, path: str | os.PathLike[str]) -> None:
    """Writes a named tuple of arrays, beside its place first and then renamed; as they are: scores hardly shrink."""
    with replacing(Path(path)) as partial, open(partial, "wb") as handle:
        np.savez(handle, **arrays._asdict())


def load_arrays(kind: type[Arrays], path: str | os.PathLike[str], name: str, absent: str) -> Arrays:
    """Reads what `save_arrays` wrote.

    Args:
        kind: The named tuple.
        path: The file.
        name: What it is, as messages call it.
        absent: The message where there is no such file.

    Raises:
        DataError: If the file is missing, broken, or lacks an array.
    """
    make: Any = kind  # a class of named arrays takes them by name, which the type of all such classes does not say
    try:
        with np.load(path, allow_pickle=False) as found:
            missing = [field for field in kind._fields if field not in found]
            if not missing:
                return cast(Arrays, make(**{field: found[field] for field in kind._fields}))
    except FileNotFoundError as error:
        raise DataError(absent) from error
    except (BadZipFile, OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as {name}: {error}") from error
    raise DataError(
        f"{path} is not {name}: it lacks {', '.join(missing)}. Where an older version wrote it, make the run again "
        "with rerun: True"
    )
