from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from recbole_xlrec.errors import ConfigError, DataError, EncoderError
from recbole_xlrec.text import chunks as chunks_module
from recbole_xlrec.text.encoders import NgramEncoder
from recbole_xlrec.text.store import VectorStore

ENCODER = '''
import hashlib, time
import numpy as np

class HashEncoder:
    """A vector that depends on the text alone; remembers what it was asked for."""

    def __init__(self, name="hash", dim=5, pause=0.0):
        self.name, self.dim, self.pause, self.asked, self.fitted = name, dim, pause, [], []

    def fit(self, texts):
        self.fitted.append(list(texts))

    def encode(self, texts):
        time.sleep(self.pause)
        self.asked.append(list(texts))
        digests = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts]
        return np.array([list(digest[: self.dim]) for digest in digests], dtype=np.float32) / 256

    def fingerprint(self):
        return {"encoder": self.name, "dim": self.dim}
'''
exec(ENCODER)  # the killed process runs the same lines
TEXTS = [f"title number {number % 17:03d} {'x' * (number % 5)}" for number in range(40)]
IDS = [f"item-{number}" for number in range(40)]
Encoder = Callable[..., "HashEncoder"]  # type: ignore[name-defined]  # noqa: F821


@pytest.fixture
def encoder() -> Encoder:
    made: Encoder = globals()["HashEncoder"]
    return made


@pytest.fixture
def store(tmp_path: Path) -> VectorStore:
    return VectorStore(tmp_path)


def left_over(store: VectorStore) -> list[str]:
    return sorted(path.name for path in store.root.iterdir() if not path.name.endswith(".lock"))


def test_vectors_come_back_by_row_in_float16_from_a_read_only_memory_map(store: VectorStore, encoder: Encoder) -> None:
    assert store.get(IDS, TEXTS, encoder(), "{title}") is None
    found = store.encode(IDS, TEXTS, encoder(), "{title}")
    assert found.ids == IDS
    assert found.path == store.root / found.key
    assert isinstance(found.matrix, np.memmap)
    assert found.matrix.dtype == np.float16
    assert not found.matrix.flags.writeable
    assert np.array_equal(found.matrix, encoder().encode(TEXTS).astype(np.float16))
    assert left_over(store) == [found.key]


def test_the_folder_holds_ids_and_what_made_the_vectors(store: VectorStore, encoder: Encoder) -> None:
    found = store.encode(["ä", "b"], ["one", "two"], encoder(), {"de": "{title}", "default": "{name}"})
    assert (found.path / "ids.txt").read_bytes() == "ä\nb\n".encode()
    meta = json.loads((found.path / "meta.json").read_text(encoding="utf-8"))
    assert meta["encoder"] == encoder().fingerprint()
    assert meta["template"] == {"de": "{title}", "default": "{name}"}
    assert (meta["n"], meta["dim"], meta["dtype"], meta["format_version"]) == (2, 5, "float16", 1)
    assert sorted(path.name for path in found.path.iterdir()) == ["ids.txt", "meta.json", "vectors.npy"]


def test_what_is_stored_is_not_encoded_again(store: VectorStore, encoder: Encoder) -> None:
    first, again = store.encode(IDS, TEXTS, encoder(), None), encoder()
    second = store.encode(IDS, TEXTS, again, None)
    assert again.asked == []
    assert again.fitted == []
    assert np.array_equal(first.matrix, second.matrix)
    opened = store.get(IDS, TEXTS, again, None)
    assert opened is not None
    assert opened.key == first.key


def test_each_text_is_encoded_once_longest_first_after_one_fit(store: VectorStore, encoder: Encoder) -> None:
    used = encoder()
    store.encode(IDS, TEXTS, used, None, chunk_size=10)
    asked = [text for chunk in used.asked for text in chunk]
    assert asked == sorted(set(TEXTS), key=lambda text: (-len(text), text))
    assert {len(chunk) for chunk in used.asked[:-1]} == {10}
    assert used.fitted == [asked]


texts_lists = st.lists(st.sampled_from(["", "a", "b", "cc", "日本", "\ud800", "a long one"]), min_size=1, max_size=12)


@settings(deadline=None, max_examples=30)
@given(texts_lists.filter(any), st.integers(1, 5))
def test_any_texts_in_any_chunks_give_the_encoders_own_rows(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], chunk_size: int
) -> None:
    used = globals()["HashEncoder"]()
    store = VectorStore(tmp_path_factory.mktemp("any"))
    found = store.encode([str(row) for row in range(len(texts))], texts, used, None, chunk_size=chunk_size)
    assert np.array_equal(found.matrix, used.encode(texts).astype(np.float16))


