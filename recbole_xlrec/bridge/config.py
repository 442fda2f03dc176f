"""RecBole's configuration with this package's defaults, no `eval`, no `sys.argv`, and no key that nobody reads."""

from __future__ import annotations

import copy
import importlib.util
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from recbole.config import Config
from recbole.utils.argument_list import (
    dataset_arguments,
    evaluation_arguments,
    general_arguments,
    training_arguments,
)

from recbole_xlrec.bridge.balance import check_alpha
from recbole_xlrec.bridge.distributed import use_processors
from recbole_xlrec.bridge.finetune_keys import check_finetune
from recbole_xlrec.bridge.protocol_keys import PROTOCOLS, check_protocol
from recbole_xlrec.bridge.registry import MODELS, OVERALL_YAML, PROPERTIES, check_model, model_defaults, register
from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.data.languages import normalise_languages
from recbole_xlrec.data.yaml_files import read_yaml
from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.text.template import DEFAULT_KEY
from recbole_xlrec.text.whitening import KINDS

logger = logging.getLogger(__name__)

_CHOICES = {
    "protocol": PROTOCOLS,
    "protocol_by": ("users", "items"),
    "candidates": ("all", "language", "cold"),
    "text_languages": ("own", "all"),
    "missing_text": ("error", "empty"),
    "extra_vectors": ("error", "ignore"),
    "whitening": KINDS,
}
#: Keys that RecBole's launcher and Config read, but no YAML or argument list of RecBole's names.
_LAUNCH_KEYS = frozenset(
    {"model", "dataset", "config_files", "nproc", "world_size", "ip", "port", "offset", "local_rank"}
)
_PICKLED = ("save_dataset", "dataset_save_path", "save_dataloaders", "dataloaders_save_path")


class XLConfig(Config):
    """RecBole's ``Config`` for any model, ours or RecBole's.

    Defaults of this package come first, then RecBole's, then the files, then `config_dict`. Values are taken as they
    are (RecBole runs `eval` on strings), the host program's ``sys.argv`` is not read, and a partial ``eval_args`` is
    completed from the family's own.

    Raises:
        ConfigError: For an unknown model, key or value, with the nearest that is known.
    """

    def __init__(
        self,
        model: str | None = None,
        dataset: str | None = None,
        config_file_list: Sequence[str | Path] | None = None,
        config_dict: Mapping[str, Any] | None = None,
    ) -> None:
        # RecBole fills in the nested values of what it is given
        super().__init__(model, dataset, config_file_list, copy.deepcopy(dict(config_dict or {})))
        _check_choices(self.final_config_dict)

    def _load_config_files(self, file_list: Iterable[str | Path] | None) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for path in file_list or []:
            values = read_yaml(path)
            check_keys(values, str(path))
            eval_args = whole_eval_args([merged.get("eval_args"), values.get("eval_args")])
            merged.update(values)
            if eval_args:
                merged["eval_args"] = eval_args
        return merged

    def _load_variable_config_dict(self, config_dict: dict[str, Any]) -> dict[str, Any]:
        check_keys(config_dict, "the overrides")
        return config_dict

    def _load_cmd_line(self) -> dict[str, Any]:
        return {}

    def _get_model_and_dataset(self, model: Any, dataset: Any) -> Any:
        register()
        name = check_model(model if model is not None else self.external_config_dict.get("model"))
        if dataset is None and "dataset" not in self.external_config_dict:
            raise ConfigError("no dataset is named: give --dataset=<name>")
        try:
            return super()._get_model_and_dataset(name, dataset)
        except ModuleNotFoundError as error:
            raise ConfigError(f"{name} needs a package that is missing. Type: pip install {error.name}") from error

    def _load_internal_config_dict(self, model: str, model_class: Any, dataset: str) -> None:
        super()._load_internal_config_dict(model, model_class, dataset)
        ours = read_yaml(OVERALL_YAML)
        if model in MODELS:
            ours.update(model_defaults(model))
        self.internal_config_dict.update(ours)
        _warn_of_unread(self.external_config_dict, model)

    def _init_device(self) -> None:
        if self.final_config_dict["use_gpu"]:
            super()._init_device()
        else:
            use_processors(self.final_config_dict)

    def _get_final_config_dict(self) -> dict[str, Any]:
        final: dict[str, Any] = super()._get_final_config_dict()
        layers = (self.internal_config_dict, self.file_config_dict, self.variable_config_dict)
        final["eval_args"] = whole_eval_args(layer.get("eval_args") for layer in layers)
        return {**final, **_standard_languages(final)}


