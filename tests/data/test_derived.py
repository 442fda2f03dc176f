from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from recbole_xlrec.data.derived import META, made_once

MADE_OF = {"seed": 1, "languages": ("en", "de")}


def _make(folder: Path, content: str = "made", made_of: dict[str, Any] = MADE_OF) -> tuple[dict[str, Any], bool]:
    """The counts, and whether anything was made."""
    calls = []

    def make(target: Path) -> dict[str, Any]:
        calls.append(target)
        (target / "rows").write_text(content)
        return {"rows": {"en": 3}}

    return made_once(folder, made_of, make), bool(calls)


def test_a_folder_is_made_once_and_its_counts_are_kept(tmp_path: Path) -> None:
    assert _make(tmp_path / "key") == ({"rows": {"en": 3}}, True)
    (tmp_path / "key" / "more").mkdir()
    (tmp_path / "key" / ".more.lock").touch()
    assert _make(tmp_path / "key") == ({"rows": {"en": 3}}, False)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "rows").write_text("changed"),
        lambda folder: (folder / "rows").unlink(),
        lambda folder: (folder / META).unlink(),
        lambda folder: (folder / META).write_text((folder / META).read_text()[:40]),
        lambda folder: (folder / META).write_text("[]"),
    ],
)
def test_a_folder_that_was_changed_is_not_used(spoil: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _make(tmp_path / "key")
    spoil(tmp_path / "key")
    with caplog.at_level(logging.WARNING):
        assert _make(tmp_path / "key") == ({"rows": {"en": 3}}, True)
    assert "is made again" in caplog.text
    assert (tmp_path / "key" / "rows").read_text() == "made"


def test_a_folder_made_of_something_else_is_not_used(tmp_path: Path) -> None:
    _make(tmp_path / "key")
    assert _make(tmp_path / "key", "other", {"seed": 2})[1]
    assert json.loads((tmp_path / "key" / META).read_text())["made_of"] == {"seed": 2}


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def fail(target: Path) -> dict[str, Any]:
        (target / "rows").write_text("half")
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        made_once(tmp_path / "key", MADE_OF, fail)
    assert [name for name in os.listdir(tmp_path) if not name.endswith(".lock")] == []


_SCRIPT = """
import os, sys, time
from pathlib import Path
from recbole_xlrec.data import derived

def make(target):
    (target / "rows").write_text(f"made by {sys.argv[2]}")
    time.sleep(0.5)
    return {"by": sys.argv[2]}

if sys.argv[2] == "killed":
    derived.os.replace = lambda *paths: os.kill(os.getpid(), 9)
print(derived.made_once(Path(sys.argv[1]), {"seed": 1}, make)["by"])
"""


def _start(folder: Path, who: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", _SCRIPT, str(folder), who], stdout=subprocess.PIPE, text=True)


def test_what_a_killed_process_had_written_is_thrown_away(tmp_path: Path) -> None:
    killed = _start(tmp_path / "key", "killed")
    assert killed.wait() == -9
    assert (tmp_path / "key.partial" / META).is_file()  # complete, but for its name
    assert not (tmp_path / "key").exists()
    assert _make(tmp_path / "key", made_of={"seed": 1}) == ({"rows": {"en": 3}}, True)
    assert (tmp_path / "key" / "rows").read_text() == "made"
    assert not (tmp_path / "key.partial").exists()


def test_of_two_processes_the_second_waits_and_takes_what_the_first_made(tmp_path: Path) -> None:
    both = [_start(tmp_path / "key", who) for who in ("one", "two")]
    said = {process.communicate()[0].strip() for process in both}
    assert len(said) == 1
    assert (tmp_path / "key" / "rows").read_text() == f"made by {said.pop()}"