def test_the_key_changes_with_ids_texts_encoder_and_template(store: VectorStore, encoder: Encoder) -> None:
    keys = [
        store.key(["a", "b"], ["x", "y"], encoder(), None),
        store.key(["b", "a"], ["x", "y"], encoder(), None),
        store.key(["a", "b"], ["x", "z"], encoder(), None),
        store.key(["a", "b"], ["xy", ""], encoder(), None),
        store.key(["a", "b"], ["x", "y"], encoder("other"), None),
        store.key(["a", "b"], ["x", "y"], encoder(), "{title}"),
        store.key(["a", "b"], ["x", "y"], encoder(), {"default": "{title}"}),
    ]
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 16 and int(key, 16) >= 0 for key in keys)
    assert store.key(["a", "b"], ["x", "y"], encoder(), {"a": "1", "b": "2"}) == store.key(
        ["a", "b"], ["x", "y"], encoder(), {"b": "2", "a": "1"}
    )


@pytest.mark.parametrize("chunk_size", [1, 7])
def test_the_ngram_encoder_is_stored_as_it_encodes(store: VectorStore, chunk_size: int) -> None:
    direct = NgramEncoder(dimension=8)
    direct.fit(TEXTS)
    found = store.encode(IDS, TEXTS, NgramEncoder(dimension=8), None, chunk_size=chunk_size)
    assert np.array_equal(found.matrix, direct.encode(TEXTS).astype(np.float16))


# --- interruption ---------------------------------------------------------------------------------------------------

SCRIPT = """
import sys
from recbole_xlrec.text.store import VectorStore
texts = [f"title number {number % 17:03d} {'x' * (number % 5)}" for number in range(40)]
ids = [f"item-{number}" for number in range(40)]
VectorStore(sys.argv[1]).encode(ids, texts, HashEncoder(pause=float(sys.argv[2])), None, chunk_size=4)
"""


def start(folder: Path, pause: float) -> subprocess.Popen[bytes]:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.Popen([sys.executable, "-c", ENCODER + SCRIPT, str(folder), str(pause)], env=environment)


def wait_for(found: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while not found():
        assert process.poll() is None, "the process ended before what was waited for"
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.01)


def finished(store: VectorStore) -> list[Path]:
    return sorted(store.root.glob("*.partial/chunk-*.npy"))


