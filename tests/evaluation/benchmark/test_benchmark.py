"""Runs in processes of their own: what ends well is never repeated, what does not never stops the others."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from filelock import FileLock

from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.evaluation.benchmark import data
from recbole_xlrec.evaluation.benchmark.progress import Display

POP: dict[str, Any] = {"model": "Pop"}
BPR: dict[str, Any] = {"model": "BPR"}
RAISE, SLEEP, HOG, DIE = ({"epochs": epochs} for epochs in (901, 902, 903, 904))


def _numbers(tables: str) -> list[list[str]]:
    return [line.split("|")[1:-2] for line in tables.splitlines() if line.startswith("|")]


# --- a grid ---------------------------------------------------------------------------------------------------------


def test_the_tables_hold_the_mean_over_seeds_by_row_overall_and_by_language(bench: Any) -> None:
    rows = [POP, {**BPR, "config": {"learning_rate": 0.5}}]
    assert bench.run(rows, seeds=[1000, 3000])
    assert _numbers(bench.tables)[0] == [" ndcg@5 ", " overall ", " de ", " en "]
    assert _numbers(bench.tables)[2:] == [
        [" Pop ", *[" 0.0320 "] * 3],  # (.03 + .001 + .03 + .003) / 2
        [" BPR ", *[" **0.5320** "] * 3],
    ]
    assert "toy · joint: NDCG@5 on the test split, mean of 2 seeds" in bench.printed
    assert "4 runs finished, 0 without a result." in bench.printed
    assert f"Next: recbole-xlrec report {bench.runs}/benchmarks/test" in bench.printed


def test_one_language_at_a_time_is_one_row(bench: Any) -> None:
    assert bench.run([{**POP, "one_language_at_a_time": True}, {**BPR}])
    assert [row[0].strip() for row in _numbers(bench.tables)[2:]] == ["Pop", "BPR"]
    assert [entry["overrides"].get("protocol_language") for entry in bench.entries] == ["de", "en", None]


def test_the_manifest_has_the_keys_of_the_contract(bench: Any) -> None:
    bench.run([{**POP, "name": "Most popular"}], description="a test")
    manifest = json.loads((bench.runs / "benchmarks" / "test" / "manifest.json").read_text())
    assert (manifest["suite"], manifest["description"]) == ("test", "a test")
    (entry,) = manifest["runs"]
    assert {name: entry[name] for name in ("dataset", "row", "model", "protocol", "seed", "status", "trial")} == {
        **{"dataset": "toy", "row": "Most popular", "model": "Pop", "protocol": "joint"},
        **{"seed": 2020, "status": "finished", "trial": None},
    }
    assert (entry["seconds"], entry["peak_memory_mb"], entry["message"]) == (2.0, 100.0, None)
    assert Path(entry["folder"], "metrics.json").is_file()
    assert Path(entry["log"]).is_file()


# --- resumed --------------------------------------------------------------------------------------------------------


def test_what_has_finished_is_not_started_again(bench: Any) -> None:
    assert bench.run([POP, BPR], seeds=[1, 2])
    before, tables = len(bench.calls("start")), bench.tables
    assert bench.run([POP, BPR], seeds=[1, 2])
    assert len(bench.calls("start")) == before == 4
    assert bench.tables == tables
    assert bench.run([POP, BPR], seeds=[1, 2, 3])
    assert [call["config"]["seed"] for call in bench.calls("start")[4:]] == [3, 3]


def test_a_changed_setting_runs_anew_and_the_old_entry_goes(bench: Any) -> None:
    bench.run([POP, {**BPR, "config": {"learning_rate": 0.1}}])
    bench.run([POP, {**BPR, "config": {"learning_rate": 0.2}}])
    assert [call["model"] for call in bench.calls("start")] == ["Pop", "BPR", "BPR"]
    assert [entry["overrides"].get("learning_rate") for entry in bench.entries] == [None, 0.2]


def test_a_changed_default_runs_anew(bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.run([POP])
    changed = tmp_path / "package"
    shutil.copytree(data.PACKAGE / "properties", changed / "properties")
    overall = changed / "properties" / "overall.yaml"
    overall.write_text(overall.read_text().replace("ranking_k: 100", "ranking_k: 99"))
    monkeypatch.setattr(data, "PACKAGE", changed)
    bench.run([POP])
    assert len(bench.calls("start")) == 2
    assert len(bench.entries) == 1


def test_a_run_whose_folder_is_gone_is_made_again(bench: Any) -> None:
    bench.run([POP])
    Path(bench.entries[0]["folder"], "metrics.json").unlink()
    bench.run([POP])
    assert len(bench.calls("make")) == 2


def test_what_was_running_when_everything_was_killed_is_taken_up(bench: Any) -> None:
    bench.run([POP, BPR])
    path = bench.runs / "benchmarks" / "test" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["runs"][1].update(status="running", folder=None, seconds=None)
    path.write_text(json.dumps(manifest))
    left = path.with_name(".manifest.json.0f.partial")
    left.write_text('{"suite": "te')
    tables = bench.tables
    assert bench.run([POP, BPR])
    assert [call["model"] for call in bench.calls("start")] == ["Pop", "BPR", "BPR"]
    assert len(bench.calls("make")) == 2  # its folder was there
    assert bench.tables == tables
    assert not left.exists()


@pytest.mark.parametrize("text", ['{"suite": "test", "runs": [{"dataset": "to', '{"runs": [{"row": 1}]}'])
def test_a_broken_manifest_is_set_aside_and_no_finished_run_repeated(bench: Any, text: str) -> None:
    bench.run([POP, BPR])
    tables, path = bench.tables, bench.runs / "benchmarks" / "test" / "manifest.json"
    path.write_text(text)
    bench.run([POP], {"dry_run": True})
    assert path.read_text() == text
    assert bench.run([POP, BPR])
    assert len(bench.calls("make")) == 2
    assert bench.tables == tables
    assert path.with_name("manifest.json.broken").read_text() == text


# --- what goes wrong ------------------------------------------------------------------------------------------------


def test_a_run_that_fails_is_written_down_and_the_grid_goes_on(bench: Any) -> None:
    rows = [{**BPR, "name": "raises", "config": RAISE}, {**BPR, "name": "dies", "config": DIE}, POP]
    assert not bench.run(rows)
    states = {entry["row"]: (entry["status"], entry["message"]) for entry in bench.entries}
    assert states["raises"] == ("failed", "ValueError: the loss is nan")
    assert states["dies"][0] == "failed"
    assert "when memory ran out" in states["dies"][1]
    assert states["Pop"] == ("finished", None)
    log = next(entry["log"] for entry in bench.entries if entry["row"] == "raises")
    assert "Traceback" in Path(log).read_text()
    assert f"failed: raises, toy, joint, seed 2020: ValueError: the loss is nan (log: {log})" in bench.printed
    assert "toy · joint: no result of raises, dies" in bench.printed
    assert "No result: raises, dies" in bench.tables


def test_a_run_over_its_memory_or_time_is_ended_and_the_grid_goes_on(bench: Any) -> None:
    rows = [
        {**BPR, "name": "hog", "config": HOG, "limits": {"memory_gb": 0.2}},
        {**BPR, "name": "sleeper", "config": SLEEP, "limits": {"minutes": 0.005}},
        POP,
    ]
    assert not bench.run(rows, limits={"memory_gb": 1})
    states = {entry["row"]: entry for entry in bench.entries}
    assert states["hog"]["status"] == "memory"
    assert re.fullmatch(r"used 0\.\d\d GB of memory, memory_gb is 0\.2", states["hog"]["message"])
    assert states["hog"]["peak_memory_mb"] > 0.2e9 / 2**20
    assert states["sleeper"]["status"] == "timeout"
    assert states["sleeper"]["message"] == "not finished after 0.005 minutes"
    assert states["Pop"]["status"] == "finished"
    assert not [process for process in psutil.Process().children(recursive=True) if "fake" in str(process.cmdline())]


def test_what_failed_is_repeated_only_when_asked_for(bench: Any) -> None:
    rows = [{**BPR, "config": RAISE}, POP]
    bench.run(rows)
    assert not bench.run(rows)
    assert len(bench.calls("start")) == 2
    assert "2 of 2 runs ended before, 1 of them without a result (--retry-failed tries those again)" in bench.printed
    bench.run(rows, {"retry_failed": True})
    assert [call["model"] for call in bench.calls("start")] == ["BPR", "Pop", "BPR"]


def test_a_row_with_a_seed_missing_says_how_many_count(bench: Any) -> None:
    bench.run([POP], seeds=[1, 2])
    Path(bench.entries[1]["folder"], "metrics.json").write_text("{")
    bench_entries = bench.runs / "benchmarks" / "test" / "manifest.json"
    manifest = json.loads(bench_entries.read_text())
    manifest["runs"][1].update(status="failed", folder=None)
    bench_entries.write_text(json.dumps(manifest))
    assert not bench.run([POP], seeds=[1, 2])
    assert "| Pop (1 of 2 seeds) | **0.0300** |" in bench.tables


def test_a_second_benchmark_on_one_folder_is_refused(bench: Any) -> None:
    folder = bench.runs / "benchmarks" / "test"
    folder.mkdir(parents=True)
    with FileLock(folder / ".lock"), pytest.raises(DataError, match="another process is working on the benchmark in"):
        bench.run([POP])
    assert not bench.calls("start")
    assert bench.run([POP])


def test_an_interruption_ends_the_children_and_the_same_call_goes_on(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [POP, {**BPR, "config": {"eval_step": 500}}]
    started = Display.started

    def interrupt(self: Display, run: Any) -> None:
        started(self, run)
        if run.model == "BPR":
            time.sleep(0.2)
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Display, "started", interrupt)
        with pytest.raises(KeyboardInterrupt):
            bench.run(rows)
    assert not psutil.Process().children()
    assert [entry["status"] for entry in bench.entries] == ["finished", "pending"]
    assert "Interrupted with 1 runs finished. The same command goes on." in bench.printed
    assert bench.run(rows)
    assert [call["model"] for call in bench.calls("make")] == ["Pop", "BPR"]


# --- options --------------------------------------------------------------------------------------------------------


def test_two_jobs_run_side_by_side_with_half_the_processors_each(bench: Any) -> None:
    slow = {"eval_step": 300}
    rows = [{**BPR, "name": f"r{n}", "config": {**slow, "learning_rate": n / 10}} for n in range(4)]
    assert bench.run(rows, {"jobs": 2})
    changes = {"start": 1, "end": -1}
    events = sorted((call["at"], change) for what, change in changes.items() for call in bench.calls(what))
    running, most = 0, 0
    for _, change in events:
        running += change
        most = max(most, running)
    assert most == 2
    assert {call["threads"] for call in bench.calls("start")} == {str(max(1, len(os.sched_getaffinity(0)) // 2))}


def test_only_chooses_cells_and_the_others_stay_as_they_are(bench: Any) -> None:
    protocols = [{"protocol": "joint"}, {"protocol": "zero_shot", "protocol_language": ["de"]}]
    rows = [POP, BPR]
    assert bench.run(rows, {"only": ("BPR/*/joint",)}, protocols=protocols)
    assert bench.run(rows, {"only": ("Pop", "*/toy/joint")}, protocols=protocols)
    assert [(call["model"], call["config"]["protocol"]) for call in bench.calls("start")] == [
        *(("BPR", "joint"), ("Pop", "joint"), ("Pop", "zero_shot"))
    ]
    assert [entry["status"] for entry in bench.entries] == ["finished", "finished", "finished", "pending"]
    with pytest.raises(ConfigError, match=r"--only BRP/toy fits nothing.* Did you mean 'BPR'\?"):
        bench.run(rows, {"only": ("BRP/toy",)}, protocols=protocols)


def test_a_dry_run_counts_and_does_nothing(bench: Any) -> None:
    rows = [POP, {**BPR, "space": "learning_rate choice [0.1, 0.2, 0.3]"}]
    assert bench.run(rows, {"dry_run": True}, seeds=[1, 2], limits={"minutes": 3})
    assert "7 runs to do, 1 at a time: at most 21 minutes by their limits" in bench.printed
    assert re.search(r"BPR +│ toy +│ joint +│ BPR +│ +3 │ +2 │ +0 │ +5 ", bench.printed)
    assert not (bench.runs / "benchmarks").exists()
    assert not bench.calls("start")
