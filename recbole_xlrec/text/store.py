"""The vector store: texts are encoded once and kept beside the dataset, in `.vectors/<key>/`.

The key is a hash of all that changes the vectors. A folder of that name is always complete: it is put together in
`<key>.partial/` and renamed at the end. A call that was killed leaves its finished chunks there;
the next one goes on.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import AcquireReturnProxy, FileLock, Timeout

from recbole_xlrec.data.files import file_hash
from recbole_xlrec.errors import ConfigError, DataError, EncoderError, sample
from recbole_xlrec.text.chunks import ChunkedEncoding, Share, own_share
from recbole_xlrec.text.encoders.base import TextEncoder
from recbole_xlrec.text.vectors import (
    FORMAT_VERSION,
    IDS,
    META,
    VECTORS,
    Vectors,
    read_folder,
    sync_folder,
    write_ids,
    write_meta,
)

logger = logging.getLogger(__name__)

FOLDER = ".vectors"
CHUNK_SIZE = 4096
_POLL_SECONDS = 0.5
_DISK_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))  # Windows has no quota error


@dataclass(frozen=True)
class _Request:
    """What is asked for, with its hashes."""

    ids: list[str]
    texts: list[str]
    described: dict[str, Any]
    key: str


class VectorStore:
    """Encoded texts of one dataset, on disk.

    Args:
        folder: The dataset's folder; vectors go to `.vectors` below it.
    """

    def __init__(self, folder: str | Path) -> None:
        self.root = Path(folder) / FOLDER

    def key(
        self, ids: Sequence[str], texts: Sequence[str], encoder: TextEncoder, template: str | Mapping[str, str] | None
    ) -> str:
        """Returns the name of the folder: 16 hex digits that change with ids, texts, encoder and template.

        Raises:
            DataError: Ids are doubled, empty or hold a line break, or there are not as many as texts.
        """
        return _request(ids, texts, encoder, template).key

    def get(
        self, ids: Sequence[str], texts: Sequence[str], encoder: TextEncoder, template: str | Mapping[str, str] | None
    ) -> Vectors | None:
        """Opens the vectors if they are there, whole and unchanged; None otherwise.

        Raises:
            DataError: As `key`.
        """
        return self._open(_request(ids, texts, encoder, template))

    def encode(
        self,
        ids: Sequence[str],
        texts: Sequence[str],
        encoder: TextEncoder,
        template: str | Mapping[str, str] | None,
        *,
        chunk_size: int = CHUNK_SIZE,
        show_progress: bool = False,
        sharded: bool = False,
    ) -> Vectors:
        """Opens the vectors, encoding what is not there yet.

        Args:
            ids: Item ids, each once.
            texts: One text per id.
            encoder: Turns the texts into vectors.
            template: What the texts were made with; noted, and part of the key.
            chunk_size: Unique texts encoded between two writes to disk.
            show_progress: Shows a progress bar.
            sharded: Of several processes that torchrun started, each encodes its chunks; the first puts all together
                and the others wait for it. One that was killed is started again with the same command.

        Raises:
            DataError: As `key`, or no item has a text.
            EncoderError: The encoder failed, its vectors cannot be stored, or the disk is full.
        """
        request = _request(ids, texts, encoder, template)
        if not any(text.strip() for text in request.texts):
            raise DataError(f"{self.root}: none of the {len(request.ids)} items has a text. Check the template.")
        if chunk_size < 1:
            raise ConfigError(f"chunk_size must be 1 or more, found {chunk_size}.")
        if (found := self._open(request)) is not None:
            return found
        self.root.mkdir(parents=True, exist_ok=True)
        share = own_share() if sharded else Share()
        if share.rank > 0:
            return self._help(request, encoder, chunk_size, share)
        with self._lock(request.key):
            # Another process may have finished it while this one waited.
            if (found := self._open(request)) is not None:
                return found
            self._fill(request, encoder, chunk_size, show_progress, share)
        found, _ = read_folder(self.root / request.key, verify=False)
        return found

    def _open(self, request: _Request) -> Vectors | None:
        folder = self.root / request.key
        if not folder.is_dir():
            return None
        try:
            found, meta = read_folder(folder)
        except DataError as error:
            logger.warning("vectors not used: %s", error)
            return None
        if found.ids != request.ids or any(meta[name] != value for name, value in request.described.items()):
            logger.warning("vectors not used: %s holds other items, texts or another encoder", folder)
            return None
        return found

    def _lock(self, key: str) -> AcquireReturnProxy:
        """Takes the lock on a key; the caller's `with` gives it back."""
        lock = FileLock(str(self.root / f"{key}.lock"))
        try:
            return lock.acquire(timeout=0)
        except Timeout:
            logger.info("waiting for another process that encodes the same texts (%s)", lock.lock_file)
        return lock.acquire()

    def _help(self, request: _Request, encoder: TextEncoder, chunk_size: int, share: Share) -> Vectors:
        """Encodes the chunks of a process that is not the first, and waits for the whole."""
        partial = self.root / f"{request.key}.partial"
        partial.mkdir(exist_ok=True)
        ChunkedEncoding(request.texts, encoder, partial, chunk_size).run(share=share)
        while (found := self._open(request)) is None:
            time.sleep(_POLL_SECONDS)
        return found

    def _fill(
        self, request: _Request, encoder: TextEncoder, chunk_size: int, show_progress: bool, share: Share
    ) -> None:
        partial = self.root / f"{request.key}.partial"
        work = ChunkedEncoding(request.texts, encoder, partial, chunk_size)
        assembled = partial / "assembled"
        try:
            partial.mkdir(exist_ok=True)
            work.run(show_progress, share)
            while (missing := work.missing() if share.world > 1 else 0) > 0:
                logger.info("waiting for %d chunks of the other processes", missing)
                time.sleep(_POLL_SECONDS)
            _assemble(work, assembled, request)
            _publish(assembled, self.root / request.key)
        except OSError as error:
            shutil.rmtree(assembled, ignore_errors=True)
            if error.errno in _DISK_FULL:
                raise EncoderError(_full_message(self.root, work)) from error
            raise
        shutil.rmtree(partial, ignore_errors=True)


