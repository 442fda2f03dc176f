from __future__ import annotations

import importlib
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import recbole.data.dataset
import recbole.model.general_recommender
import recbole.trainer
from recbole.config import Config
from recbole.data import create_dataset
from recbole.utils import ModelType, get_model, get_trainer
from recbole.utils.argument_list import dataset_arguments

from recbole_xlrec.bridge.dataset import XLDatasetMixin
from recbole_xlrec.bridge.registry import (
    FAMILIES,
    MODELS,
    OVERALL_YAML,
    PACKAGE,
    available_models,
    check_model,
    dataset_class,
    model_yaml,
    register,
    trainer_class,
)
from recbole_xlrec.bridge.trainer import XLTrainerMixin
from recbole_xlrec.data.yaml_files import read_yaml
from recbole_xlrec.errors import ConfigError
from recbole_xlrec.model.xlease import XLEASE

ALIASES = {name: f"recbole.model.{entry.family}_recommender.{name.lower()}" for name, entry in MODELS.items()}


def _state() -> dict[str, Any]:
    """All that registering sets, by where it is."""
    return {
        **{alias: sys.modules.get(alias) for alias in ALIASES.values()},
        **{f"{name}Trainer": getattr(recbole.trainer, f"{name}Trainer", None) for name in MODELS},
        **{f"{name}Dataset": getattr(recbole.data.dataset, f"{name}Dataset", None) for name in MODELS},
        "dataset_arguments": list(dataset_arguments),
        "Config": Config._load_internal_config_dict,
    }


@pytest.fixture
def unregistered(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, alias in ALIASES.items():
        monkeypatch.delitem(sys.modules, alias)
        monkeypatch.delattr(recbole.trainer, f"{name}Trainer")
        monkeypatch.delattr(recbole.data.dataset, f"{name}Dataset")
    monkeypatch.setattr(Config, "_load_internal_config_dict", Config._load_internal_config_dict)
    ours = read_yaml(OVERALL_YAML)
    before = list(dataset_arguments)
    dataset_arguments[:] = [key for key in before if key not in ours]
    monkeypatch.setattr("recbole.utils.argument_list.dataset_arguments", dataset_arguments)
    yield
    dataset_arguments[:] = before


def test_recbole_finds_our_very_classes_by_name() -> None:
    for name, entry in MODELS.items():
        ours = getattr(importlib.import_module(entry.module), name)
        assert get_model(name) is ours
        assert ours.type in ModelType
    assert get_model("XLEASE") is XLEASE
    assert sys.modules["recbole.model.general_recommender.xlease"].XLEASE is XLEASE


def test_recbole_finds_trainers_and_datasets_that_are_its_own_decorated() -> None:
    for name, entry in MODELS.items():
        trainer = get_trainer(get_model(name).type, name)
        assert issubclass(trainer, trainer_class(entry))
        assert issubclass(trainer, XLTrainerMixin)
        dataset = getattr(recbole.data.dataset, f"{name}Dataset")
        assert issubclass(dataset, XLDatasetMixin)
        assert issubclass(dataset, dataset_class(entry))
    assert not issubclass(get_trainer(ModelType.GENERAL, "BPR"), XLTrainerMixin)


def test_our_keys_count_where_recbole_compares_a_saved_dataset() -> None:
    assert set(read_yaml(OVERALL_YAML)) <= set(dataset_arguments)
    assert max(Counter(dataset_arguments).values()) == 1


@pytest.mark.usefixtures("unregistered")
def test_registering_sets_everything_and_once_more_changes_nothing() -> None:
    nothing = _state()
    assert nothing[ALIASES["XLEASE"]] is None
    register()
    first = _state()
    assert all(first[key] != nothing[key] for key in first if key != "Config")
    register()
    assert _state() == first


@pytest.mark.usefixtures("unregistered")
@pytest.mark.parametrize("name", MODELS)
def test_a_name_that_somebody_else_took_is_refused_and_nothing_is_changed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = ModuleType(ALIASES[name])
    monkeypatch.setitem(sys.modules, ALIASES[name], foreign)
    before = _state()
    with pytest.raises(ConfigError, match=f"already has a model {name} .*not replaced"):
        register()
    assert _state() == before
    assert sys.modules[ALIASES[name]] is foreign


@pytest.mark.usefixtures("unregistered")
def test_a_file_of_that_name_in_recbole_is_refused_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "xlease.py").write_text("class XLEASE: ...\n")
    package = recbole.model.general_recommender
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    before = _state()
    with pytest.raises(ConfigError, match="already has a model XLEASE"):
        register()
    assert _state() == before


