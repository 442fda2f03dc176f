"""A bench on the toy set whose runs are made by `fake_worker.py`."""

from __future__ import annotations

import copy
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from recbole_xlrec.bridge import config, registry
from recbole_xlrec.bridge.registry import register
from recbole_xlrec.data.yaml_files import read_yaml
from recbole_xlrec.evaluation.benchmark import child
from recbole_xlrec.evaluation.benchmark.benchmark import Call, benchmark

FAKE = Path(__file__).with_name("fake_worker.py")


@pytest.fixture(scope="session", autouse=True)
def _registered() -> Iterator[None]:
    """Suites are checked often here: what is known of RecBole's keys and of defaults is read from files once."""
    register()
    with pytest.MonkeyPatch.context() as patch:
        for module in (config, registry):
            patch.setattr(module, "read_yaml", lambda path: copy.deepcopy(_read(path)))
        patch.setattr(config, "_recbole_keys", cache(config._recbole_keys))
        yield


_read = cache(read_yaml)


class Bench:
    """A suite on the toy set, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.runs = folder, folder / "runs"
        self.runs.mkdir(exist_ok=True)

    def write(self, rows: list[dict[str, Any]], **changes: Any) -> Path:
        """Writes the suite `test` and returns its path."""
        suite = {"name": "test", "datasets": [{"name": "toy"}], "metrics": ["ndcg@5"], "rows": rows, **changes}
        path = self.folder / "test.yaml"
        path.write_text(yaml.safe_dump(suite), encoding="utf-8")
        return path

    def run(self, rows: list[dict[str, Any]], call: Mapping[str, Any] | None = None, **changes: Any) -> bool:
        """Runs the suite of some rows; `printed` holds what was shown."""
        shown = io.StringIO()
        given = Call(data_path=self.folder / "data", run_path=self.runs, **(call or {}))
        try:
            return benchmark(self.write(rows, **changes), given, Console(file=shown, width=200))
        finally:
            self.printed = shown.getvalue()

    @property
    def entries(self) -> list[dict[str, Any]]:
        """The manifest's runs."""
        return list(json.loads((self.runs / "benchmarks" / "test" / "manifest.json").read_text())["runs"])

    @property
    def tables(self) -> str:
        """The written tables."""
        return (self.runs / "benchmarks" / "test" / "tables.md").read_text(encoding="utf-8")

    def calls(self, what: str = "make") -> list[dict[str, Any]]:
        """What the fake worker noted."""
        path = self.runs / "calls.jsonl"
        lines = path.read_text().splitlines() if path.is_file() else []
        return [call for call in map(json.loads, lines) if call["what"] == what]


@pytest.fixture
def real_bench(tmp_path: Path, toy: Path) -> Bench:
    """A bench whose runs are real."""
    assert toy == tmp_path / "data"
    return Bench(tmp_path)


@pytest.fixture
def bench(real_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench whose runs are made up."""
    monkeypatch.setattr(child, "WORKER", (sys.executable, "-S", "-E", str(FAKE)))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return real_bench


@pytest.fixture
def refuse(bench: Bench) -> Callable[..., str]:
    """Runs a suite that must be refused before anything runs, and gives the message."""

    def call(rows: Any, **changes: Any) -> str:
        from recbole_xlrec.errors import XLRecError

        with pytest.raises(XLRecError) as found:
            bench.run(rows, **changes)
        assert not bench.calls("start")
        assert not (bench.runs / "benchmarks").exists()
        return str(found.value)

    return call
