"""Encoding by several processes, as torchrun starts them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.text.chunks import Share, own_share
from recbole_xlrec.text.encoders.sentence import SentenceEncoder

#: An encoder that notes what it is given, and, where it is told so, dies in the middle.
SCRIPT = """
import os, sys
import numpy as np
from recbole_xlrec.text.store import VectorStore

class Encoder:
    calls = 0
    def fit(self, texts): pass
    def fingerprint(self): return {"encoder": "counted"}
    def encode(self, texts):
        self.calls += 1
        if os.environ.get("DIES") == os.environ["RANK"] and self.calls == 2:
            os._exit(9)
        with open(f"{sys.argv[1]}/log-{os.environ['RANK']}", "a") as log:
            log.write("".join(f"{text}\\n" for text in texts))
        return np.array([[len(text), int(text.split()[0])] for text in texts], dtype=np.float32)

texts = [f"{n} {'x' * n}" for n in range(1, 41)]
found = VectorStore(sys.argv[1]).encode([str(n) for n in range(40)], texts, Encoder(), None, chunk_size=4, sharded=True)
assert found.matrix[:, 1].tolist() == list(range(1, 41))
"""


#: A real encoder under a real torchrun; the second process kills itself before its second chunk, once.
UNDER_TORCHRUN = """
import os, signal, sys
from pathlib import Path
from recbole_xlrec.text.encoders.sentence import SentenceEncoder
from recbole_xlrec.text.store import VectorStore

folder, rank = Path(sys.argv[1]), os.environ["RANK"]

class Encoder(SentenceEncoder):
    def encode(self, texts):
        mark, log = folder / "killed", folder / f"log-{rank}"
        if rank == "1" and log.exists() and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        with log.open("a") as lines:
            lines.write("".join(f"{text}\\n" for text in texts))
        return super().encode(texts)

encoder = Encoder(sys.argv[2], device="cpu")
texts = [f"The cat sits on the mat {n}" for n in range(40)]
VectorStore(folder).encode([str(n) for n in range(40)], texts, encoder, None, chunk_size=5, sharded=True)
"""


def start(folder: Path, rank: int, **more: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "RANK": str(rank), "WORLD_SIZE": "2", **more}
    return subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder)], env=environment)


def logged(folder: Path, rank: int) -> list[str]:
    path = folder / f"log-{rank}"
    return path.read_text().splitlines() if path.exists() else []


def test_each_process_encodes_its_chunks_and_a_killed_one_only_what_is_missing(tmp_path: Path) -> None:
    first, second = start(tmp_path, 0), start(tmp_path, 1, DIES="1")
    assert second.wait(60) == 9
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob(".vectors/*.partial/chunk-*.npy"))) < 6 and time.monotonic() < deadline:
        time.sleep(0.05)
    first.kill()  # as torchrun does when one process dies
    first.wait(60)
    assert (len(logged(tmp_path, 0)), len(logged(tmp_path, 1))) == (20, 4)
    again = [start(tmp_path, rank) for rank in (0, 1)]
    assert [process.wait(60) for process in again] == [0, 0]
    assert (len(logged(tmp_path, 0)), len(logged(tmp_path, 1))) == (20, 20)
    assert len({*logged(tmp_path, 0), *logged(tmp_path, 1)}) == 40
    (folder,) = (tmp_path / ".vectors").glob("*/vectors.npy")
    assert np.load(folder).shape == (40, 2)


@pytest.mark.slow
def test_torchrun_starts_again_after_a_kill_and_only_what_is_missing_is_encoded(
    sentence_model: Callable[..., Path], tmp_path: Path
) -> None:
    script, model = tmp_path / "encode.py", str(sentence_model("mean"))
    script.write_text(UNDER_TORCHRUN)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=1"]
    subprocess.run([*torchrun, str(script), str(tmp_path), model], check=True, timeout=300)
    assert (tmp_path / "killed").exists()
    assert len(logged(tmp_path, 1)) == len({*logged(tmp_path, 1)}) == 20
    assert len({*logged(tmp_path, 0)}) == 20
    assert len(logged(tmp_path, 0)) <= 25  # it may have been in the midst of a chunk when torchrun ended it
    (stored,) = (tmp_path / ".vectors").glob("*/vectors.npy")
    texts = [f"The cat sits on the mat {n}" for n in range(40)]
    np.testing.assert_allclose(
        np.load(stored), SentenceEncoder(model, device="cpu").encode(texts), atol=1e-3, rtol=1e-3
    )


def test_a_process_alone_has_every_chunk_and_nonsense_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert own_share() == Share(0, 1)
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(ConfigError, match="RANK=3"):
        own_share()