def test_after_kill_9_only_the_missing_chunks_are_encoded_and_the_file_is_the_same_to_the_byte(
    tmp_path: Path, encoder: Encoder
) -> None:
    store, whole = VectorStore(tmp_path / "killed"), VectorStore(tmp_path / "whole")
    process = start(tmp_path / "killed", pause=0.2)
    try:
        wait_for(lambda: len(finished(store)) >= 2, process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = len(finished(store))
    unique = sorted(set(TEXTS), key=lambda text: (-len(text), text))
    assert 2 <= done < -(-len(unique) // 4)
    used = encoder()
    assert store.get(IDS, TEXTS, used, None) is None
    found = store.encode(IDS, TEXTS, used, None, chunk_size=4)
    assert [text for chunk in used.asked for text in chunk] == unique[4 * done :]
    expected = whole.encode(IDS, TEXTS, encoder(), None, chunk_size=4)
    for name in ("vectors.npy", "ids.txt", "meta.json"):
        assert (found.path / name).read_bytes() == (expected.path / name).read_bytes()
    assert left_over(store) == [found.key]


def test_a_second_process_waits_and_finds_the_work_done(
    tmp_path: Path, encoder: Encoder, caplog: pytest.LogCaptureFixture
) -> None:
    store, used = VectorStore(tmp_path), encoder()
    process = start(tmp_path, pause=0.05)
    try:
        wait_for(lambda: len(finished(store)) >= 1, process)
        with caplog.at_level(logging.INFO, "recbole_xlrec"):
            found = store.encode(IDS, TEXTS, used, None, chunk_size=4)
    finally:
        process.wait(timeout=30)
    assert process.returncode == 0
    assert used.asked == []
    assert "waiting for another process" in caplog.text
    assert np.array_equal(found.matrix, used.encode(TEXTS).astype(np.float16))


def stop_after(monkeypatch: pytest.MonkeyPatch, chunks: int, error: BaseException) -> None:
    """Lets so many chunks be written, then raises."""
    original, written = chunks_module.write_bytes, list[Path]()

    def write(path: Path, *blocks: bytes | memoryview) -> None:
        if len(written) == chunks:
            raise error
        written.append(path)
        original(path, *blocks)

    monkeypatch.setattr(chunks_module, "write_bytes", write)


def broken(path: Path, how: str) -> None:
    good = np.load(path)
    if how == "cut short":
        path.write_bytes(path.read_bytes()[:-3])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "not finite":
        good[0, 0] = np.nan
        np.save(path, good)
    elif how == "rows missing":
        np.save(path, good[:-1])
    else:
        np.save(path, good.astype(np.float32))


@pytest.mark.parametrize("how", ["cut short", "empty", "not finite", "rows missing", "other type"])
def test_a_chunk_that_is_not_whole_is_encoded_again(
    store: VectorStore, encoder: Encoder, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    with monkeypatch.context() as patched:
        stop_after(patched, 3, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            store.encode(IDS, TEXTS, encoder(), None, chunk_size=4)
    chunks = finished(store)
    assert len(chunks) == 3
    broken(chunks[1], how)
    used = encoder()
    found = store.encode(IDS, TEXTS, used, None, chunk_size=4)
    unique = sorted(set(TEXTS), key=lambda text: (-len(text), text))
    assert [text for chunk in used.asked for text in chunk] == unique[4:8] + unique[12:]
    assert np.array_equal(found.matrix, encoder().encode(TEXTS).astype(np.float16))


def test_a_half_assembled_folder_is_thrown_away(store: VectorStore, encoder: Encoder) -> None:
    half = store.root / f"{store.key(IDS, TEXTS, encoder(), None)}.partial" / "assembled"
    half.mkdir(parents=True)
    (half / "vectors.npy").write_bytes(b"half")
    found = store.encode(IDS, TEXTS, encoder(), None)
    assert np.array_equal(found.matrix, encoder().encode(TEXTS).astype(np.float16))
    assert left_over(store) == [found.key]


# --- what is not used -------------------------------------------------------------------------------------------------


def edit_meta(folder: Path, **changes: object) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    meta.update(changes)
    (folder / "meta.json").write_text(json.dumps({name: value for name, value in meta.items() if value != "gone"}))


def flip_last_byte(folder: Path) -> None:
    content = bytearray((folder / "vectors.npy").read_bytes())
    content[-1] ^= 1
    (folder / "vectors.npy").write_bytes(content)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "no meta": lambda folder: (folder / "meta.json").unlink(),
    "no vectors": lambda folder: (folder / "vectors.npy").unlink(),
    "no ids": lambda folder: (folder / "ids.txt").unlink(),
    "meta cut short": lambda folder: (folder / "meta.json").write_text('{"n": 4'),
    "meta incomplete": lambda folder: edit_meta(folder, vectors_sha256="gone"),
    "other count": lambda folder: edit_meta(folder, n=39),
    "other width": lambda folder: edit_meta(folder, dim=6),
    "other format": lambda folder: edit_meta(folder, format_version=0),
    "other encoder": lambda folder: edit_meta(folder, encoder={"encoder": "other", "dim": 5}),
    "other texts": lambda folder: edit_meta(folder, texts_sha256="0"),
    "vectors cut short": lambda folder: os.truncate(folder / "vectors.npy", 200),
    "vectors changed": flip_last_byte,
    "ids cut short": lambda folder: os.truncate(folder / "ids.txt", 20),
    "ids changed": lambda folder: (folder / "ids.txt").write_text("".join(f"{item}\n" for item in IDS[::-1])),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_or_stale_folder_is_never_used_and_is_replaced(
    store: VectorStore, encoder: Encoder, damage: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    damage(store.encode(IDS, TEXTS, encoder(), None).path)
    assert store.get(IDS, TEXTS, encoder(), None) is None
    assert "vectors not used" in caplog.text
    found = store.encode(IDS, TEXTS, encoder(), None)
    assert np.array_equal(found.matrix, encoder().encode(TEXTS).astype(np.float16))
    assert store.get(IDS, TEXTS, encoder(), None) is not None


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_a_full_disk_while_encoding_says_how_much_is_needed_and_keeps_the_chunks(
    store: VectorStore, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    unique = len(set(TEXTS))
    with monkeypatch.context() as patched:
        stop_after(patched, 2, OSError(errno.ENOSPC, "No space left on device"))
        with pytest.raises(EncoderError, match=f"{(unique - 8 + 40) * 5 * 2:,} bytes are needed"):
            store.encode(IDS, TEXTS, encoder(), None, chunk_size=4)
    assert store.get(IDS, TEXTS, encoder(), None) is None
    assert len(finished(store)) == 2
    used = encoder()
    store.encode(IDS, TEXTS, used, None, chunk_size=4)
    assert sum(map(len, used.asked)) == unique - 8


def test_a_full_disk_while_assembling_leaves_no_folder_and_nothing_to_encode(
    store: VectorStore, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "posix_fallocate", full, raising=False)
        with pytest.raises(EncoderError, match=r" 400 bytes are needed.*goes on from there"):
            store.encode(IDS, TEXTS, encoder(), None, chunk_size=4)
    (partial,) = left_over(store)
    assert partial.endswith(".partial")
    assert not (store.root / partial / "assembled").exists()
    used = encoder()
    store.encode(IDS, TEXTS, used, None, chunk_size=4)
    assert used.asked == []


def test_another_error_of_the_disk_is_raised_as_it_is(
    store: VectorStore, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_after(monkeypatch, 0, PermissionError(errno.EACCES, "no"))
    with pytest.raises(PermissionError):
        store.encode(IDS, TEXTS, encoder(), None)


class Wrong:
    """Gives back what it was told to."""

    def __init__(self, rows: NDArray[np.float32]) -> None:
        self.rows = rows

    def fit(self, texts: Sequence[str]) -> None:
        pass

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self.rows

    def fingerprint(self) -> dict[str, str | int | float | bool | list | None]:
        return {"encoder": "wrong"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.array([[1, 2], [3, 70000]]), r"float16 cannot hold .* for 1 of 2 texts: 'a'"),
        (np.array([[1, -np.inf], [3, 4]]), r"for 1 of 2 texts: 'bb'"),
        (np.array([[1, 2], [np.nan, 4]]), r"for 1 of 2 texts: 'a'"),
        (np.array([[1, 2]]), r"shape \(1, 2\)"),
        (np.array([1, 2]), r"shape \(2,\)"),
        (np.zeros((2, 0)), r"shape \(2, 0\)"),
    ],
)
def test_vectors_that_cannot_be_stored_are_refused(store: VectorStore, rows: NDArray[np.float32], message: str) -> None:
    with pytest.raises(EncoderError, match=message):
        store.encode(["1", "2"], ["a", "bb"], Wrong(rows), None)
    assert store.get(["1", "2"], ["a", "bb"], Wrong(rows), None) is None


@pytest.mark.parametrize(
    ("ids", "texts", "message"),
    [
        (["a", "b", "a"], ["x", "y", "z"], "1 item ids stand more than once: 'a'"),
        (["a", "b"], ["x"], "2 ids and 1 texts"),
        ([], [], "0 ids"),
        (["a", "b\nc", ""], ["x", "y", "z"], "2 item ids are empty or hold a line break"),
        (["a", "b"], ["", " "], "none of the 2 items has a text"),
    ],
)
def test_items_that_cannot_be_stored_are_refused(
    store: VectorStore, encoder: Encoder, ids: list[str], texts: list[str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        store.encode(ids, texts, encoder(), None)


def test_chunks_of_no_texts_are_refused(store: VectorStore, encoder: Encoder) -> None:
    with pytest.raises(ConfigError, match="chunk_size"):
        store.encode(IDS, TEXTS, encoder(), None, chunk_size=0)


def test_progress_is_shown_only_when_asked_for(
    tmp_path: Path, encoder: Encoder, capsys: pytest.CaptureFixture[str]
) -> None:
    VectorStore(tmp_path / "quiet").encode(IDS, TEXTS, encoder(), None)
    assert capsys.readouterr().err == ""
    VectorStore(tmp_path / "shown").encode(IDS, TEXTS, encoder(), None, show_progress=True)
    assert "texts/s" in capsys.readouterr().err


def test_a_moved_dataset_keeps_its_vectors(tmp_path: Path, encoder: Encoder) -> None:
    VectorStore(tmp_path / "a").encode(IDS, TEXTS, encoder(), None)
    shutil.move(tmp_path / "a", tmp_path / "b")
    assert VectorStore(tmp_path / "b").get(IDS, TEXTS, encoder(), None) is not None
