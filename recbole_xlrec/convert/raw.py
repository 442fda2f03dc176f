"""A folder of raw files, or one file: found by name, opened inside gz and zip, read in blocks of whole lines."""

from __future__ import annotations

import codecs
import gzip
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple, cast

from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.errors import DataError, sample

BLOCK = 1 << 23
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_BROKEN = (EOFError, gzip.BadGzipFile, zlib.error, zipfile.BadZipFile)
_UTF8 = ("utf-8", "ascii")
Advance = Callable[[int], None]


class RawFile(NamedTuple):
    """One raw file.

    Attributes:
        path: Where it, or the zip that holds it, lies.
        name: Its path below the input folder; inside a zip, the zip's path comes first.
        member: Its path inside the zip.
        size: Bytes that a progress bar counts: on disk, or unpacked in a zip.
    """

    path: Path
    name: str
    member: str | None
    size: int


class RawFolder:
    """The raw files of one source.

    Args:
        root: A folder, a single file, or a zip.
        flag: How the user named it, for the error message.

    Raises:
        DataError: There is nothing of that name.
    """

    def __init__(self, root: Path, flag: str = "--input ") -> None:
        if not root.exists():
            raise DataError(f"{flag}{root} does not exist. Give the folder (or file) that holds the raw data.")
        self.root = root
        self._files = sorted(_index(root), key=lambda file: file.name)

    def find(self, *patterns: str) -> list[RawFile]:
        """Returns the files whose path ends like one of the patterns, in the order of the names.

        Args:
            patterns: As `ratings.csv` or `*/behaviors.tsv`; `*` stands for any part of one name. A packed file
                (`.gz`) matches under its own name too.
        """
        wanted = [pattern.lower() for pattern in patterns]
        return [file for file in self._files if any(_matches(file.name, pattern) for pattern in wanted)]

    def one(self, *patterns: str) -> RawFile:
        """Returns the one file that matches.

        Raises:
            DataError: There is none, or more than one.
        """
        found = self.find(*patterns)
        if len(found) == 1:
            return found[0]
        if found:
            names = sample(file.name for file in found)
            raise DataError(
                f"{self.root} holds {len(found)} files like {patterns[0]}: {names}. Give the folder of one."
            )
        raise self.missing(patterns)

    def some(self, *patterns: str) -> list[RawFile]:
        """Returns the files that match, at least one.

        Raises:
            DataError: There is none.
        """
        found = self.find(*patterns)
        if not found:
            raise self.missing(patterns)
        return found

    def missing(self, patterns: Sequence[str]) -> DataError:
        """The error for files that are not there; says what the folder holds."""
        names = [file.name for file in self._files]
        hint = did_you_mean(PurePosixPath(patterns[0]).name, [PurePosixPath(name).name for name in names])
        there = sample(names, limit=12) if names else "no files"
        wanted = " or ".join(patterns)
        return DataError(
            f"{self.root} holds no {wanted}; it holds {there}.{hint} "
            "`recbole-xlrec datasets SOURCE` shows the layout that is expected."
        )


def read_blocks(file: RawFile, encoding: str, advance: Advance) -> Iterator[bytes]:
    """Yields a text file as UTF-8 in blocks of whole lines that end with a line feed; the next is read meanwhile.

    Args:
        file: The file.
        encoding: How it is written; `utf-8` is passed on unchecked.
        advance: Told how many bytes have been read, for a progress bar.

    Raises:
        DataError: The file is empty, UTF-16 (or in another encoding than given), or a packed file is cut short.
    """
    blocks = _blocks(file, encoding, advance)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(next, blocks, None)
        while (block := future.result()) is not None:
            future = pool.submit(next, blocks, None)
            yield block


def _blocks(file: RawFile, encoding: str, advance: Advance) -> Iterator[bytes]:
    decoder = None if encoding in _UTF8 else codecs.getincrementaldecoder(encoding)()
    rest, empty = b"", True
    with opened(file) as handle:
        for chunk in _chunks(file, handle, advance):
            if empty and decoder is None:
                _refuse_wide(file, chunk)
            text = _transcoded(file, chunk, encoding, decoder)
            if empty:
                text = text.removeprefix(codecs.BOM_UTF8)
            empty = False
            text = rest + text
            cut = text.rfind(b"\n") + 1
            rest = text[cut:]
            if cut:
                yield text[:cut].replace(b"\r\n", b"\n")
    if empty:
        raise DataError(f"{file.name} is empty. Was the download cut off?")
    if rest.strip(b"\r"):
        yield rest.rstrip(b"\r") + b"\n"


def _chunks(file: RawFile, handle: BinaryIO, advance: Advance) -> Iterator[bytes]:
    read = 0
    try:
        while chunk := handle.read(BLOCK):
            read += len(chunk)
            advance(len(chunk))
            yield chunk
    except _BROKEN as error:
        raise DataError(
            f"{file.name} is damaged: it cannot be unpacked beyond {read:,} bytes ({error}). Download it again."
        ) from error


@contextmanager
def opened(file: RawFile) -> Iterator[BinaryIO]:
    """Opens a raw file for reading, unpacked.

    Raises:
        DataError: The zip that holds it is damaged.
    """
    if file.member is None:
        with gzip.open(file.path, "rb") if file.name.endswith(".gz") else file.path.open("rb") as handle:
            yield cast(BinaryIO, handle)
        return
    with zipfile.ZipFile(file.path) as archive, archive.open(file.member) as member:
        if not file.member.endswith(".gz"):
            yield cast(BinaryIO, member)
            return
        with gzip.open(member, "rb") as unpacked:
            yield cast(BinaryIO, unpacked)


def _transcoded(file: RawFile, chunk: bytes, encoding: str, decoder: codecs.IncrementalDecoder | None) -> bytes:
    if decoder is None:
        return chunk
    try:
        return decoder.decode(chunk).encode("utf-8")
    except UnicodeError as error:
        raise DataError(f"{file.name} is not {encoding}: {error}. Give its --encoding.") from error


def _refuse_wide(file: RawFile, chunk: bytes) -> None:
    if chunk.startswith(_WIDE) or chunk[:4096].count(0) > len(chunk[:4096]) // 4:
        raise DataError(f"{file.name} is not UTF-8; it looks like UTF-16. Give --encoding utf-16.")


def _index(root: Path) -> Iterator[RawFile]:
    paths = [root] if root.is_file() else sorted(path for path in root.rglob("*") if path.is_file())
    base = root.parent if root.is_file() else root
    for path in paths:
        name = path.relative_to(base).as_posix()
        if any(part.startswith(".") for part in PurePosixPath(name).parts):
            continue
        yield RawFile(path, name, None, path.stat().st_size)
        if path.suffix.lower() == ".zip":
            yield from _members(path, name)


def _members(path: Path, name: str) -> Iterator[RawFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                hidden = member.filename.startswith("__MACOSX/") or PurePosixPath(member.filename).name.startswith(".")
                if not member.is_dir() and not hidden:
                    yield RawFile(path, f"{name}/{member.filename}", member.filename, member.file_size)
    except zipfile.BadZipFile as error:
        raise DataError(
            f"{name} is damaged: {error}. Download it again, or move it out of the input folder."
        ) from error


def _matches(name: str, pattern: str) -> bool:
    lower = name.lower()
    return any(PurePosixPath(form).match(pattern) for form in (lower, lower.removesuffix(".gz")))
