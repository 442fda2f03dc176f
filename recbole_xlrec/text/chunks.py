"""Encoding that can be interrupted: texts in chunks, each finished chunk a file of its own, assembled at the end."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.errors import ConfigError, EncoderError, sample
from recbole_xlrec.text.vectors import write_bytes

if TYPE_CHECKING:
    from recbole_xlrec.text.encoders.base import TextEncoder

FLOAT16_MAX = float(np.finfo(np.float16).max)
FLOAT16_BYTES = 2
_ZEROS = bytes(1 << 20)


class Share(NamedTuple):
    """Which part of the chunks this process encodes.

    Attributes:
        rank: Its number among all.
        world: How many there are.
    """

    rank: int = 0
    world: int = 1


def own_share() -> Share:
    """The share of this process where torchrun started several, and everything otherwise.

    Processes meet in the files of the chunks alone, so that they may be on several machines that share the folder.

    Raises:
        ConfigError: The variables that torchrun sets are no such numbers.
    """
    found = os.environ.get("RANK", "0"), os.environ.get("WORLD_SIZE", "1")
    if not all(value.isdigit() for value in found) or not int(found[0]) < int(found[1]):
        raise ConfigError(f"RANK={found[0]} and WORLD_SIZE={found[1]}: torchrun sets numbers, and RANK < WORLD_SIZE.")
    return Share(int(found[0]), int(found[1]))


class ChunkedEncoding:
    """Unique texts, longest first, cut in chunks that are encoded once each.

    Longest first, so that a batch too large for the memory shows at once, and texts of one length share a batch.

    Args:
        texts: One text per row of the result.
        encoder: Encodes the unique texts.
        folder: Where chunks are kept; those of an earlier call with the same texts and encoder are used again.
        chunk_size: Unique texts a chunk.
    """

    def __init__(self, texts: Sequence[str], encoder: TextEncoder, folder: Path, chunk_size: int) -> None:
        self.unique = sorted(set(texts), key=lambda text: (-len(text), text))
        place = {text: index for index, text in enumerate(self.unique)}
        self.index = np.fromiter((place[text] for text in texts), dtype=np.int64, count=len(texts))  # (n,)
        self.encoder, self.folder = encoder, folder
        starts = range(0, len(self.unique), chunk_size)
        self.spans = [(start, min(start + chunk_size, len(self.unique))) for start in starts]
        self.dim: int | None = None

    def run(self, show_progress: bool = False, share: Share = Share()) -> None:  # noqa: B008 - cannot be changed
        """Encodes the chunks that are not there yet; of several processes, each its own.

        Raises:
            EncoderError: The encoder gave vectors that cannot be stored.
        """
        from tqdm.auto import tqdm

        missing = [span for span in self.spans[share.rank :: share.world] if not self._is_done(span)]
        if missing:
            self.encoder.fit(self.unique)
        todo = sum(stop - start for start, stop in missing)
        total = len(self.unique)
        with tqdm(total=total, initial=total - todo, unit="texts", desc="encode", disable=not show_progress) as bar:
            for start, stop in missing:
                vectors = self._encode(self.unique[start:stop])
                write_bytes(self._path((start, stop)), npy_header(vectors.shape), vectors.data)
                bar.update(stop - start)

    def missing(self) -> int:
        """Returns how many chunks, of any process, are not there yet."""
        return sum(not self._is_done(span) for span in self.spans)

    def assemble(self, path: Path) -> None:
        """Writes the rows of all texts into one array file, holding one chunk in memory at a time."""
        shape = (len(self.index), self.dim or 0)
        _reserve(path, npy_header(shape), shape[0] * shape[1] * FLOAT16_BYTES)
        matrix = np.load(path, mmap_mode="r+", allow_pickle=False)  # (n, dim)
        order = np.argsort(self.index, kind="stable")
        for start, stop in self.spans:
            first, last = np.searchsorted(self.index, (start, stop), sorter=order)
            rows = order[first:last]
            matrix[rows] = np.load(self._path((start, stop)), allow_pickle=False)[self.index[rows] - start]
        matrix.flush()

    def bytes_needed(self) -> int | None:
        """Returns the bytes still to write, missing chunks and assembled array; None before the first chunk."""
        if self.dim is None:
            return None
        missing = sum(stop - start for start, stop in self.spans if not self._path((start, stop)).exists())
        return (missing + len(self.index)) * self.dim * FLOAT16_BYTES

    def _path(self, span: tuple[int, int]) -> Path:
        return self.folder / f"chunk-{span[0]:09d}-{span[1]:09d}.npy"

    def _is_done(self, span: tuple[int, int]) -> bool:
        """Says whether a chunk of an earlier call is whole; the first that is sets the width of all."""
        try:
            found = np.load(self._path(span), allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return False
        if found.dtype != np.float16 or found.ndim != 2 or len(found) != span[1] - span[0]:
            return False
        if not np.isfinite(found).all() or self.dim not in (None, found.shape[1]):
            return False
        self.dim = found.shape[1]
        return True

    def _encode(self, texts: list[str]) -> NDArray[np.float16]:
        found = np.asarray(self.encoder.encode(texts))
        if found.ndim != 2 or len(found) != len(texts) or found.shape[1] == 0 or self.dim not in (None, found.shape[1]):
            wanted = f"({len(texts)}, {self.dim or 'dim'})"
            raise EncoderError(f"the encoder gave vectors of shape {found.shape}, {wanted} is needed.")
        wrong = np.flatnonzero(~(np.abs(found) <= FLOAT16_MAX).all(axis=1))
        if len(wrong):
            raise EncoderError(
                f"the encoder gave vectors that float16 cannot hold (NaN or > {FLOAT16_MAX:.0f}) for {len(wrong)} "
                f"of {len(texts)} texts: {sample(texts[row] for row in wrong)}. Use an encoder that normalises its "
                "vectors, or dtype: float32."
            )
        self.dim = found.shape[1]
        return np.ascontiguousarray(found, dtype=np.float16)


def npy_header(shape: tuple[int, ...]) -> bytes:
    """Returns the first bytes of a `.npy` file of float16 values.

    `np.save` is not used because it reports a full disk as an error without a number.
    """
    header = io.BytesIO()
    described = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float16)), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, described)
    return header.getvalue()


def _reserve(path: Path, header: bytes, size: int) -> None:
    """Makes the file at its full size: a memory-map that meets a full disk later would end the process."""
    with path.open("wb") as file:
        file.write(header)
        file.flush()
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), len(header), size)
        else:
            for start in range(0, size, len(_ZEROS)):
                file.write(_ZEROS[: size - start])
        file.flush()
        os.fsync(file.fileno())
