"""Two processes on processors make one run, as one process would."""

from __future__ import annotations

import json
import math
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from recbole.trainer import trainer as recbole_trainer
from torch import nn

from recbole_xlrec.bridge.config import XLConfig
from recbole_xlrec.bridge.distributed import share_queries, wrapping
from recbole_xlrec.bridge.experiment import run
from recbole_xlrec.errors import ConfigError
from recbole_xlrec.evaluation.by_language import overall
from recbole_xlrec.evaluation.metrics import METRICS as RANKED
from recbole_xlrec.ranking.ranking import Ranking, load_ranking

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("two_processes.py")
PROCESSES = 2
QUIET = {"show_progress": False, "use_gpu": False, "epochs": 2, "eval_step": 1, "metric_decimal_place": 8}
#: Several test queries a user, whose number differs from user to user.
SHARES = {"eval_args": {"split": {"RS": [0.4, 0.2, 0.4]}, "order": "TO", "group_by": "user", "mode": "full"}}
SMALL = {"hidden_size": 8, "n_heads": 1, "n_layers": 1, "encoder_dimension": 8}


class Job(NamedTuple):
    """A run of two processes."""

    model: str
    dataset: str
    config: dict[str, Any]


JOBS = {
    "XLEASE": Job("XLEASE", "toy", {}),
    "XLSASRec": Job("XLSASRec", "toy", {**SMALL, **SHARES}),
    "BPR": Job("BPR", "ml-cut", {"metrics": ["NDCG", "Recall", "ItemCoverage", "GAUC"], "topk": [5], "seed": 3}),
    "BPR, fine-tuned": Job("BPR", "ml-cut", {"topk": [5], "seed": 3, "finetune_from": 2, "finetune_language": "de"}),
}
for job in JOBS.values():
    if job.dataset == "ml-cut":
        job.config.update(load_col={"inter": ["user_id", "item_id", "timestamp"]}, valid_metric="NDCG@5")
        job.config.update(eval_args={"split": {"LS": "valid_and_test"}, "order": "TO"})


class Pair(NamedTuple):
    """What two processes left of one run."""

    folder: Path
    metrics: list[dict[str, Any]]
    weights: list[dict[str, torch.Tensor]]
    shares: list[list[int]]

    @property
    def ranking(self) -> Ranking:
        """The saved ranking."""
        return load_ranking(self.folder / "ranking.npz")


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("localhost", 0))
        return int(listening.getsockname()[1])


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory, copy_toy: Callable[[Path], Path], ml_cut: Path) -> dict[str, Pair]:
    """Every job, made by two processes that are started once."""
    folder = tmp_path_factory.mktemp("two")
    data = {"toy": str(copy_toy(folder / "data")), "ml-cut": str(ml_cut)}
    jobs = []
    for job in JOBS.values():
        files = [str(ROOT / "dataset_configs" / "toy.yaml")] if job.dataset == "toy" else []
        config = {**QUIET, **job.config, "data_path": data[job.dataset], "port": str(free_port())}
        jobs.append({"model": job.model, "dataset": job.dataset, "files": files, "config": config})
    (folder / "jobs.json").write_text(json.dumps(jobs))
    commands = [
        [sys.executable, str(SCRIPT), str(rank), str(PROCESSES), str(folder / "jobs.json"), str(folder)]
        for rank in range(PROCESSES)
    ]
    started = [
        subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for command in commands
    ]
    try:
        shown = [process.communicate(timeout=240)[0] for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0, 0], "\n".join(shown)
    return {name: _read(folder, number) for number, name in enumerate(JOBS)}


def _read(folder: Path, number: int) -> Pair:
    files = [folder / f"{number}-{rank}" for rank in range(PROCESSES)]
    found = [json.loads(file.with_suffix(".json").read_text()) for file in files]
    assert found[0]["folder"] == found[1]["folder"]
    return Pair(
        folder / found[0]["folder"],
        [one["metrics"] for one in found],
        [torch.load(file.with_suffix(".pt"), weights_only=True) for file in files],
        [json.loads(file.with_suffix(".shares.json").read_text()) for file in files],
    )


