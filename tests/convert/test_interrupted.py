"""Ctrl-C in the middle of a conversion, the real signal to a real process."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

CODE = """
import sys, time
from recbole_xlrec.convert import order
ordered = order._buckets
def slow(*given):
    print("in the middle", flush=True)
    time.sleep(60)
    return ordered(*given)
order._buckets = slow
from recbole_xlrec.cli import main
main(sys.argv[1:])
"""


def test_an_interrupted_conversion_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "u.data").write_text("1\t2\t5\t881250949\n")
    (tmp_path / "u.item").write_text("2|Film (1995)|01-Jan-1995||url" + "|0" * 19 + "\n")
    words = ["convert", "movielens", "--input", str(tmp_path), "--output", str(tmp_path / "out")]
    child = subprocess.Popen(
        [sys.executable, "-c", CODE, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "in the middle\n"
    time.sleep(0.2)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=30)
    assert child.returncode == 130
    assert "Interrupted. Nothing was written" in said
    assert list((tmp_path / "out").iterdir()) == []
