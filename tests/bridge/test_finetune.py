"""Fine-tuning per language: what stays the joint run's, what is trained, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recbole.data import data_preparation
from safetensors.torch import load_file
from torch import nn

from recbole_xlrec.bridge import experiment
from recbole_xlrec.bridge.config import XLConfig
from recbole_xlrec.bridge.experiment import Run, build_dataset, run
from recbole_xlrec.bridge.finetune import freeze
from recbole_xlrec.bridge.finetune_source import FREE
from recbole_xlrec.bridge.language_rows import LanguageRows
from recbole_xlrec.bridge.registry import OVERALL_YAML
from recbole_xlrec.data.yaml_files import read_yaml
from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.launcher import print_run
from recbole_xlrec.ranking.ranking import load_ranking

BASE: dict[str, Any] = {
    "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
    "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO"},
    "metrics": ["NDCG", "Recall"],
    "topk": [10],
    "valid_metric": "NDCG@10",
    "metric_decimal_place": 8,
    "show_progress": False,
    "state": "ERROR",
    "train_batch_size": 512,
    "learning_rate": 0.01,
}
MODELS: dict[str, dict[str, Any]] = {
    "BPR": {"embedding_size": 8},
    "LightGCN": {"embedding_size": 8},
    "SASRec": {
        **{"hidden_size": 8, "inner_size": 8, "n_layers": 1, "n_heads": 1, "hidden_dropout_prob": 0.2},
        **{"MAX_ITEM_LIST_LENGTH": 5, "train_neg_sample_args": None},
    },
}
#: Epochs of the joint run, after which the model has learnt something.
EPOCHS = {"BPR": 30, "LightGCN": 30, "SASRec": 4}
#: So fast that an epoch is bad whatever it does.
WILD = {"finetune_rate": 1e5}


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # the models are too small for more
    yield
    torch.set_num_threads(before)


def _run(model: str, data_path: Path, **config: Any) -> Run:
    chosen = {**BASE, **MODELS.get(model, {}), "epochs": 1, "data_path": str(data_path), **config}
    return run(model, "ml-cut", None, chosen)


@pytest.fixture(scope="module")
def joint(ml_cut: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Joint runs by model."""
    runs = str(tmp_path_factory.mktemp("joint"))
    return {name: _run(name, ml_cut, run_path=runs, epochs=n, eval_step=n) for name, n in EPOCHS.items()}


def _tune(source: Run, data_path: Path, **config: Any) -> Run:
    chosen = {"finetune_from": str(source.folder), "finetune_language": "de", **config}
    return _run(source.metrics["model"], data_path, **chosen)


def _weights(found: Run) -> list[torch.Tensor]:
    """All tensors of a model, the parameters in their order first."""
    return [tensor for _, tensor in sorted(load_file(found.folder / "model.safetensors").items())]


def _embeddings(found: Run) -> tuple[torch.Tensor, torch.Tensor]:
    """Of BPR: (users, width), (items, width)."""
    users, items = load_file(found.folder / "model.safetensors").values()
    return (users, items) if len(users) < len(items) else (items, users)


# --- what stays, and what is kept -----------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_where_no_epoch_is_better_the_joint_weights_are_what_is_tested_and_kept(
    model: str, joint: dict[str, Run], ml_cut: Path
) -> None:
    source = joint[model]
    found = _tune(source, ml_cut, **WILD)
    assert not found.metrics["finetune"]["improved"]
    assert found.metrics["valid"] == found.metrics["finetune"]["valid_before"]
    expected = source.metrics["test_by_language"]["de"]
    assert found.metrics["test_by_language"] == {"de": expected}  # so the graph and the histories are the joint run's
    assert found.metrics["test"] == pytest.approx({key: expected[key] for key in found.metrics["test"]}, abs=1e-7)
    for before, after in zip(_weights(source), _weights(found), strict=True):
        assert torch.equal(before, after)


def test_an_epoch_that_is_only_as_good_as_the_joint_weights_does_not_replace_them(
    joint: dict[str, Run], ml_cut: Path
) -> None:
    found = _tune(joint["BPR"], ml_cut, finetune_rate=1e-7)
    history = [json.loads(line) for line in (found.folder / "history.jsonl").read_text().splitlines()]
    assert history[0]["valid"] == found.metrics["finetune"]["valid_before"]  # a step, too small to change a rank
    assert not found.metrics["finetune"]["improved"]
    for before, after in zip(_weights(joint["BPR"]), _weights(found), strict=True):
        assert torch.equal(before, after)