def test_recboles_own_config_has_our_defaults_for_our_models_only() -> None:
    config = Config(model="XLEASE", dataset="ml-100k")
    for key, value in {**read_yaml(OVERALL_YAML), **read_yaml(model_yaml("XLEASE"))}.items():
        assert key == "data_path" or config[key] == value, key
    assert config["MODEL_TYPE"] == ModelType.TRADITIONAL
    assert "candidates" not in Config(model="BPR", dataset="ml-100k")


def test_recboles_own_config_lets_the_user_change_our_defaults() -> None:
    config = Config(model="XLEASE", dataset="toy", config_dict={"reg_weight": 3, "data_path": "elsewhere"})
    assert (config["reg_weight"], config["data_path"]) == (3, "elsewhere/toy")


def test_recboles_own_dataset_factory_builds_our_dataset() -> None:
    folder = Path(__file__).parents[2] / "atomic_data"
    config = Config(model="XLEASE", dataset="toy", config_dict={"data_path": str(folder)})
    dataset = create_dataset(config)
    assert isinstance(dataset, XLDatasetMixin)
    assert dataset.languages is not None
    assert dataset.languages.names[1:] == ("de", "en")


def test_every_entry_of_the_table_is_whole() -> None:
    for name, entry in MODELS.items():
        assert entry.family in FAMILIES
        assert model_yaml(name).is_file()
        assert issubclass(trainer_class(entry), recbole.trainer.Trainer)
        assert dataset_class(entry).__name__ == entry.dataset


@pytest.mark.parametrize(
    "name, family, source",
    [
        ("XLEASE", "general", "recbole_xlrec"),
        ("XLProfile", "general", "recbole_xlrec"),
        ("BPR", "general", "recbole"),
        ("SASRec", "sequential", "recbole"),
        ("DeepFM", "context_aware", "recbole"),
        ("KGAT", "knowledge_aware", "recbole"),
    ],
)
def test_models_are_listed_with_their_family(name: str, family: str, source: str) -> None:
    info = available_models()[name]
    assert (info.name, info.family, info.source) == (name, family, source)


def test_each_model_is_listed_once_ours_first_with_a_line_on_what_it_is() -> None:
    models = available_models()
    assert list(models)[: len(MODELS)] == list(MODELS)
    assert max(Counter(name.lower() for name in models).values()) == 1
    assert len(models) > 80
    assert {info.family for info in models.values()} == set(FAMILIES)
    for name in MODELS:
        assert models[name].summary
        assert "\n" not in models[name].summary


def test_reading_recboles_sources_warns_of_nothing(recwarn: pytest.WarningsRecorder) -> None:
    available_models.__wrapped__()
    assert not list(recwarn)


def test_every_listed_name_is_the_class_that_recbole_looks_for() -> None:
    package = Path(recbole.__file__).parent
    for info in available_models().values():
        folder = PACKAGE if info.source == "recbole_xlrec" else package
        files = list(folder.joinpath("model").rglob(f"{info.name.lower()}.py"))
        assert len(files) == 1, info
        assert f"class {info.name}(" in files[0].read_text(encoding="utf-8"), info


def test_a_model_is_known_by_its_exact_name() -> None:
    assert check_model("BPR") == "BPR"
    for wrong in ("bpr", "BPR ", "", "../BPR"):
        with pytest.raises(ConfigError, match="unknown model"):
            check_model(wrong)
