"""The members of a fusion: runs that are given, and runs that are made for it, with their saved rankings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from recbole_xlrec.bridge.config import check_keys
from recbole_xlrec.bridge.fusion_fit import check_fusion
from recbole_xlrec.bridge.registry import check_model, model_defaults
from recbole_xlrec.bridge.run_folder import (
    CONFIG,
    ENVIRONMENT,
    RANKING,
    VALID_RANKING,
    data_hashes,
    read_metrics,
)
from recbole_xlrec.data.columns import INTER
from recbole_xlrec.data.files import file_hash
from recbole_xlrec.data.yaml_files import read_yaml
from recbole_xlrec.errors import ConfigError, DataError, sample
from recbole_xlrec.evaluation.by_language import overall
from recbole_xlrec.evaluation.metrics import METRICS as RANKED_METRICS
from recbole_xlrec.ranking.ranking import Ranking, load_ranking, merge_rankings

#: What says who is asked about what: one for all members.
SPLIT = (
    *("seed", "protocol", "protocol_language", "protocol_by", "protocol_share"),
    *("few_shot_users", "cold_share", "eval_args"),
)
#: Keys that a member's own settings cannot change.
_FIXED = frozenset({*SPLIT, "dataset", "data_path", "run_path", "ranking_k", "save_valid_ranking", "evaluate_test"})
#: Settings of the fusion that its members do not inherit.
_OWN = frozenset({"model", "dataset", "config_files", "rerun", "evaluate_test", "ranking_k", "save_valid_ranking"})
_FILES = {"valid": VALID_RANKING, "test": RANKING}


class Wanted(NamedTuple):
    """An entry of ``members``.

    Attributes:
        name: What it is called.
        run: A run folder; None where it is a model to run.
        model: Its model; empty where it is a run folder.
        settings: Of that model, over those of the fusion.
        alone: Whether there is a run of each language.
    """

    name: str
    run: str | None
    model: str
    settings: dict[str, Any]
    alone: bool


class Member(NamedTuple):
    """A member whose runs are finished.

    Attributes:
        name: What it is called.
        model: Its model.
        folders: Its run, or the run of each language.
    """

    name: str
    model: str
    folders: list[Path]

    def ranking(self, part: str) -> Ranking:
        """Its saved ranking of a part, ``valid`` or ``test``.

        Raises:
            DataError: If a run has none.
        """
        return merge_rankings([_saved(folder, part) for folder in self.folders])

    def report(self) -> dict[str, Any]:
        """What is told of it: its runs, and its own metrics on test."""
        found = [read_metrics(folder) for folder in self.folders]
        test = found[0]["test"]
        if len(found) > 1:
            values = read_yaml(self.folders[0] / CONFIG)
            names = [name for name in values["metrics"] if name.lower() in RANKED_METRICS]
            test = overall(self.ranking("test"), names, values["topk"])
        return {"name": self.name, "model": self.model, "folders": [*map(str, self.folders)], "test": test}


def wanted_members(members: Any) -> list[Wanted]:
    """Reads ``members``.

    Raises:
        ConfigError: If it is no list of models and run folders, or an entry has a key that is not its own.
    """
    if not isinstance(members, list) or not members:
        raise ConfigError(f"members is a list, as [{{model: XLEASE}}, {{run: runs/…}}]; found {members!r}")
    found: list[Wanted] = []
    for entry in members:
        wanted = _wanted({"model": entry} if isinstance(entry, str) else entry)
        found.append(wanted._replace(name=_unused(wanted.name, [other.name for other in found])))
    return found


def _wanted(entry: Any) -> Wanted:
    if not isinstance(entry, Mapping) or ("run" in entry) == ("model" in entry):
        raise ConfigError(f"a member has a `model` or a `run`, as {{model: ItemKNN, k: 200}}; found {entry!r}")
    settings = {key: entry[key] for key in entry if key not in ("name", "run", "model", "one_language_at_a_time")}
    alone = entry.get("one_language_at_a_time", False)
    if "run" in entry:
        if settings or alone:
            raise ConfigError(f"the member {entry['run']} is a finished run and has no settings; found {entry!r}")
        model = read_metrics(Path(entry["run"]))["model"]
        return Wanted(str(entry.get("name", model)), str(entry["run"]), model, {}, False)
    model = check_model(entry["model"])
    fixed = sorted(set(settings) & _FIXED)
    if fixed:
        raise ConfigError(f"members: {model} cannot have its own {', '.join(fixed)}: all have those of the fusion")
    check_keys(settings, f"members: {model}")
    if not isinstance(alone, bool):
        raise ConfigError(f"members: one_language_at_a_time of {model} is True or False; found {alone!r}")
    return Wanted(str(entry.get("name", model)), None, model, settings, alone)


def _unused(name: str, taken: list[str]) -> str:
    """The name, with a number where it is taken."""
    names = [name, *(f"{name} {number}" for number in range(2, len(taken) + 2))]
    return next(each for each in names if each not in taken)


def given_runs(settings: Any) -> dict[str, str]:
    """SHA-256 of the rankings of the members that are run folders, so that others in the same place are noticed.

    Raises:
        ConfigError: If the keys of a fusion do not fit.
    """
    if settings["model"] != "XLFusion":
        return {}
    wanted = wanted_members(settings["members"])
    check_fusion(settings, len(wanted))
    folders = [Path(each.run) for each in wanted if each.run is not None]
    paths = [folder / name for folder in folders for name in _FILES.values()]
    return {str(path): file_hash(path) for path in paths if path.is_file()}


def find_members(settings: Any, languages: tuple[str, ...]) -> list[Member]:
    """Gives the members of a fusion, and trains those that have not been.

    Args:
        settings: The configuration of the fusion.
        languages: Those of the dataset's users.

    Raises:
        ConfigError: If `members` is not what it must be, or a run is of another dataset, protocol, seed or split.
        DataError: If a run folder holds no finished run, or one of other interactions.
    """
    members = []
    for wanted in wanted_members(settings["members"]):
        if wanted.run is not None:
            folders = [Path(wanted.run)]
            _compare(folders[0], settings)
        else:
            folders = [_trained(wanted, scope, settings) for scope in _scopes(wanted, settings, languages)]
        members.append(Member(wanted.name, wanted.model, folders))
    return members


def _scopes(wanted: Wanted, settings: Any, languages: tuple[str, ...]) -> list[dict[str, Any]]:
    if not wanted.alone:
        return [{}]
    if settings["protocol"] != "joint" or not languages:
        raise ConfigError(
            f"members: {wanted.name} with one_language_at_a_time needs users with languages and protocol: joint; found "
            f"protocol: {settings['protocol']} and the languages {sample(languages) or 'none'}"
        )
    return [{"protocol": "single", "protocol_language": language} for language in languages]


def _trained(wanted: Wanted, scope: dict[str, Any], settings: Any) -> Path:
    """The folder of a member's run, which is made where it is not there."""
    from recbole_xlrec.bridge.experiment import run

    given = settings.external_config_dict  # of files, of arguments, over nobody's defaults
    dropped = _OWN | set(model_defaults("XLFusion"))
    inherited = {key: value for key, value in given.items() if key not in dropped}
    depth, whole = settings["fusion_depth"], settings["eval_args"]
    kept = {"eval_args": whole, "ranking_k": depth, "save_valid_ranking": True}
    config = {**inherited, **wanted.settings, **kept, **scope}
    return run(wanted.model, settings["dataset"], None, config).folder


