"""The contract every model keeps; a model added to the registry is covered without a line here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from recbole.data import data_preparation
from recbole.data.interaction import Interaction
from recbole.utils import ModelType, get_model, get_trainer, init_seed

from recbole_xlrec.bridge.config import XLConfig
from recbole_xlrec.bridge.experiment import Run, build_dataset, run
from recbole_xlrec.bridge.model_file import load_model, save_model
from recbole_xlrec.bridge.registry import MODELS, register
from recbole_xlrec.bridge.trainer import xl_trainer
from recbole_xlrec.data.atomic import read_atomic
from recbole_xlrec.errors import ConfigError
from recbole_xlrec.ranking.ranking import Ranking, load_ranking

ALL_ITEMS = 1000  # more than the toy set has
#: The toy set has no labels, which click models learn from: they get negatives to tell from what was consumed.
BY_FAMILY = {"context_aware": {"train_neg_sample_args": {"distribution": "uniform", "sample_num": 5}}}
#: An untrained language model learns at a far higher rate than a pretrained one. One validation, at the end: the item
#: withheld for the test competes in it, so that the best of many validations need not be the best model.
TUNED = {
    "bert_form": "two_tower",
    "history_items": 6,
    "text_tokens": 8,
    "dropout_prob": 0.0,
    "encoder_dropout": 0.0,
    "learning_rate": 0.01,
    "train_batch_size": 48,
    "train_neg_sample_args": {"distribution": "uniform", "sample_num": 3},
    "epochs": 15,
    "eval_step": 15,
}


class Lab(NamedTuple):
    """A trained model, its data, and two finished runs of it with the same seed."""

    settings: Any
    parts: Any
    model: Any
    runs: list[Run]


@pytest.fixture(scope="module", params=sorted(MODELS))
def lab(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    copy_toy: Callable[[Path], Path],
    toy_config: Path,
    small_language_model: Callable[..., Path],
) -> Lab:
    folder = tmp_path_factory.mktemp(request.param)
    chosen = {
        "data_path": str(copy_toy(folder)),
        "show_progress": False,
        "ranking_k": ALL_ITEMS,
        "state": "ERROR",
        "epochs": 60,
        **BY_FAMILY.get(MODELS[request.param].family, {}),
    }
    if request.param == "XLBERT":
        titles = read_atomic(folder / "toy" / "toy.text")["title"].tolist()
        chosen |= {**TUNED, "encoder": str(small_language_model(titles))}
    runs = [run(request.param, "toy", [toy_config], {**chosen, "run_path": str(folder / name)}) for name in ("a", "b")]
    settings = XLConfig(request.param, "toy", [toy_config], {**chosen, "checkpoint_dir": str(folder)})
    init_seed(settings["seed"], settings["reproducibility"])
    parts = data_preparation(settings, build_dataset(settings))
    model = _build(settings, parts)
    load_model(model, runs[0].folder / "model.safetensors")
    return Lab(settings, parts, model.eval(), runs)


def _build(settings: Any, parts: Any) -> Any:
    return get_model(settings["model"])(settings, parts[0]._dataset).to(settings["device"])


def _queries(lab: Lab) -> Interaction:
    """What the model is asked about all test users."""
    batches = [batch[0] for batch in lab.parts[2]]
    return Interaction({name: torch.cat([batch[name] for batch in batches]) for name in batches[0].columns})


@torch.no_grad()
def _scores(model: Any, queries: Interaction) -> torch.Tensor:
    """(queries, items) scores, as RecBole's trainer asks for them."""
    queries = queries.to(model.device)
    try:
        flat = model.full_sort_predict(queries)
    except NotImplementedError:
        flat = _predicted(model, queries)
    return flat.view(len(queries), -1).cpu()


@torch.no_grad()
def _predicted(model: Any, queries: Interaction) -> torch.Tensor:
    items = torch.arange(model.n_items, device=model.device)
    pairs = queries.to(model.device).repeat_interleave(model.n_items)
    pairs.update(Interaction({"item_id": items.repeat(len(queries))}))
    return model.predict(pairs).view(len(queries), -1).cpu()


def _wipe(model: Any) -> None:
    """Forgets all that is to be restored from a file."""
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.zero_()
    for name in getattr(model, "other_parameter_name", []):
        value = getattr(model, name)
        if isinstance(value, torch.Tensor):
            setattr(model, name, torch.zeros_like(value))


def test_the_loss_is_finite_and_a_gradient_reaches_every_trainable_parameter(lab: Lab) -> None:
    model = _build(lab.settings, lab.parts).train()
    batch = next(iter(lab.parts[0])).to(model.device)
    loss = model.calculate_loss(batch)
    total = sum(loss) if isinstance(loss, tuple) else loss
    assert torch.isfinite(total).all()
    total.backward()
    trainable = {name: weights for name, weights in model.named_parameters() if weights.requires_grad}
    assert trainable  # RecBole builds an optimizer for every model
    for name, weights in trainable.items():
        assert weights.grad is not None, name
        assert torch.isfinite(weights.grad).all(), name
        assert model.type == ModelType.TRADITIONAL or weights.grad.any(), name


