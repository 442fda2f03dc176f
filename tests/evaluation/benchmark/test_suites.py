"""Suites that are wrong are refused before anything runs; the right ones expand to the runs they name."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbole_xlrec.data.yaml_files import parse_value
from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.evaluation.benchmark.command import written
from recbole_xlrec.evaluation.benchmark.plan import plan
from recbole_xlrec.evaluation.benchmark.reading import FOLDER, read_suite, shipped
from recbole_xlrec.launcher import parse

POP: dict[str, Any] = {"model": "Pop"}
BPR: dict[str, Any] = {"model": "BPR"}


# --- refused --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "changes", "message"),
    [
        ([POP], {"sedes": [1]}, "unknown key 'sedes'. Did you mean 'seeds'?"),
        ([{**POP, "confg": {}}], {}, "rows[0] (Pop)|rows[0]: unknown key 'confg'. Did you mean 'config'?"),
        ([{"modle": "Pop"}], {}, "rows[0]: unknown key 'modle'. Did you mean 'model'?"),
        ([{"name": "Pop"}], {}, "rows[0]: the key model is missing"),
        ([POP], {"datasets": [{"name": "toy", "files": []}]}, "datasets[0]: unknown key 'files'"),
        ([POP], {"limits": {"minute": 1}}, "limits: unknown key 'minute'. Did you mean 'minutes'?"),
        ([POP], {"limits": {"minutes": 0}}, "above 0"),
        ([POP], {"search": {"trial": 1}}, "search: unknown key 'trial'. Did you mean 'trials'?"),
        ([POP], {"search": {"sampler": "grid"}}, "sampler is one of tpe, random; found 'grid'"),
        ([POP], {"seeds": [1, 2, 1]}, "seeds: 1 is there twice"),
        ([POP], {"seeds": []}, "seeds: is empty"),
        ([POP], {"seeds": 2020}, "seeds must be a list of whole numbers, found 2020"),
        ([POP], {"seeds": [True]}, "seeds must be a list of whole numbers"),
        ([], {}, "rows must be a list of `key: value` entries, at least one"),
        (["Pop"], {}, "rows[0] must hold `key: value`, found 'Pop'"),
        ([POP, POP], {}, "row Pop / toy / joint is there twice"),
        ([POP, {**POP, "name": "Popular"}], {}, "are one and the same run"),
        ([POP], {"datasets": [{"name": "toy"}, {"name": "toy"}]}, "datasets: 'toy' is there twice"),
        ([POP], {"protocols": [{"protocol": "joint"}, {"protocol": "joint"}]}, "protocols: 'joint' is there twice"),
        ([POP], {"protocols": [{"name": "a"}]}, "the key protocol is missing"),
        ([{**POP, "datasets": ["toi"]}], {}, "row Pop: datasets: the suite has no 'toi'. Did you mean 'toy'?"),
        ([{**POP, "protocols": ["cold"]}], {}, "row Pop: protocols: the suite has no 'cold'"),
        ([{**POP, "name": "a/b"}], {}, "the name 'a/b'"),
        ([{"model": "Pup"}], {}, "row Pup, toy, joint: unknown model 'Pup'. Did you mean"),
        ([{**BPR, "config": {"learnin_rate": 1}}], {}, "unknown key 'learnin_rate'. Did you mean 'learning_rate'?"),
        ([{**BPR, "config": {"seed": 1}}], {}, "seed cannot stand in a config here"),
        ([{**BPR, "config": {"protocol": "joint"}}], {}, "protocol cannot stand in a config here"),
        ([{**BPR, "space": "learnin_rate uniform 0,1"}], {}, "space: unknown key 'learnin_rate'"),
        ([{**BPR, "space": "learning_rate unifrm 0,1"}], {}, "unknown kind 'unifrm' of learning_rate. Did you mean"),
        ([{**BPR, "space": "nowhere.test"}], {}, "no file"),
        ([POP], {"protocols": [{"protocol": "zero_shot"}]}, "needs protocol_language"),
        ([POP], {"protocols": [{"protocol": "zero-shot", "protocol_language": "de"}]}, "protocol is one of"),
        ([POP], {"metrics": ["ndgc@5"]}, "'ndgc@5' is no metric such as ndcg@10. Did you mean 'ndcg'?"),
        ([POP], {"metrics": ["ndcg@10"]}, "the tables show ndcg@10, and runs would measure ndcg@1"),
        ([POP], {"datasets": [{"name": "toy", "config_files": ["toi.yaml"]}]}, "Did you mean 'toy.yaml'?"),
        (
            [{**POP, "one_language_at_a_time": True}],
            {"protocols": [{"protocol": "zero_shot", "protocol_language": "de"}]},
            "one_language_at_a_time goes with protocol joint",
        ),
        (
            [{**POP, "protocols": ["other"]}, {**BPR, "datasets": ["toy"]}],
            {"protocols": [{"protocol": "joint", "datasets": ["ml_tmdb"]}, {"name": "other", "protocol": "joint"}]},
            "the suite has no 'ml_tmdb'",
        ),
    ],
)
def test_a_wrong_suite_is_refused_before_anything_runs(
    refuse: Callable[..., str], rows: list[Any], changes: dict[str, Any], message: str
) -> None:
    found = refuse(rows, **changes)
    assert any(part in found for part in message.split("|")), found


@pytest.mark.parametrize(
    ("dataset", "command"),
    [
        ("ml_tmdb", "recbole-xlrec convert table --option mapping=ml_tmdb --input RAW"),
        ("mind", "recbole-xlrec convert mind --input RAW"),
    ],
)
def test_a_dataset_that_is_not_there_is_an_error_with_the_command_to_type(
    refuse: Callable[..., str], dataset: str, command: str
) -> None:
    found = refuse([POP], datasets=[{"name": dataset}])
    assert f"no dataset {dataset} in " in found
    assert f"Type: {command} --output " in found or f"Type: {command.replace('--input', '--output')}" in found, found


def test_a_suite_of_no_such_name_is_an_error_with_the_names_there_are() -> None:
    with pytest.raises(ConfigError, match=r"no suite 'quik'\. Did you mean 'quick'\? .*cold-start.*text-vs-id"):
        read_suite("quik")
    with pytest.raises(ConfigError, match=r"no configuration file .*nowhere\.yaml"):
        read_suite("nowhere.yaml")


def test_a_row_that_fits_nowhere_is_refused(refuse: Callable[..., str]) -> None:
    protocols = [{"protocol": "joint", "datasets": []}, {"name": "cold", "protocol": "cold_item", "datasets": ["b"]}]
    datasets = [{"name": "toy"}, {"name": "b", "config_files": []}]
    row = {**POP, "datasets": ["toy"], "protocols": ["cold"]}
    assert "no dataset b in" in refuse([row], protocols=protocols, datasets=datasets)


# --- expanded -------------------------------------------------------------------------------------------------------


def _plan(path: Path) -> Any:
    return plan(read_suite(path), path.parent / "data")


def test_layers_lie_over_each_other_and_eval_args_are_merged(bench: Any) -> None:
    path = bench.write(
        [{**BPR, "config": {"epochs": 4, "eval_args": {"order": "RO"}}}],
        config={"epochs": 1, "learning_rate": 0.1, "eval_args": {"mode": "full"}},
        datasets=[{"name": "toy", "config": {"epochs": 2, "topk": [5]}}],
        protocols=[{"protocol": "joint", "epochs": 3, "candidates": "all"}],
    )
    (cell,) = _plan(path)
    (run,) = cell.runs(7)
    assert run.overrides == {
        "epochs": 4,
        "learning_rate": 0.1,
        "topk": [5],
        "protocol": "joint",
        "candidates": "all",
        "eval_args": {"mode": "full", "order": "RO"},
        "seed": 7,
    }
    assert [Path(name).name for name in run.config_files] == ["toy.yaml"]


def test_rows_and_protocols_apply_where_they_say(bench: Any) -> None:
    path = bench.write(
        [{**POP, "protocols": ["joint"]}, BPR],
        protocols=[{"protocol": "joint"}, {"protocol": "zero_shot", "protocol_language": ["de"]}],
    )
    assert [cell.names for cell in _plan(path)] == [
        ("Pop", "toy", "joint"),
        ("BPR", "toy", "joint"),
        ("BPR", "toy", "zero_shot de"),
    ]


@pytest.mark.parametrize(("alone", "expected"), [(True, ["de", "en"]), (["EN"], ["en"])])
def test_one_language_at_a_time_is_one_run_a_language(bench: Any, alone: Any, expected: list[str]) -> None:
    (cell,) = _plan(bench.write([{**POP, "one_language_at_a_time": alone}]))
    found = [run.overrides for run in cell.runs(1)]
    assert [(config["protocol"], config["protocol_language"]) for config in found] == [
        ("single", language) for language in expected
    ]


def test_another_data_file_is_another_run(bench: Any) -> None:
    path = bench.write([POP])
    before = _plan(path)[0].runs(1)[0].key
    assert _plan(path)[0].runs(1)[0].key == before
    inter = path.parent / "data" / "toy" / "toy.inter"
    inter.write_text(inter.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert _plan(path)[0].runs(1)[0].key != before


# --- the command ----------------------------------------------------------------------------------------------------


def test_the_command_of_the_manifest_gives_the_same_settings(bench: Any) -> None:
    config = {"epochs": 3, "learning_rate": 1e-05, "text_template": "{title}: a 'b' #1", "selected_features": ["on"]}
    assert bench.run([{**BPR, "config": config}])
    (entry,) = bench.entries
    program, *arguments = shlex.split(entry["command"])
    flags, settings = parse(arguments)
    (made,) = bench.calls()
    assert program == "recbole-xlrec"
    assert (flags.model, flags.dataset, flags.config_files) == (made["model"], made["dataset"], made["config_files"])
    assert settings == made["config"]


#: YAML, where settings come from, has no control characters.
_texts = st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn", "Co"]), max_size=8)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=5,
)


@given(_values)
def test_every_value_is_read_back_as_it_was(value: Any) -> None:
    found = parse_value(written(value))
    assert found == value
    assert type(found) is type(value)


# --- shipped --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_suite_begins_with_its_command_and_reads(name: str) -> None:
    assert (FOLDER / f"{name}.yaml").read_text(encoding="utf-8").startswith(f"# recbole-xlrec benchmark {name}\n# ")
    suite = read_suite(name)
    assert suite.name == name
    assert all(row.limits.minutes and row.limits.memory_gb for row in suite.rows)


def test_the_shipped_suites_are_these() -> None:
    assert shipped() == ["cold-start", "cross-language", "quick", "text-vs-id"]


@pytest.mark.parametrize("name", shipped())
def test_every_model_and_key_of_a_shipped_suite_is_known(
    name: str, write_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    suite = read_suite(name)
    for dataset in suite.datasets:
        users = [("u1", "en"), ("u2", "de")]
        if dataset.name != "ml-100k-xl":
            write_dataset(tmp_path / "data", dataset.name, inter=[("u1", "i1", 1.0), ("u2", "i2", 2.0)], user=users)
    try:
        cells = plan(suite, tmp_path / "data")
    except DataError as error:
        pytest.fail(str(error))
    assert len(cells) >= len(suite.rows)