@pytest.fixture
def alone(copy_toy: Callable[[Path], Path], ml_cut: Path, tmp_path: Path) -> Callable[[str], Any]:
    """A job, made by one process."""

    def make(name: str) -> Any:
        job = JOBS[name]
        files = [ROOT / "dataset_configs" / "toy.yaml"] if job.dataset == "toy" else []
        data = copy_toy(tmp_path / "data") if job.dataset == "toy" else ml_cut
        return run(job.model, job.dataset, files, {**QUIET, **job.config, "data_path": str(data)})

    return make


# --- one run --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", JOBS)
def test_the_run_folder_is_written_once_and_whole(name: str, pairs: dict[str, Pair]) -> None:
    folder = pairs[name].folder
    assert {path.name for path in folder.iterdir()} == {
        *("config.yaml", "environment.json", "history.jsonl", "log.txt", "metrics.json"),
        *("model.safetensors", "ranking.npz", "context.npz", "tensorboard"),
    }
    assert len([path for path in (folder / "tensorboard").iterdir() if path.is_file()]) == 1
    assert len((folder / "history.jsonl").read_text().splitlines()) == (1 if name == "XLEASE" else 2)
    assert not [path for path in folder.parent.iterdir() if path.name.endswith(".partial")]
    saved = json.loads((folder / "metrics.json").read_text())
    assert saved == pairs[name].metrics[0]


@pytest.mark.parametrize("name", JOBS)
def test_after_training_both_processes_have_the_same_parameters(name: str, pairs: dict[str, Pair]) -> None:
    first, second = pairs[name].weights
    assert list(first) == list(second)
    for key in first:
        assert torch.equal(first[key], second[key]), key


@pytest.mark.parametrize("name", JOBS)
def test_both_processes_have_the_metrics_of_the_saved_ranking(name: str, pairs: dict[str, Pair]) -> None:
    pair = pairs[name]
    for part in ("valid", "test"):
        assert pair.metrics[0][part] == pair.metrics[1][part]
        assert all(math.isfinite(value) for value in pair.metrics[0][part].values())
    assert pair.metrics[0]["test_by_language"] == pair.metrics[1]["test_by_language"]
    ks = sorted({int(key.split("@")[1]) for key in pair.metrics[0]["test"] if "@" in key})
    names = sorted({key.split("@")[0] for key in pair.metrics[0]["test"]} & set(RANKED))
    expected = overall(pair.ranking, names, ks)
    assert {key: pair.metrics[0]["test"][key] for key in expected} == pytest.approx(expected, abs=1e-7)


# --- every query once -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", JOBS)
def test_each_process_evaluates_its_share_and_the_ranking_has_them_all(name: str, pairs: dict[str, Pair]) -> None:
    (first, queries), (second, again) = pairs[name].shares
    assert queries == again == first + second == len(pairs[name].ranking.query_ids)
    assert abs(first - second) <= 1
    assert first > 0
    assert (name == "BPR, fine-tuned") == (queries % 2 == 1)  # and one is odd


@pytest.mark.parametrize("name", ["XLSASRec", "BPR"])
def test_the_queries_are_those_of_one_process_in_their_order(
    name: str, pairs: dict[str, Pair], alone: Callable[[str], Any]
) -> None:
    expected, found = load_ranking(alone(name).folder / "ranking.npz"), pairs[name].ranking
    assert np.array_equal(found.query_ids, expected.query_ids)
    assert np.array_equal(found.target_ids, expected.target_ids)
    assert np.array_equal(found.languages, expected.languages)
    repeated = len(expected.query_ids) > len(set(expected.query_ids))
    assert repeated == (name == "XLSASRec")


def test_a_model_without_chance_gives_what_one_process_gives(
    pairs: dict[str, Pair], alone: Callable[[str], Any]
) -> None:
    found = alone("XLEASE")
    expected = load_ranking(found.folder / "ranking.npz")
    for field, values in expected._asdict().items():
        assert np.array_equal(getattr(pairs["XLEASE"].ranking, field), values), field
    for part in ("valid", "test", "test_by_language"):
        assert pairs["XLEASE"].metrics[0][part] == found.metrics[part]
    assert pairs["XLEASE"].folder.name == found.folder.name