def _assemble(work: ChunkedEncoding, folder: Path, request: _Request) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    work.assemble(folder / VECTORS)
    write_ids(folder / IDS, request.ids)
    sizes = {"n": len(request.ids), "dim": work.dim, "dtype": "float16"}
    write_meta(folder / META, {**request.described, **sizes, "vectors_sha256": file_hash(folder / VECTORS)})
    sync_folder(folder)


def _publish(assembled: Path, folder: Path) -> None:
    """Puts the complete folder in its place; one that is there was found not to be usable."""
    if folder.exists():
        shutil.rmtree(folder)
    os.replace(assembled, folder)
    sync_folder(folder.parent)


def _full_message(root: Path, work: ChunkedEncoding) -> str:
    needed = work.bytes_needed()
    much = f"{needed:,} bytes are needed" if needed is not None else "its size is not known before the first chunk"
    return (
        f"{root}: the disk is full: {much}, {shutil.disk_usage(root).free:,} are free. Make room, or move the dataset "
        "to another disk. What was encoded is kept: the same command goes on from there."
    )


def _request(
    ids: Sequence[str], texts: Sequence[str], encoder: TextEncoder, template: str | Mapping[str, str] | None
) -> _Request:
    ids, texts = list(ids), list(texts)
    _check_ids(ids, len(texts))
    described = {
        "format_version": FORMAT_VERSION,
        "encoder": encoder.fingerprint(),
        "template": dict(template) if isinstance(template, Mapping) else template,
        "texts_sha256": _texts_sha256(ids, texts),
    }
    canonical = json.dumps(described, sort_keys=True, separators=(",", ":"), allow_nan=False)
    # Read back, so that what is compared with meta.json has been through JSON as well.
    return _Request(ids, texts, json.loads(canonical), hashlib.sha256(canonical.encode()).hexdigest()[:16])


def _check_ids(ids: list[str], n_texts: int) -> None:
    if not ids or len(ids) != n_texts:
        raise DataError(f"{len(ids)} ids and {n_texts} texts: need one text per item, and one item at least.")
    broken = [item for item in ids if not item or "\n" in item or "\r" in item]
    if broken:
        raise DataError(f"{len(broken)} item ids are empty or hold a line break: {sample(broken)}. Rename them.")
    if len(set(ids)) < len(ids):
        doubled = [item for item, count in Counter(ids).items() if count > 1]
        raise DataError(f"{len(doubled)} item ids stand more than once: {sample(doubled)}. Give one text per item.")


def _texts_sha256(ids: list[str], texts: list[str]) -> str:
    """Hashes ids with their texts; lengths are written too, so that no two lists read the same."""
    digest = hashlib.sha256()
    for item, text in zip(ids, texts, strict=True):
        digest.update(f"{len(item)}:{item}{len(text)}:{text}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
