"""The table of models: ours, and RecBole's as they are found on disk."""

from __future__ import annotations

import ast
import importlib.util
import sys
import warnings
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.data.yaml_files import OVERALL_YAML, PROPERTIES, read_yaml
from recbole_xlrec.errors import ConfigError

PACKAGE = Path(__file__).parents[1]
#: The keys that the trained models share.
JOINT_YAML = PROPERTIES / "joint.yaml"
FAMILIES = ("general", "sequential", "context_aware", "knowledge_aware", "exlib")


class ModelEntry(NamedTuple):
    """One of this package's models.

    Attributes:
        family: RecBole's family, one of `FAMILIES`.
        module: Where the class lives.
        trainer: Name of the RecBole trainer class it is trained by, or `FusionTrainer` or `TunedTrainer`.
        dataset: Name of the RecBole dataset class it reads, or `WindowDataset`.
        joint: Whether it reads the keys of ``properties/joint.yaml``.
        whole_users: Whether it is trained on `WholeUsersDataLoader`.
    """

    family: str
    module: str
    trainer: str
    dataset: str
    joint: bool = False
    whole_users: bool = False


MODELS: dict[str, ModelEntry] = {
    "XLProfile": ModelEntry("general", "recbole_xlrec.model.xlprofile", "TraditionalTrainer", "Dataset"),
    "XLEASE": ModelEntry("general", "recbole_xlrec.model.xlease", "TraditionalTrainer", "Dataset"),
    "XLAlphaRec": ModelEntry("general", "recbole_xlrec.model.xlalpharec", "Trainer", "Dataset", True, whole_users=True),
    "XLSASRec": ModelEntry("sequential", "recbole_xlrec.model.xlsasrec", "Trainer", "WindowDataset", joint=True),
    "XLMLP": ModelEntry("context_aware", "recbole_xlrec.model.xlmlp", "Trainer", "Dataset"),
    "XLBERT": ModelEntry("context_aware", "recbole_xlrec.model.xlbert", "TunedTrainer", "Dataset"),
    "XLFusion": ModelEntry("general", "recbole_xlrec.model.xlfusion", "FusionTrainer", "Dataset"),
}


def model_yaml(name: str) -> Path:
    """The file with every default of one of this package's models."""
    return PROPERTIES / "model" / f"{name}.yaml"


def model_defaults(name: str) -> dict[str, Any]:
    """Every default of one of this package's models."""
    shared = read_yaml(JOINT_YAML) if MODELS[name].joint else {}
    return {**shared, **read_yaml(model_yaml(name))}


def register() -> None:
    """Makes this package's models known to RecBole, so that its stock ``run_recbole`` runs them by name.

    Idempotent. Aliases our modules where RecBole looks for models, and sets their trainer and dataset classes and
    their default configuration.

    Raises:
        ConfigError: If somebody else has taken a name; nothing is changed then.
    """
    import_module("recbole_xlrec.bridge")  # the compatibility shims, before RecBole is used
    from recbole_xlrec.bridge.language_metrics import register_metrics

    aliases = {name: f"recbole.model.{entry.family}_recommender.{name.lower()}" for name, entry in MODELS.items()}
    for name, alias in aliases.items():
        _refuse_taken(name, alias)
    for name, entry in MODELS.items():
        module = import_module(entry.module)
        sys.modules[aliases[name]] = module
        _set_classes(name, entry)
    register_metrics()
    _teach_stock_config()
    _teach_stock_loaders()


def _refuse_taken(name: str, alias: str) -> None:
    known = sys.modules.get(alias)
    taken = known.__name__ != MODELS[name].module if known else importlib.util.find_spec(alias) is not None
    if taken:
        raise ConfigError(
            f"RecBole already has a model {name} ({alias}); it is not replaced. Remove or rename that one"
        )


def _set_classes(name: str, entry: ModelEntry) -> None:
    from recbole_xlrec.bridge.dataset import xl_dataset
    from recbole_xlrec.bridge.trainer import xl_trainer

    trainers: ModuleType = import_module("recbole.trainer")
    datasets: ModuleType = import_module("recbole.data.dataset")
    setattr(trainers, f"{name}Trainer", xl_trainer(trainer_class(entry)))
    setattr(datasets, f"{name}Dataset", xl_dataset(dataset_class(entry)))