def test_as_good_is_not_better_where_smaller_is_better_either(joint: dict[str, Run], ml_cut: Path) -> None:
    measure = {"metrics": ["AveragePopularity"], "valid_metric": "AveragePopularity@10"}
    found = _tune(joint["BPR"], ml_cut, finetune_rate=1e-7, **measure)
    for before, after in zip(_weights(joint["BPR"]), _weights(found), strict=True):
        assert torch.equal(before, after)


def test_texts_and_whitening_are_those_of_all_languages(toy: Path, toy_config: Path) -> None:
    config = {**BASE, "data_path": str(toy), "topk": [5], "valid_metric": "NDCG@5", "epochs": 1, "eval_step": 1}
    small = {"hidden_size": 8, "n_heads": 1, "n_layers": 1, "whitening": "zca", "encoder_dimension": 8}
    source = run("XLSASRec", "toy", [toy_config], {**config, **small})
    tuned = {"finetune_from": str(source.folder), "finetune_language": "de", "finetune_rate": 1e-7}
    before, after = (
        load_ranking(found.folder / "ranking.npz")
        for found in (source, run("XLSASRec", "toy", [toy_config], {**config, **small, **tuned}))
    )
    german = before.languages == "de"
    assert np.array_equal(before.item_ids[german], after.item_ids)
    assert np.allclose(before.scores[german], after.scores, atol=1e-4)


@pytest.mark.parametrize("model", ["BPR", "SASRec"])
def test_fine_tuning_that_helps_is_kept_and_told(model: str, joint: dict[str, Run], ml_cut: Path) -> None:
    found = _tune(joint[model], ml_cut, epochs=5, finetune_rate=1.0)
    tuning, valid = found.metrics["finetune"], found.metrics["valid"]
    assert tuning["improved"]
    assert valid["ndcg@10"] > tuning["valid_before"]["ndcg@10"]
    assert any(not torch.equal(*pair) for pair in zip(_weights(joint[model]), _weights(found), strict=True))
    history = [json.loads(line)["valid"] for line in (found.folder / "history.jsonl").read_text().splitlines()]
    assert valid == max(history, key=lambda scores: scores["ndcg@10"])
    again = json.loads((found.folder / "metrics.json").read_text())["finetune"]
    assert again == tuning
    assert tuning["from"] == joint[model].folder.name
    assert (tuning["languages"], tuning["valid_metric"], tuning["frozen"]) == (["de"], "ndcg@10", [])


def test_only_rows_of_the_language_are_trained_and_asked(joint: dict[str, Run], ml_cut: Path) -> None:
    found = _tune(joint["BPR"], ml_cut, epochs=5, finetune_rate=1.0)
    dataset = build_dataset(XLConfig("BPR", "ml-cut", None, {**BASE, "data_path": str(ml_cut)}))
    german = torch.from_numpy(dataset.languages.users == dataset.languages.code("de"))
    changed = (_embeddings(found)[0] != _embeddings(joint["BPR"])[0]).any(dim=1)
    assert changed[german].all()
    assert not changed[~german].any()
    assert set(load_ranking(found.folder / "ranking.npz").languages) == {"de"}


def test_the_model_is_built_on_the_joint_part_and_the_rows_are_of_the_languages(ml_cut: Path) -> None:
    settings = XLConfig("SASRec", "ml-cut", None, {**BASE, **MODELS["SASRec"], "data_path": str(ml_cut)})
    rows = LanguageRows(build_dataset(settings), ["de"])
    parts = [loader._dataset for loader in data_preparation(settings, rows)]
    whole = build_dataset(settings).build()
    assert len(rows.whole) == len(whole[0])
    german = rows.languages.code("de")
    for part, before in zip(parts, whole, strict=True):
        users = part.inter_feat[part.uid_field].numpy()
        assert set(rows.languages.users[users]) == {german}
        assert len(part) == (rows.languages.users[before.inter_feat[before.uid_field].numpy()] == german).sum() > 0
    both = LanguageRows(build_dataset(settings), ["de", "en"]).build()
    assert [len(part) for part in both] == [len(part) for part in whole]


# --- freezing and the learning rate ---------------------------------------------------------------------------------