def test_scores_are_finite_and_of_every_item(lab: Lab) -> None:
    scores = _scores(lab.model, _queries(lab))
    assert scores.shape == (24, 25)
    if getattr(lab.model, "ranks_some_only", False):  # -inf: no candidate
        assert torch.isfinite(scores[:, 1:]).any(dim=1).all()
        assert not scores.isnan().any()
        return
    assert torch.isfinite(scores[:, 1:]).all()


def test_predict_equals_the_gathered_full_sort_predict(lab: Lab) -> None:
    queries = _queries(lab)
    torch.testing.assert_close(
        _predicted(lab.model, queries)[:, 1:], _scores(lab.model, queries)[:, 1:], rtol=1e-5, atol=1e-6
    )


def test_scores_do_not_depend_on_the_batch_nor_on_padding(lab: Lab) -> None:
    queries = _queries(lab)
    together = _scores(lab.model, queries)
    alone = torch.cat([_scores(lab.model, queries[row : row + 1]) for row in range(len(queries))])
    order = torch.randperm(len(queries), generator=torch.Generator().manual_seed(0))
    shuffled = _scores(lab.model, queries[order])
    doubled = _scores(lab.model, Interaction({name: torch.cat([queries[name]] * 2) for name in queries.columns}))
    close = {"rtol": 1e-5, "atol": 1e-6}
    torch.testing.assert_close(alone, together, **close)
    torch.testing.assert_close(shuffled, together[order], **close)
    torch.testing.assert_close(doubled[len(queries) :], together, **close)
    lists = [name for name in queries.columns if name.endswith(lab.settings["LIST_SUFFIX"])]
    if lists:  # a history is padded at its end
        longest = int(queries[lab.settings["ITEM_LIST_LENGTH_FIELD"]].max())
        cut = {name: queries[name][:, :longest] if name in lists else queries[name] for name in queries.columns}
        torch.testing.assert_close(_scores(lab.model, Interaction(cut)), together, **close)


def test_the_padding_item_is_never_recommended(lab: Lab) -> None:
    ranking = load_ranking(lab.runs[0].folder / "ranking.npz")
    assert ranking.item_ids.shape == (24, 25)
    assert "[PAD]" not in ranking.item_ids
    np.testing.assert_array_equal(ranking.item_ids == "", ~np.isfinite(ranking.scores))
    assert (ranking.item_ids != "").any(axis=1).all()


def test_the_model_file_reproduces_the_scores(lab: Lab, tmp_path: Path) -> None:
    queries = _queries(lab)
    before = _scores(lab.model, queries)
    save_model(lab.model, tmp_path / "model.safetensors")
    fresh = _build(lab.settings, lab.parts).eval()
    _wipe(fresh)
    load_model(fresh, tmp_path / "model.safetensors")
    torch.testing.assert_close(_scores(fresh, queries), before, rtol=0, atol=0)


def test_a_recbole_checkpoint_reproduces_the_scores(lab: Lab, tmp_path: Path) -> None:
    queries = _queries(lab)
    before = _scores(lab.model, queries)
    trainer = _trainer(lab, lab.model)
    trainer.saved_model_file = str(tmp_path / "checkpoint.pth")
    trainer._save_checkpoint(0, verbose=False)
    fresh = _build(lab.settings, lab.parts)
    _wipe(fresh)
    reloaded = _trainer(lab, fresh)
    result = reloaded.evaluate(lab.parts[2], load_best_model=True, model_file=trainer.saved_model_file)
    torch.testing.assert_close(_scores(fresh.eval(), queries), before, rtol=0, atol=0)
    assert dict(result) == lab.runs[0].metrics["test"]


def _trainer(lab: Lab, model: Any) -> Any:
    base = get_trainer(lab.settings["MODEL_TYPE"], lab.settings["model"])
    return xl_trainer(base)(lab.settings, model)


def test_two_runs_with_one_seed_agree_exactly(lab: Lab) -> None:
    first, second = (run.metrics for run in lab.runs)
    for part in ("valid", "test", "test_by_language"):
        assert first[part] == second[part]
    left, right = (load_ranking(run.folder / "ranking.npz") for run in lab.runs)
    for field in Ranking._fields:
        np.testing.assert_array_equal(getattr(left, field), getattr(right, field))


def test_the_withheld_item_of_the_checkerboard_comes_first(lab: Lab) -> None:
    metrics = lab.runs[0].metrics
    assert metrics["test"]["ndcg@1"] == 1.0
    assert {name: found["ndcg@1"] for name, found in metrics["test_by_language"].items()} == {"de": 1.0, "en": 1.0}


@pytest.mark.parametrize("model", sorted(MODELS))
def test_unknown_config_keys_are_refused(model: str, toy: Path, toy_config: Path) -> None:
    with pytest.raises(ConfigError, match="unknown key 'reg_wieght'"):
        run(model, "toy", [toy_config], {"data_path": str(toy), "reg_wieght": 1.0})
    assert not Path("runs").exists()


def test_the_registry_is_known_to_recbole() -> None:
    register()
    assert {get_model(name).__name__ for name in MODELS} == set(MODELS)
