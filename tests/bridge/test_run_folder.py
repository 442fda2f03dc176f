from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import recbole_xlrec
from recbole_xlrec.bridge.config import XLConfig
from recbole_xlrec.bridge.run_folder import (
    LOG,
    METRICS,
    data_hashes,
    partial_folder,
    read_metrics,
    run_name,
    write_json,
    writing,
)
from recbole_xlrec.errors import DataError

TOY = Path(__file__).parents[2] / "atomic_data" / "toy"


def _finish(folder: Path, content: str = "new") -> None:
    with writing(folder) as partial:
        (partial / "result").write_text(content)


# --- complete or not at all -----------------------------------------------------------------------------------------


def test_a_run_appears_when_it_is_complete(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "toy" / "joint-1"
    with writing(folder) as partial:
        assert partial == partial_folder(folder)
        (partial / "result").write_text("new")
        assert not folder.exists()
    assert sorted(os.listdir(folder)) == [LOG, "result"]
    assert not partial.exists()


def test_a_new_run_takes_the_place_of_the_old_one_whole(tmp_path: Path) -> None:
    _finish(tmp_path / "run", "old")
    (tmp_path / "run" / "more").write_text("old")
    _finish(tmp_path / "run", "new")
    assert sorted(os.listdir(tmp_path / "run")) == [LOG, "result"]
    assert (tmp_path / "run" / "result").read_text() == "new"
    assert [name for name in os.listdir(tmp_path) if not name.startswith(".")] == ["run"]


@pytest.mark.parametrize("error", [ValueError("the loss is nan"), KeyboardInterrupt()])
def test_a_failure_leaves_no_run_and_the_older_one_whole(tmp_path: Path, error: BaseException) -> None:
    def fail(folder: Path) -> None:
        with writing(folder) as partial:
            (partial / "result").write_text("half")
            raise error

    with pytest.raises(type(error)):
        fail(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    _finish(tmp_path / "run", "old")
    with pytest.raises(type(error)):
        fail(tmp_path / "run")
    assert (tmp_path / "run" / "result").read_text() == "old"
    _finish(tmp_path / "run", "new")
    assert sorted(os.listdir(tmp_path / "run")) == [LOG, "result"]


# --- the log --------------------------------------------------------------------------------------------------------


def test_the_log_of_a_failure_has_the_traceback_and_the_terminal_has_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ValueError), writing(tmp_path / "run") as partial:
        raise ValueError("the loss is nan")
    text = (partial / LOG).read_text()
    assert "ERROR" in text
    assert "Traceback (most recent call last)" in text
    assert "ValueError: the loss is nan" in text
    assert "Traceback" not in caplog.text


def test_the_log_has_every_loggers_lines_without_colour_codes(tmp_path: Path) -> None:
    with writing(tmp_path / "run"):
        logging.getLogger().info("\x1b[1;35mepoch 1\x1b[0m \x1b[33m[loss: 0.5]\x1b[0m")
        logging.getLogger("recbole_xlrec.text").warning("Größe")
        logging.getLogger("recbole_xlrec.text").debug("no such detail")
    logging.getLogger().warning("after the run")
    text = (tmp_path / "run" / LOG).read_text(encoding="utf-8")
    assert "INFO root  epoch 1 [loss: 0.5]\n" in text
    assert "WARNING recbole_xlrec.text  Größe\n" in text
    assert "\x1b" not in text
    assert "no such detail" not in text
    assert "after the run" not in text


def test_logging_is_afterwards_as_it_was(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    _finish(tmp_path / "run")
    with pytest.raises(ValueError), writing(tmp_path / "bad"):
        raise ValueError
    assert (root.level, list(root.handlers)) == before


# --- one writer -----------------------------------------------------------------------------------------------------


def test_a_second_writer_of_the_same_run_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with writing(folder) as partial:
        (partial / "result").write_text("first")
        with pytest.raises(DataError, match=r"another process is writing the run .*run; wait .*run_path"):
            _finish(folder, "second")
        assert (partial / "result").read_text() == "first"
        _finish(tmp_path / "other")
    assert (folder / "result").read_text() == "first"
    _finish(folder, "third")
    assert (folder / "result").read_text() == "third"


def test_another_process_is_refused_too_and_its_death_frees_the_run(tmp_path: Path) -> None:
    code = (
        "import sys; from filelock import FileLock; lock = FileLock(sys.argv[1]); lock.acquire(); "
        "print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / ".run.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(DataError, match="another process is writing"):
            _finish(tmp_path / "run")
        other.kill()
    _finish(tmp_path / "run")


def test_a_run_that_failed_frees_its_lock(tmp_path: Path) -> None:
    with pytest.raises(ValueError), writing(tmp_path / "run"):
        raise ValueError
    _finish(tmp_path / "run")


# --- the name -------------------------------------------------------------------------------------------------------


@pytest.fixture
def name(tmp_path: Path) -> Callable[..., str]:
    """The name of a run on a copy of the toy data."""
    shutil.copytree(TOY, tmp_path / "data" / "toy")

    def build(model: str = "XLEASE", **settings: Any) -> str:
        config = XLConfig(model, "toy", None, {"data_path": str(tmp_path / "data"), **settings})
        return run_name(config.final_config_dict, data_hashes(Path(config["data_path"]), "toy"))

    return build


def test_a_name_tells_protocol_and_seed(name: Callable[..., str]) -> None:
    assert name(seed=7).startswith("joint-7-")
    assert name(protocol="single", protocol_language="de").startswith("single-2020-")
    assert name() == name()


@pytest.mark.parametrize(
    "settings",
    [
        {"reg_weight": 3.0},
        {"candidates": "language"},
        {"topk": [3]},
        {"eval_args": {"order": "TO"}},
        {"whitening": "zca"},
        {"text_template": "{title}"},
        {"seed": 1},
    ],
)
def test_another_setting_is_another_name(name: Callable[..., str], settings: dict[str, Any]) -> None:
    assert name(**settings) != name()


@pytest.mark.parametrize(
    "settings",
    [
        {"show_progress": False},
        {"run_path": "elsewhere"},
        {"rerun": True},
        {"keep_model": False},
        {"gpu_id": "3"},
        {"state": "ERROR"},
        {"reg_weight": 200.0},
        {"topk": [10]},
    ],
)
def test_where_and_how_loudly_a_run_is_made_does_not_change_its_name(
    name: Callable[..., str], settings: dict[str, Any]
) -> None:
    assert name(**settings) == name()


@pytest.mark.parametrize("kind", ["inter", "item", "user", "text"])
def test_other_data_is_another_name(name: Callable[..., str], tmp_path: Path, kind: str) -> None:
    before = name()
    path = tmp_path / "data" / "toy" / f"toy.{kind}"
    text = path.read_text(encoding="utf-8")
    path.write_text(text + " ", encoding="utf-8")
    assert name() != before
    path.write_text(text, encoding="utf-8")
    assert name() == before


def test_the_same_data_elsewhere_is_the_same_name(name: Callable[..., str], tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "data", tmp_path / "moved")
    (tmp_path / "moved" / "toy" / "notes.txt").write_text("nothing that a run reads")
    assert name(data_path=str(tmp_path / "moved")) == name()


def test_another_version_is_another_name(name: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    before = name()
    monkeypatch.setattr(recbole_xlrec, "__version__", "99")
    assert name() != before


def test_all_processes_of_one_run_have_one_name(name: Callable[..., str]) -> None:
    """RecBole sets other keys in the second process than in the first."""
    first = XLConfig("XLEASE", "toy").final_config_dict
    first = {**first, "local_rank": 0, "single_spec": False, "device": "cuda:0", "nproc": 2, "world_size": 2}
    second = {**first, "local_rank": 1, "device": "cuda:1", "state": "error", "show_progress": False, "verbose": False}
    assert run_name(first, {}) == run_name(second, {})


# --- metrics.json ---------------------------------------------------------------------------------------------------


def test_json_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_json(tmp_path / METRICS, {"model": "Größe"})
    with pytest.raises(TypeError):
        write_json(tmp_path / METRICS, {"model": object()})
    assert read_metrics(tmp_path) == {"model": "Größe"}
    assert os.listdir(tmp_path) == [METRICS]
    assert "Größe" in (tmp_path / METRICS).read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '"text"'])
def test_broken_metrics_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / METRICS).write_text(text)
    with pytest.raises(DataError, match=r"metrics\.json is broken"):
        read_metrics(tmp_path)


def test_a_folder_without_metrics_holds_no_finished_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no finished run: there is no metrics\.json"):
        read_metrics(tmp_path)
    (tmp_path / METRICS).write_text(json.dumps({"seed": 1}))
    assert read_metrics(tmp_path) == {"seed": 1}