def test_frozen_parameters_stay_as_they_are_and_the_others_move(joint: dict[str, Run], ml_cut: Path) -> None:
    more = {"epochs": 5, "finetune_rate": 1.0, "weight_decay": 0.01}
    found = _tune(joint["BPR"], ml_cut, finetune_freeze=["item_emb"], **more)
    assert found.metrics["finetune"]["improved"]
    assert found.metrics["finetune"]["frozen"] == ["item_embedding.weight"]
    before, after = _embeddings(joint["BPR"]), _embeddings(found)
    assert torch.equal(before[1], after[1])
    assert not torch.equal(before[0], after[0])


def test_a_pattern_is_matched_from_the_beginning_of_a_name() -> None:
    model = nn.ModuleDict({"item": nn.Linear(1, 1), "user": nn.Linear(1, 1)})
    assert freeze(model, [r".*\.bias"]) == ["item.bias", "user.bias"]
    assert freeze(model, ["item"]) == ["item.weight"]  # its bias is frozen already
    with pytest.raises(ConfigError, match=r"'weight' matches no parameter; there are 'user\.weight'"):
        freeze(model, ["weight"])
    with pytest.raises(ConfigError, match="leave nothing to train"):
        freeze(model, [".*"])


def test_the_learning_rate_is_scaled(joint: dict[str, Run], ml_cut: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    stock = experiment._evaluate

    def spy(trainer: Any, *others: Any) -> Any:
        rates.extend(group["lr"] for group in trainer.optimizer.param_groups)
        return stock(trainer, *others)

    monkeypatch.setattr(experiment, "_evaluate", spy)
    found = _tune(joint["BPR"], ml_cut, finetune_rate=0.3)
    assert rates == pytest.approx([0.003])
    assert found.metrics["finetune"]["learning_rate"] == pytest.approx(0.003)
    assert read_yaml(found.folder / "config.yaml")["learning_rate"] == 0.01


# --- the run's identity ---------------------------------------------------------------------------------------------


def test_a_run_is_another_for_another_joint_run_language_or_rate_and_not_for_another_place(
    joint: dict[str, Run], ml_cut: Path, tmp_path: Path
) -> None:
    first = _tune(joint["BPR"], ml_cut)
    moved = tmp_path / "moved" / joint["BPR"].folder.name
    shutil.copytree(joint["BPR"].folder, moved)
    again = _tune(joint["BPR"], ml_cut, finetune_from=str(moved), finetune_language=["DE"])
    assert (again.folder, again.fresh) == (first.folder, False)
    other = _run("BPR", ml_cut, learning_rate=0.02)
    names = {first.folder.name, joint["BPR"].folder.name}
    for config in ({"finetune_from": str(other.folder)}, {"finetune_language": "en"}, {"finetune_rate": 0.2}):
        names.add(_tune(joint["BPR"], ml_cut, **config).folder.name)
    assert len(names) == 5
    retrained = tmp_path / "retrained" / joint["BPR"].folder.name
    shutil.copytree(joint["BPR"].folder, retrained)
    shutil.copy(other.folder / "model.safetensors", retrained)
    assert _tune(joint["BPR"], ml_cut, finetune_from=str(retrained)).folder != first.folder


def test_the_result_says_where_it_comes_from_and_whether_it_helped(
    joint: dict[str, Run], ml_cut: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    print_run(_tune(joint["BPR"], ml_cut, **WILD))
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("fine-tuned"))
    assert f"fine-tuned on de from {joint['BPR'].folder.name}: valid ndcg@10 0." in line
    assert line.endswith("no epoch was better, the joint weights are kept")
    print_run(joint["BPR"])
    assert "fine-tuned" not in capsys.readouterr().out


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"finetune_from": None}, "go together"),
        ({"finetune_language": None}, "go together"),
        ({"finetune_language": []}, "go together"),
        ({"finetune_language": "english"}, "finetune_language: .*'en'"),
        ({"finetune_language": "fr"}, r"no user or item is in language 'fr'; there are de, en"),
        ({"finetune_rate": 0}, "finetune_rate is a factor"),
        ({"finetune_rate": True}, "finetune_rate is a factor"),
        ({"finetune_freeze": "item_embedding"}, r"finetune_freeze is a list, as \[item_embedding"),
        ({"finetune_freeze": ["("]}, r"'\(' is no regular expression"),
        ({"finetune_freeze": ["item", "layers"]}, r"'layers' matches no .* 'user_embedding.weight', 'item_embedding"),
        ({"finetune_from": "nowhere"}, r"nowhere holds no finished run: .*metrics\.json.*written to"),
        ({"eval_step": 0}, "needs validation: eval_step"),
        ({"embedding_size": 4}, "does not fit this model: .*size mismatch"),
        ({"whitening": "zca"}, r"other settings.* whitening: 'none' there, 'zca' here\. Give"),
        ({"encoder_dimension": 8}, r"other settings.* encoder_dimension: 256 there, 8 here"),
        ({"protocol": "single", "protocol_language": "de"}, r"protocol: 'joint' there, 'single' here"),
        ({"eval_args": {"split": {"LS": "valid_and_test"}, "order": "RO"}}, "eval_args: .*'TO'.*'RO'"),
        ({"threshold": {"timestamp": 4}}, "threshold: None there"),
    ],
)
def test_what_does_not_fit_is_refused_with_advice(
    change: dict[str, Any], message: str, joint: dict[str, Run], ml_cut: Path
) -> None:
    with pytest.raises((ConfigError, DataError), match=f"(?s){message}"):
        _tune(joint["BPR"], ml_cut, **change)
    assert not list(Path("runs").rglob("metrics.json"))


