"""The real worker on the toy set: what it leaves, and what is left when everything is killed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from recbole_xlrec.bridge.experiment import run

ROWS: list[dict[str, Any]] = [
    {"model": "Pop"},
    {"model": "XLProfile", "config": {"encoder_dimension": 8}},
    {"model": "XLEASE", "space": "reg_weight choice [1.0, 100.0]"},
]


def _command(bench: Any, path: Path, *more: str) -> list[str]:
    where = [f"--data-path={bench.folder / 'data'}", f"--run-path={bench.runs}"]
    return [sys.executable, "-m", "recbole_xlrec", "benchmark", str(path), *where, *more]


def _wait_for(condition: Callable[[], Any], seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def _counts(bench: Any) -> dict[str, int]:
    path = bench.runs / "benchmarks" / "test" / "manifest.json"
    states = [entry["status"] for entry in json.loads(path.read_text())["runs"]] if path.is_file() else []
    return {state: states.count(state) for state in ("pending", "running", "finished", "failed")}


def _finished(bench: Any) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in bench.runs.glob("toy/*/*/metrics.json")}


def _results(bench: Any) -> list[list[str]]:
    """The tables without the seconds, which no two runs share."""
    return [line.split("|")[:-2] for line in bench.tables.splitlines()]


def test_a_run_without_a_test_looks_at_validation_alone(toy: Path, toy_config: Path) -> None:
    settings = {"data_path": str(toy), "show_progress": False, "evaluate_test": False, "keep_model": True}
    found = run("Pop", "toy", [toy_config], settings)
    assert (found.metrics["test"], found.metrics["test_by_language"]) == ({}, {})
    assert found.metrics["valid"]["ndcg@5"] > 0
    assert not {"ranking.npz", "model.safetensors"} & {path.name for path in found.folder.iterdir()}
    whole = run("Pop", "toy", [toy_config], {**settings, "evaluate_test": True})
    assert whole.folder != found.folder
    assert whole.metrics["valid"] == found.metrics["valid"]


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_and_ends_as_if_it_had_not_been(
    real_bench: Any, tmp_path_factory: pytest.TempPathFactory, copy_toy: Callable[[Path], Path]
) -> None:
    other = type(real_bench)(tmp_path_factory.mktemp("whole"))
    copy_toy(other.folder / "data")
    assert subprocess.run(_command(other, other.write(ROWS, seeds=[1, 2]))).returncode == 0
    path = real_bench.write(ROWS, seeds=[1, 2])
    for kill_children, finished in ((False, 1), (True, 2), (False, 4)):
        parent = psutil.Popen(_command(real_bench, path, "--jobs=2"), stdout=subprocess.DEVNULL)
        _wait_for(lambda: _counts(real_bench)["finished"] >= finished and _counts(real_bench)["running"])  # noqa: B023
        before, children = _finished(real_bench), parent.children(recursive=True)
        for process in (*(children if kill_children else ()), parent):
            process.kill()
        parent.wait()
        assert not psutil.wait_procs(children, timeout=60)[1], "a child outlived its parent"
        assert before.items() <= _finished(real_bench).items()
    assert subprocess.run(_command(real_bench, path)).returncode == 0
    assert before.items() <= _finished(real_bench).items()
    assert _counts(real_bench) == {"pending": 0, "running": 0, "finished": 8, "failed": 0}
    assert len(_finished(real_bench)) == 8
    assert _results(real_bench) == _results(other)


@pytest.mark.slow
def test_the_command_of_the_manifest_finds_the_run(real_bench: Any) -> None:
    assert real_bench.run([{"model": "XLEASE", "config": {"reg_weight": 3.0}}])
    (entry,) = real_bench.entries
    python = [sys.executable, "-c", "import sys; from recbole_xlrec.cli import main; main(sys.argv[1:])"]
    import shlex

    shown = subprocess.run([*python, *shlex.split(entry["command"])[1:]], capture_output=True, text=True)
    assert f"finished before (--rerun=True repeats it): {entry['folder']}" in shown.stdout, shown.stderr


@pytest.mark.slow
def test_ctrl_c_ends_everything_and_says_how_to_go_on(real_bench: Any) -> None:
    import signal

    path = real_bench.write([{"model": "BPR", "config": {"epochs": 10_000, "stopping_step": 10_000}}])
    parent = psutil.Popen(_command(real_bench, path), stdout=subprocess.PIPE, text=True)
    _wait_for(lambda: _counts(real_bench)["running"])
    time.sleep(1)
    children = parent.children(recursive=True)
    assert children
    parent.send_signal(signal.SIGINT)
    shown, _ = parent.communicate(timeout=60)
    assert parent.returncode == 130
    assert "The same command goes on." in shown
    assert not psutil.wait_procs(children, timeout=10)[1]
    assert _counts(real_bench)["pending"] == 1