def trainer_class(entry: ModelEntry) -> type:
    """The class that a model's trainer is made of, RecBole's or ours."""
    from recbole_xlrec.bridge.fusion import FusionTrainer
    from recbole_xlrec.bridge.tuned_trainer import TunedTrainer

    ours: dict[str, type] = {kind.__name__: kind for kind in (FusionTrainer, TunedTrainer)}
    return ours.get(entry.trainer) or getattr(import_module("recbole.trainer"), entry.trainer)


def dataset_class(entry: ModelEntry) -> type:
    """The class that a model's dataset is made of, RecBole's or ours."""
    from recbole_xlrec.bridge.windows import WindowDataset

    ours = {WindowDataset.__name__: WindowDataset}
    return ours.get(entry.dataset) or getattr(import_module("recbole.data.dataset"), entry.dataset)


def _teach_stock_config() -> None:
    from recbole.config import Config
    from recbole.utils.argument_list import dataset_arguments

    dataset_arguments.extend(key for key in read_yaml(OVERALL_YAML) if key not in dataset_arguments)
    stock = Config._load_internal_config_dict
    if getattr(stock, "knows_xlrec", False):
        return

    def load_internal(self: Any, model: str, model_class: type, dataset: str) -> None:
        stock(self, model, model_class, dataset)
        if model in MODELS:
            self.internal_config_dict.update({**read_yaml(OVERALL_YAML), **model_defaults(model)})

    load_internal.knows_xlrec = True  # type: ignore[attr-defined]
    Config._load_internal_config_dict = load_internal


def _teach_stock_loaders() -> None:
    from recbole.data import utils

    from recbole_xlrec.bridge.whole_users import WholeUsersDataLoader

    stock = utils.get_dataloader
    if getattr(stock, "knows_xlrec", False):
        return

    def get_dataloader(config: Any, phase: Any) -> Any:
        entry = MODELS.get(config["model"])
        if phase == "train" and entry is not None and entry.whole_users:
            return WholeUsersDataLoader
        return stock(config, phase)

    get_dataloader.knows_xlrec = True  # type: ignore[attr-defined]
    utils.get_dataloader = get_dataloader


class ModelInfo(NamedTuple):
    """A line of ``recbole-xlrec models``."""

    name: str
    family: str
    source: str
    summary: str


@cache
def available_models() -> dict[str, ModelInfo]:
    """Every model that can be run by name, ours first; read from the source files, without importing torch."""
    found = [_describe(name, entry.family, _source(entry.module), "recbole_xlrec") for name, entry in MODELS.items()]
    spec = importlib.util.find_spec("recbole")
    folders = spec.submodule_search_locations if spec else []
    for folder in folders or []:
        for family in FAMILIES:
            for path in sorted(Path(folder, "model", f"{family}_recommender").glob("[!_]*.py")):
                found.append(_describe(path.stem, family, path, "recbole"))
    return {info.name: info for info in found}


def _source(module: str) -> Path:
    return PACKAGE.joinpath(*module.split(".")[1:]).with_suffix(".py")


def _describe(name: str, family: str, path: Path, source: str) -> ModelInfo:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Python, on escape sequences in RecBole's docstrings
        tree = ast.parse(path.read_text(encoding="utf-8"))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name.lower() == name.lower()]
    if not classes:
        return ModelInfo(name, family, source, "")
    summary = (ast.get_docstring(classes[0]) or "").split("\n\n")[0].split(". ")[0]
    return ModelInfo(classes[0].name, family, source, " ".join(summary.replace("`", "").split()).rstrip("."))


def check_model(name: object) -> str:
    """Returns the name if there is such a model.

    Raises:
        ConfigError: Otherwise, with the nearest names.
    """
    models = available_models()
    if isinstance(name, str) and name in models:
        return name
    if not isinstance(name, str):
        raise ConfigError(f"a model is given by its name, found {name!r}")
    raise ConfigError(f"unknown model {name!r}.{did_you_mean(name, models, n=3)} `recbole-xlrec models` lists all.")