def test_another_model_dataset_or_seed_of_a_drawn_split_is_refused(joint: dict[str, Run], ml_cut: Path) -> None:
    with pytest.raises(ConfigError, match=r"is a run of the model BPR, not of SASRec; .*--model=BPR"):
        _run("SASRec", ml_cut, finetune_from=str(joint["BPR"].folder), finetune_language="de")
    drawn = {"eval_args": {"split": {"RS": [0.8, 0.1, 0.1]}, "order": "RO"}}
    source = _run("BPR", ml_cut, **drawn)
    with pytest.raises(ConfigError, match=r"seed: 2020 there, 7 here"):
        _tune(source, ml_cut, seed=7, **drawn)
    assert _tune(joint["BPR"], ml_cut, seed=7).fresh


@pytest.mark.parametrize("model", ["XLEASE", "XLProfile", "ItemKNN"])
def test_a_model_without_gradients_has_nothing_to_fine_tune(model: str, ml_cut: Path) -> None:
    with pytest.raises(ConfigError, match=f"{model} is not trained by gradients.*protocol: single"):
        _run(model, ml_cut, finetune_from="anywhere", finetune_language="de")


def test_a_run_without_its_model_or_of_other_data_is_refused(
    joint: dict[str, Run], ml_cut: Path, tmp_path: Path
) -> None:
    bare = _run("BPR", ml_cut, keep_model=False)
    with pytest.raises(DataError, match=r"has no model\.safetensors: .*keep_model: True and rerun: True"):
        _tune(bare, ml_cut)
    changed = tmp_path / "changed"
    shutil.copytree(ml_cut, changed)
    with (changed / "ml-cut" / "ml-cut.inter").open("a") as lines:
        lines.write("2\t50\t5\t900000000\n")
    with pytest.raises(DataError, match=r"made with other data; .*'ml-cut\.inter'\. Make the joint run again"):
        _tune(joint["BPR"], changed)


def test_a_language_without_rows_is_refused_before_training(tmp_path: Path, write_dataset: Any) -> None:
    items = "abcdef"
    events = [(f"u{user}", item, time) for user in range(4) for time, item in enumerate(items[: 3 + user % 2])]
    events.append(("short", "f", 9))
    users = [(f"u{user}", "en") for user in range(4)] + [("short", "de")]
    tables: dict[str, Any] = {"inter": events, "user": users}
    data = write_dataset(tmp_path / "data", **tables)
    config = {**BASE, **MODELS["SASRec"], "data_path": str(data), "epochs": 1, "topk": [2], "valid_metric": "NDCG@2"}
    source = run("SASRec", "tiny", None, config)
    tuned = {"finetune_from": str(source.folder), "finetune_language": "de"}
    with pytest.raises(DataError, match=r"of \d+ training rows none is of a user in 'de'; there are users in 'en'"):
        run("SASRec", "tiny", None, {**config, **tuned})


def test_a_setting_that_may_differ_and_changes_the_model_is_warned_of(
    joint: dict[str, Run], ml_cut: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _tune(joint["SASRec"], ml_cut, hidden_dropout_prob=0.1, train_batch_size=1024, topk=[10, 20])
    found = [record.message for record in caplog.records if "differ from those of the joint run" in record.message]
    assert [message.split(" differ")[0] for message in found] == ["hidden_dropout_prob"]


def test_the_keys_that_may_differ_are_keys() -> None:
    assert set(read_yaml(OVERALL_YAML)) >= FREE
