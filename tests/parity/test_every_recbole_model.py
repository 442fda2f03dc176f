"""Every neural model that RecBole brings trains, saves, reloads and evaluates through our runner."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from recbole.data import data_preparation
from recbole.utils import get_model, get_trainer, init_seed

import recbole_xlrec
from recbole_xlrec.bridge.config import XLConfig
from recbole_xlrec.bridge.experiment import build_dataset
from recbole_xlrec.bridge.model_file import load_model
from recbole_xlrec.bridge.registry import available_models
from recbole_xlrec.bridge.trainer import xl_trainer

#: What RecBole's own code needs and does not bring, or breaks on with stock RecBole just the same.
SKIPPED = {
    "KGAT": "needs dgl",
    "KGIN": "needs torch_scatter",
    "MCCLK": "needs torch_scatter",
    "NCL": "needs faiss, built for a GPU",
    "KSR": "multiplies a float32 by the float64 that Dataset.get_preload_weight gives; stock RecBole fails alike",
}
#: What RecBole draws at random and puts into no checkpoint: a model restored from its file scores differently, with
#: stock RecBole too. The file is loaded and the model evaluated, and only the values may differ.
NOT_IN_RECBOLES_CHECKPOINT = {
    "FwFM": "the weights of field pairs are a plain tensor, no parameter",
    "KTUP": "draws Gumbel noise for each prediction",
    "NNCF": "draws the neighbours when it is built",
    "Random": "draws each score",
    "SimpleX": "draws the part of a long history that it reads when it is built",
}
NEURAL = ("general", "sequential", "context_aware", "knowledge_aware")
MODELS = [info for info in available_models().values() if info.source == "recbole" and info.family in NEURAL]

BASE: dict[str, Any] = {
    "load_col": {
        "inter": ["user_id", "item_id", "rating", "timestamp"],
        "user": ["user_id", "age", "gender", "occupation"],
        "item": ["item_id", "release_year", "class"],
    },
    "epochs": 1,
    "show_progress": False,
    "metric_decimal_place": 10,
    "seed": 7,
}
BY_FAMILY: dict[str, dict[str, Any]] = {
    "general": {},
    "sequential": {"MAX_ITEM_LIST_LENGTH": 10, "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO"}},
    "context_aware": {"threshold": {"rating": 4}},
    "knowledge_aware": {
        "load_col": {
            **BASE["load_col"],
            "kg": ["head_id", "relation_id", "tail_id"],
            "link": ["item_id", "entity_id"],
        }
    },
}
_ENTITIES = {
    "load_col": {
        **BY_FAMILY["knowledge_aware"]["load_col"],
        "ent": ["ent_id", "ent_emb"],
        "rel": ["rel_id", "rel_emb"],
    },
    "additional_feat_suffix": ["ent", "rel"],
    "alias_of_entity_id": ["ent_id"],
    "alias_of_relation_id": ["rel_id"],
    "preload_weight": {"ent_id": "ent_emb", "rel_id": "rel_emb"},
    "embedding_size": 16,
}
_RANKED = {"eval_args": {**BY_FAMILY["sequential"]["eval_args"], "mode": "full"}, "metrics": ["NDCG"]}
#: What RecBole's documentation tells a user of the model to set.
SPECIAL: dict[str, dict[str, Any]] = {
    "KTUP": {"train_rec_step": 1, "train_kg_step": 1, "epochs": 2},
    "S3Rec": {"train_stage": "pretrain", "pretrain_epochs": 1, "save_step": 1},
    "RaCT": {"train_stage": "actor_pretrain", "pretrain_epochs": 1, "save_step": 1},
    "GRU4RecKG": _ENTITIES,
    # RecBole evaluates these two on items drawn at random, anew each time
    "DIEN": {**_RANKED, "valid_metric": "NDCG@10"},
    "DIN": {**_RANKED, "valid_metric": "NDCG@10"},
}
_WITHOUT_NEGATIVES = {"train_neg_sample_args": None}


def settings_of(name: str, family: str, data_path: Path, run_path: Path) -> dict[str, Any]:
    """The configuration of one model on the cut; models that refuse negatives for their loss get none."""
    paths = {"data_path": str(data_path), "run_path": str(run_path)}
    chosen = {**BASE, **BY_FAMILY[family], **paths, **SPECIAL.get(name, {})}
    values = XLConfig(name, "cut", config_dict={**chosen, **_WITHOUT_NEGATIVES})
    if family == "sequential" and values["loss_type"] == "CE":
        chosen.update(_WITHOUT_NEGATIVES)
    return chosen


def evaluate_from_file(name: str, chosen: dict[str, Any], path: Path, seed: int) -> dict[str, float]:
    """Builds the model anew with another seed's weights, restores it from its file, and evaluates it."""
    settings = XLConfig(name, "cut", config_dict=chosen)
    settings["run_folder"] = settings["checkpoint_dir"] = str(path.parent)
    init_seed(settings["seed"], settings["reproducibility"])
    parts = data_preparation(settings, build_dataset(settings))
    init_seed(settings["seed"] + seed, settings["reproducibility"])
    model = get_model(name)(settings, parts[0]._dataset).to(settings["device"])
    load_model(model, path)
    trainer = xl_trainer(get_trainer(settings["MODEL_TYPE"], name))(settings, model)
    return {metric: float(value) for metric, value in trainer.evaluate(parts[2], load_best_model=False).items()}


def test_each_excepted_model_is_one_of_recboles() -> None:
    assert {*SKIPPED, *NOT_IN_RECBOLES_CHECKPOINT} <= {info.name for info in MODELS}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "family"), [(info.name, info.family) for info in MODELS])
def test_it_trains_saves_reloads_and_evaluates(
    name: str, family: str, ml_100k_cut: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name in SKIPPED:
        pytest.skip(SKIPPED[name])
    monkeypatch.chdir(tmp_path)
    chosen = settings_of(name, family, ml_100k_cut, tmp_path / "runs")
    run = recbole_xlrec.run(name, "cut", config=chosen)
    stored = json.loads((run.folder / "metrics.json").read_text())
    assert stored["test"]
    assert all(math.isfinite(value) for value in stored["test"].values())
    again = evaluate_from_file(name, chosen, run.folder / "model.safetensors", seed=1)
    if name in NOT_IN_RECBOLES_CHECKPOINT:
        assert again.keys() == stored["test"].keys()
    else:
        assert again == pytest.approx(stored["test"], abs=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
