"""XLSASRec and what it shares with XLAlphaRec: text on disk, losses, joint options, items never met, bad input."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recbole.data import data_preparation
from recbole.data.interaction import Interaction
from recbole.utils import get_model, init_seed
from torch.nn import functional as F

from recbole_xlrec.bridge.config import XLConfig
from recbole_xlrec.bridge.experiment import build_dataset, run
from recbole_xlrec.bridge.registry import register
from recbole_xlrec.errors import ConfigError, DataError

MODELS = ("XLSASRec", "XLAlphaRec")
JOINT: list[dict[str, Any]] = [
    {"align_works": 0.5},
    {"adversarial_weight": 0.5},
    {"fgm_epsilon": 0.1},
    {"language_weights": {"de": 3.0}},
    {"language_embedding": True},
    {"work_embedding": True},
    {"adapter": "moe", "adapter_experts": 3},
    {"adapter": "mlp"},
    {"loss": "sampled", "negatives": 5},
    {"loss": "gbce", "negatives": 5},
]


def _fitted(name: str, data_path: Path, files: list[Path], dataset: str = "toy", **changed: Any) -> tuple[Any, Any]:
    """A model with its first weights, and its data loaders."""
    register()
    chosen = {"data_path": str(data_path), "show_progress": False, "state": "ERROR", **changed}
    settings = XLConfig(name, dataset, files, chosen)
    init_seed(settings["seed"], settings["reproducibility"])
    parts = data_preparation(settings, build_dataset(settings))
    init_seed(settings["seed"], settings["reproducibility"])
    return get_model(name)(settings, parts[0]._dataset), parts


@torch.no_grad()
def _scores(model: Any, parts: Any) -> torch.Tensor:
    queries = next(iter(parts[2]))[0]
    return model.eval().full_sort_predict(queries).view(len(queries), -1)


@pytest.mark.parametrize("name", MODELS)
def test_text_that_stays_on_disk_gives_the_same_scores_and_losses(name: str, toy: Path, toy_config: Path) -> None:
    found = []
    for gigabytes in (1.0, 0.0):
        chosen = {"text_memory_gb": gigabytes, "id_embedding": True, "dropout": 0.0}
        model, parts = _fitted(
            name, toy, [toy_config], **(chosen if name == "XLSASRec" else {**chosen, "dropout": None})
        )
        assert (model.items.text.vectors is None) == (gigabytes == 0)
        batch = next(iter(parts[0]))
        found.append((_scores(model, parts), model.train().calculate_loss(batch).detach()))
    torch.testing.assert_close(found[0][0], found[1][0])
    torch.testing.assert_close(found[0][1], found[1][1])


def test_text_convolved_beforehand_gives_the_same_scores_as_the_graph_in_the_loop(toy: Path, toy_config: Path) -> None:
    model, parts = _fitted("XLAlphaRec", toy, [toy_config])
    assert model.query_texts is not None
    before = _scores(model, parts)
    model.query_texts = None
    model.forget()
    torch.testing.assert_close(_scores(model, parts), before)


@pytest.mark.parametrize("changed", JOINT, ids=lambda changed: next(iter(changed)) + str(next(iter(changed.values()))))
@pytest.mark.parametrize("name", MODELS)
def test_every_option_changes_the_loss_reaches_every_parameter_and_can_be_learnt(
    name: str, changed: dict[str, Any], toy: Path, toy_config: Path
) -> None:
    plain, parts = _fitted(name, toy, [toy_config])
    model, _ = _fitted(name, toy, [toy_config], **changed)
    batch = next(iter(parts[0]))
    losses = []
    for built in (plain, model):
        torch.manual_seed(0)
        losses.append(built.train().calculate_loss(batch))
    assert torch.isfinite(losses[1])
    assert float(losses[0].detach()) != pytest.approx(float(losses[1].detach()), rel=1e-6)
    losses[1].backward()
    unreached = [name for name, weights in model.named_parameters() if weights.grad is None or not weights.grad.any()]
    assert unreached == []
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(30):
        optimizer.zero_grad()
        loss = model.calculate_loss(batch)
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < float(losses[1].detach())


def test_an_item_without_text_that_nobody_met_is_one_of_those_consumed_least(
    tmp_path: Path, write_dataset: Callable[..., Path]
) -> None:
    inter = [(f"u{user}", item, time) for user in range(9) for time, item in enumerate("abcd" if user else "xyab")]
    data = write_dataset(
        tmp_path / "data",
        inter=[*inter, ("u9", "a", 0), ("u9", "b", 1), ("u9", "c", 2), ("u9", "new", 3)],
        user=[(f"u{user}", "en") for user in range(10)],
        item=[(item, "en") for item in [*"abcdxy", "new"]],
    )
    model, parts = _fitted("XLSASRec", data, [], "tiny", adapter="none", **LEAVE_ONE_OUT)
    ids = {name: place for place, name in enumerate(parts[0]._dataset.item_ids)}
    vectors = model.eval().own_item_vectors()
    torch.testing.assert_close(
        vectors[ids["new"]], F.normalize(model.items.ids.weight[[ids["x"], ids["y"]]].mean(dim=0), dim=-1)
    )
    assert vectors[ids["new"]].any()


@pytest.mark.parametrize("name", MODELS)
def test_mixed_precision_trains_to_the_same_end(name: str, toy: Path, toy_config: Path) -> None:
    config = {"data_path": str(toy), "show_progress": False, "epochs": 30, "enable_amp": True, "enable_scaler": False}
    found = run(name, "toy", [toy_config], {**config, "run_path": "amp"}).metrics
    assert found["test"]["ndcg@1"] == 1.0


def test_an_item_that_nobody_met_is_scored_by_its_text_alone(
    tmp_path: Path, write_dataset: Callable[..., Path], write_vectors: Callable[..., str]
) -> None:
    inter = [("u1", "a", 1), ("u1", "b", 2), ("u1", "c", 3), ("u2", "a", 1), ("u2", "b", 2), ("u2", "c", 3)]
    data = write_dataset(
        tmp_path / "data",
        inter=[*inter, ("u3", "b", 1), ("u3", "twin", 2), ("u3", "c", 3), ("u3", "a", 4)],
        user=[(user, "en") for user in ("u1", "u2", "u3")],
        item=[(item, "en") for item in ("a", "b", "c", "twin")],
    )
    vectors = {"a": [1.0, 0.0, 0.0], "b": [0.0, 1.0, 0.0], "c": [0.0, 0.0, 1.0], "twin": [1.0, 0.0, 0.0]}
    encoder = write_vectors(tmp_path / "v.npz", vectors)
    model, parts = _fitted("XLSASRec", data, [], "tiny", encoder=encoder, **LEAVE_ONE_OUT)
    # the last two interactions of u3 are held out, so that "twin" is in training; hide it from the model
    trained = parts[0]._dataset.training_items
    ids = dict(zip(parts[0]._dataset.item_ids, range(5), strict=True))
    assert ids["twin"] in trained
    model.items.trained[ids["twin"]] = 0
    model.items.trained[ids["a"]] = 0
    vectors_now = model.eval().items()
    torch.testing.assert_close(vectors_now[ids["twin"]], vectors_now[ids["a"]])
    model.items.trained[ids["a"]] = 1
    assert not torch.allclose(model.items()[ids["twin"]], model.items()[ids["a"]])


def _small(tmp_path: Path, write_dataset: Callable[..., Path], inter: list[tuple[Any, ...]]) -> Path:
    users, items = ({row[place] for row in inter} for place in (0, 1))
    return write_dataset(
        tmp_path / "data",
        inter=inter,
        user=[(user, "de" if user == "u1" else "en") for user in sorted(users)],
        item=[(item, "de" if item == "a" else "en") for item in sorted(items)],
        text=[(item, "de" if item == "a" else "en", f"text of {item}") for item in sorted(items)],
    )


#: u1, the only one in de, has the shortest history that can be split; u4 has none before the target
SHORT = [
    *[("u1", "a", 5), ("u1", "b", 5), ("u1", "c", 5)],
    *[("u2", "b", 5), ("u2", "c", 5), ("u2", "a", 5), ("u2", "d", 5)],
    *[("u3", "d", 5), ("u3", "c", 5), ("u3", "b", 5), ("u3", "a", 5)],
    ("u4", "a", 5),
]
LEAVE_ONE_OUT: dict[str, Any] = {
    "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
    "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"},
}


def test_equal_times_stay_in_the_order_of_the_file_and_short_histories_are_scored(
    tmp_path: Path, write_dataset: Callable[..., Path]
) -> None:
    data = _small(tmp_path, write_dataset, SHORT)
    model, parts = _fitted("XLSASRec", data, [], "tiny", **LEAVE_ONE_OUT)
    queries = next(iter(parts[2]))[0]
    dataset = parts[0]._dataset
    read = {
        str(dataset.id2token("user_id", int(user))): [
            str(dataset.id2token("item_id", int(item))) for item in row if item
        ]
        for user, row in zip(queries["user_id"], queries["item_id_list"], strict=True)
    }
    assert read == {"u1": ["a", "b"], "u2": ["b", "c", "a"], "u3": ["d", "c", "b"]}  # and u4 is no query
    assert torch.isfinite(_scores(model, parts)[:, 1:]).all()


@pytest.mark.parametrize("name", MODELS)
def test_a_language_with_one_user_trains_alone_and_is_reported(
    name: str, tmp_path: Path, write_dataset: Callable[..., Path]
) -> None:
    data = _small(tmp_path, write_dataset, SHORT)
    config = {
        "data_path": str(data),
        "show_progress": False,
        "epochs": 2,
        **LEAVE_ONE_OUT,
        "topk": [2],
        "valid_metric": "NDCG@2",
        "protocol": "single",
        "protocol_language": "de",
    }
    metrics = run(name, "tiny", None, config).metrics
    assert metrics["test_by_language"]["de"]["queries"] == 1
    assert np.isfinite(metrics["test"]["ndcg@2"])


def test_vectors_that_are_all_zero_are_scored_and_nan_is_refused(
    toy: Path, toy_config: Path, tmp_path: Path, write_vectors: Callable[..., str]
) -> None:
    ids = [line.split("\t")[0] for line in (toy / "toy" / "toy.item").read_text().splitlines()[1:]]
    zero = write_vectors(tmp_path / "zero.npz", {item: [0.0, 0.0] for item in ids})
    model, parts = _fitted("XLSASRec", toy, [toy_config], encoder=zero, id_embedding=False)
    assert torch.isfinite(_scores(model, parts)[:, 1:]).all()
    loss = model.train().calculate_loss(next(iter(parts[0])))
    loss.backward()
    assert all(torch.isfinite(weights.grad).all() for weights in model.parameters() if weights.grad is not None)
    broken = write_vectors(tmp_path / "nan.npz", {item: [0.0, float("nan")] for item in ids})
    with pytest.raises(DataError, match="NaN"):
        _fitted("XLSASRec", toy, [toy_config], encoder=broken)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"loss": "sampled", "negatives": 5000}, "training knows 24 items"),
        ({"adapter": "none", "id_embedding": False}, "id_embedding must be True"),
        ({"adapter": "lstm"}, "none, linear, mlp, moe"),
        ({"temperature": 0.0}, "temperature: above 0"),
        ({"fgm_epsilon": -1.0}, "fgm_epsilon: 0 or more"),
        ({"language_weights": {"de": 0.0}}, "above 0"),
    ],
)
@pytest.mark.parametrize("name", MODELS)
def test_settings_that_make_no_sense_are_refused(
    name: str, changed: dict[str, Any], message: str, toy: Path, toy_config: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        _fitted(name, toy, [toy_config], **changed)


def test_options_that_need_what_the_dataset_lacks_are_refused(
    tmp_path: Path, write_dataset: Callable[..., Path]
) -> None:
    data = write_dataset(tmp_path / "bare", inter=SHORT, text=[(item, "en", item) for item in "abcd"])
    for changed in ({"align_consumed": 1.0}, {"adversarial_weight": 1.0}, {"language_embedding": True}):
        with pytest.raises(ConfigError, match="needs a language column"):
            _fitted("XLSASRec", data, [], "tiny", **LEAVE_ONE_OUT, **changed)


def test_queries_are_histories_and_nothing_else(toy: Path, toy_config: Path) -> None:
    model, parts = _fitted("XLSASRec", toy, [toy_config])
    queries = next(iter(parts[2]))[0]
    bare = Interaction({name: queries[name] for name in ("item_id_list", "item_length")})
    torch.testing.assert_close(model.eval().query_vectors(bare), model.query_vectors(queries))