def _standard_languages(values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that name languages, with their tags in standard form."""
    language, template = values["protocol_language"], values["text_template"]
    standard: dict[str, Any] = {}
    if isinstance(language, list):
        standard["protocol_language"] = _tags("protocol_language", language)
    elif language is not None:
        standard["protocol_language"] = _tags("protocol_language", [language])[0]
    if (tuned := values["finetune_language"]) is not None:
        listed = tuned if isinstance(tuned, list) else [tuned]
        standard["finetune_language"] = sorted(_tags("finetune_language", listed))
    if isinstance(template, Mapping):
        named = [tag for tag in template if tag != DEFAULT_KEY]
        tags = {DEFAULT_KEY: DEFAULT_KEY, **dict(zip(named, _tags("text_template", named), strict=True))}
        standard["text_template"] = {tags[tag]: text for tag, text in template.items()}
    return standard


def _tags(key: str, languages: Sequence[object]) -> list[str]:
    try:
        return normalise_languages(languages)
    except (ConfigError, DataError) as error:
        raise ConfigError(f"{key}: {error}") from error


def whole_eval_args(layers: Iterable[Any]) -> dict[str, Any]:
    """Merges ``eval_args`` of several layers key by key, later ones over earlier; RecBole takes the last alone."""
    merged: dict[str, Any] = {}
    for layer in layers:
        if layer is None:
            continue
        if not isinstance(layer, Mapping):
            raise ConfigError(f"eval_args must be a mapping with split, order, group_by and mode, found {layer!r}")
        unknown = set(layer) - {"split", "order", "group_by", "mode"}
        if unknown:
            raise ConfigError(f"eval_args has split, order, group_by and mode, found {sorted(map(str, unknown))}")
        merged.update(layer)
    return merged


def check_keys(values: Mapping[Any, Any], where: str) -> None:
    """Refuses keys that neither RecBole nor this package reads.

    Raises:
        ConfigError: Naming `where`, the keys and the nearest known ones.
    """
    unknown = [f"unknown key {key!r}.{did_you_mean(key, known_keys())}" for key in values if key not in known_keys()]
    if unknown:
        raise ConfigError(f"{where}: {' '.join(unknown)} Nothing reads it, so it would change nothing.")


@cache
def known_keys() -> frozenset[str]:
    """Every key that RecBole or this package declares, or that RecBole's installed code reads."""
    declared = [*general_arguments, *training_arguments, *evaluation_arguments, *dataset_arguments, *_LAUNCH_KEYS]
    ours = [key for path in PROPERTIES.rglob("*.yaml") for key in read_yaml(path)]
    return frozenset([*declared, *ours, *_recbole_keys()])


@cache
def _recbole_keys() -> frozenset[str]:
    spec = importlib.util.find_spec("recbole")
    folder = Path((spec.submodule_search_locations or [""])[0] if spec else "")
    keys: set[str] = set()
    for path in folder.rglob("*.py"):
        keys.update(re.findall(r"""config\[\s*["'](\w+)["']\s*\]""", path.read_text(encoding="utf-8")))
    for path in folder.joinpath("properties").rglob("*.yaml"):
        if path.stem not in ("url", "kg_url"):
            keys.update(re.findall(r"^([\w-]+)\s*:", path.read_text(encoding="utf-8"), flags=re.M))
    return frozenset(keys)


def _warn_of_unread(external: Mapping[str, Any], model: str) -> None:
    foreign = {key for name in MODELS if name != model for key in model_defaults(name)}
    own = set(model_defaults(model)) if model in MODELS else _recbole_keys()
    unknown_here = foreign - own - set(read_yaml(OVERALL_YAML)) - set(training_arguments)
    unread = [key for key in external if key in unknown_here]
    if unread:
        logger.warning("%s does not read %s", model, ", ".join(unread))


def _check_choices(values: Mapping[str, Any]) -> None:
    for key, choices in _CHOICES.items():
        if values[key] not in choices:
            raise ConfigError(f"{key} is one of {', '.join(choices)}; found {values[key]!r}")
    check_protocol(values)
    check_alpha(values)
    check_finetune(values)
    pickled = [key for key in _PICKLED if values.get(key)]
    if pickled:
        raise ConfigError(
            f"{', '.join(pickled)}: RecBole pickles whole objects there, and reading them runs code; runs of this "
            "package are resumed from their run folder instead. Leave the key out"
        )