def _compare(folder: Path, settings: Any) -> None:
    """Refuses a run whose training saw other interactions than those of the fusion's own split."""
    then, made = read_yaml(folder / CONFIG), read_metrics(folder)
    if made["dataset"] != settings["dataset"]:
        raise ConfigError(
            f"members: {folder} is a run on {made['dataset']}, not on {settings['dataset']}; fuse runs of one dataset"
        )
    other = [key for key in SPLIT if _setting(then, key) != _setting(settings, key)]
    if other:
        found = "; ".join(f"{key}: {_setting(then, key)!r} there, {_setting(settings, key)!r} here" for key in other)
        raise ConfigError(f"members: {folder} is of another split: {found}. Fuse runs of one protocol, seed and split")
    path = folder / ENVIRONMENT
    try:
        before = json.loads(path.read_text(encoding="utf-8"))["data_sha256"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} cannot be read as what the run was made with: {error!r}") from error
    now = data_hashes(Path(settings["data_path"]), settings["dataset"])
    changed = [name for name in {*before, *now} if name.endswith(f".{INTER}") and before.get(name) != now.get(name)]
    if changed:
        raise DataError(f"members: {folder} was made with other interactions: {sample(sorted(changed))}. Run it again")


def _setting(values: Any, key: str) -> Any:
    if key != "eval_args":
        return values[key]
    return {name: values[key][name] for name in ("split", "order", "group_by")}


def _saved(folder: Path, part: str) -> Ranking:
    path = folder / _FILES[part]
    if not path.is_file():
        raise DataError(
            f"{folder} has no {path.name}: a member of a fusion is run with save_valid_ranking: True. Run it again "
            "with that, or name its model in `members` instead of its folder"
        )
    return load_ranking(path)