def test_metrics_that_are_no_means_are_computed_on_all_queries(pairs: dict[str, Pair]) -> None:
    pair = pairs["BPR"]
    items = set(pair.ranking.item_ids[:, :5].ravel())
    assert pair.metrics[0]["test"]["itemcoverage@5"] == pytest.approx(len(items) / 191, abs=1e-7)
    assert 0 < pair.metrics[0]["test"]["gauc"] < 1


def test_fine_tuning_works_in_two_processes(pairs: dict[str, Pair]) -> None:
    found = pairs["BPR, fine-tuned"]
    tuning = found.metrics[0]["finetune"]
    assert tuning == found.metrics[1]["finetune"]
    assert tuning["from"] == pairs["BPR"].folder.name
    assert set(found.ranking.languages) == {"de"}
    assert found.metrics[0]["valid"]["ndcg@5"] >= tuning["valid_before"]["ndcg@5"]


# --- parts ----------------------------------------------------------------------------------------------------------


@given(st.integers(1, 9), st.integers(0, 40))
def test_every_query_is_one_processs_and_none_is_without(world: int, more: int) -> None:
    queries = world + more
    shares = []
    for rank in range(world):
        loader = SimpleNamespace(sample_size=queries, batch_sampler=SimpleNamespace(), _dataset=None)
        share_queries(loader, {"world_size": world, "local_rank": rank, "offset": 0})
        shares.append(list(loader.batch_sampler.sampler))
    assert [query for share in shares for query in share] == list(range(queries))
    assert all(shares)


def test_fewer_queries_than_processes_are_refused() -> None:
    loader = SimpleNamespace(sample_size=2, batch_sampler=SimpleNamespace(), _dataset=None)
    with pytest.raises(ConfigError, match="2 queries cannot be shared by 3 processes"):
        share_queries(loader, {"world_size": 3, "local_rank": 0, "offset": 0})


def test_batch_normalisation_over_processors_is_refused() -> None:
    model = nn.Sequential(nn.Linear(1, 1), nn.SyncBatchNorm(1))
    config = {"device": torch.device("cpu"), "model": "NFM"}
    with wrapping(config), pytest.raises(ConfigError, match=r"NFM normalises over batches.*take one process"):
        recbole_trainer.DistributedDataParallel(model, device_ids=[0])
    assert recbole_trainer.DistributedDataParallel is nn.parallel.DistributedDataParallel


def test_without_use_gpu_a_run_is_on_the_processor_and_the_environment_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    config = XLConfig("BPR", "toy", None, {"use_gpu": False})
    assert (config["device"], config["single_spec"], config["local_rank"]) == (torch.device("cpu"), True, 0)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "7"


def test_a_port_that_is_taken_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        taken.listen()
        place = {"local_rank": 0, "nproc": 2, "world_size": 2, "ip": "localhost", "offset": 0}
        with pytest.raises(ConfigError, match=r"no process group at tcp://localhost:\d+: .*Another --port"):
            XLConfig("BPR", "toy", None, {**place, "port": str(taken.getsockname()[1]), "use_gpu": False})


# --- the command line -----------------------------------------------------------------------------------------------


def _call(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    common = ["--model=BPR", "--nproc=2", f"--port={free_port()}", "--epochs=1", "--show_progress=False"]
    command = [sys.executable, "-m", "recbole_xlrec", *common, f"--data_path={ROOT / 'atomic_data'}", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)


@pytest.mark.slow
def test_nproc_on_processors_trains_and_prints_once(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text("use_gpu: False\n")
    shown = _call(tmp_path, "--dataset=toy", f"--config_files={tmp_path / 'my.yaml'}")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.count("run written to") == 1
    assert shown.stdout.count("test  recall@10") == 1
    assert shown.stderr.count("epoch 0 training") == 1
    assert len(list(tmp_path.glob("runs/toy/BPR/*/metrics.json"))) == 1


@pytest.mark.slow
def test_what_a_process_refuses_is_one_message(tmp_path: Path) -> None:
    shown = _call(tmp_path, "--dataset=ty", "--use_gpu=False")
    assert shown.returncode == 2
    assert "Traceback" not in shown.stderr
    assert "Did you mean 'toy'?" in shown.stderr.splitlines()[-1]
