"""Reads a suite's YAML file and checks its form."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.data.yaml_files import read_yaml
from recbole_xlrec.errors import ConfigError
from recbole_xlrec.evaluation.benchmark.fields import (
    Fields,
    integer,
    integers,
    mapping,
    number,
    text,
    texts,
    truth_or_texts,
)
from recbole_xlrec.evaluation.benchmark.space import Space, parse_space
from recbole_xlrec.evaluation.benchmark.suite import Dataset, Limits, Protocol, Row, Search, Suite
from recbole_xlrec.evaluation.metrics import METRICS

FOLDER = Path(__file__).parents[2] / "resources" / "suites"
SAMPLERS = ("tpe", "random")


def shipped() -> list[str]:
    """The names of the suites that come with this package."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def read_suite(which: str | Path) -> Suite:
    """Reads a suite and checks its form; `plan` checks what it says of models, keys and data.

    Args:
        which: Name of a shipped suite, or path of a file.

    Raises:
        ConfigError: For a file that is not there, an unknown or missing key, a value of the wrong kind, or a name that
            is there twice; the message names the place and what is near.
    """
    path = _find(str(which))
    fields = Fields(read_yaml(path), str(path))
    limits = _limits(fields.take("limits", mapping, {}), f"{path}: limits", Limits())
    suite = Suite(
        name=_name(fields.take("name", text, path.stem), f"{path}: name"),
        description=fields.take("description", text, ""),
        config=fields.take("config", mapping, {}),
        datasets=tuple(_dataset(part, path.parent) for part in fields.parts("datasets")),
        protocols=tuple(_protocol(part) for part in fields.parts("protocols", [{"protocol": "joint"}])),
        rows=tuple(_row(part, path.parent, limits) for part in fields.parts("rows")),
        seeds=check_seeds(fields.take("seeds", integers, [2020]), f"{path}: seeds"),
        metrics=_metrics(fields.take("metrics", texts, ["ndcg@10"]), f"{path}: metrics"),
        search=_search(fields.take("search", mapping, {}), f"{path}: search"),
    )
    fields.end()
    _check_names(suite, str(path))
    return suite


def check_seeds(seeds: Iterable[int], where: str) -> tuple[int, ...]:
    """Returns the seeds, at least one and none twice.

    Raises:
        ConfigError: Otherwise.
    """
    found = tuple(seeds)
    twice = sorted({seed for seed in found if found.count(seed) > 1})
    if twice or not found:
        trouble = f"{', '.join(map(str, twice))} is there twice; it would count double" if twice else "is empty"
        raise ConfigError(f"{where}: {trouble}")
    return found


def _find(which: str) -> Path:
    path = Path(which)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        return path
    if which not in shipped():
        hint = did_you_mean(which, shipped())
        raise ConfigError(
            f"no suite {which!r}.{hint} The suites that come with this package: {', '.join(shipped())}. "
            "Or give the path of a .yaml file"
        )
    return FOLDER / f"{which}.yaml"


def _dataset(fields: Fields, folder: Path) -> Dataset:
    name = _name(fields.take("name", text), fields.where)
    given = fields.take("config_files", texts, [f"{name}.yaml"])
    found = Dataset(
        name, tuple(_config_file(entry, folder, fields.where) for entry in given), fields.take("config", mapping, {})
    )
    fields.end()
    return found


def _config_file(name: str, folder: Path, where: str) -> Path:
    own = resources.files("recbole_xlrec.dataset_configs")
    for path in (folder / name, Path(str(own / name))):
        if path.is_file():
            return path
    near = did_you_mean(name, (entry.name for entry in own.iterdir()))
    raise ConfigError(
        f"{where}: no configuration file {name} in {folder}, and none of this name comes with the package.{near} "
        "Name one in config_files, or write config_files: [] and give the settings in config"
    )


def _protocol(fields: Fields) -> Protocol:
    label, datasets = fields.take("name", text, ""), fields.take("datasets", texts, [])
    config = fields.rest()
    if "protocol" not in config:
        raise ConfigError(f"{fields.where}: the key protocol is missing, as in {{protocol: joint}}")
    languages = config.get("protocol_language") or []
    named = languages if isinstance(languages, list) else [languages]
    name = label or " ".join([str(config["protocol"]), ",".join(map(str, named))]).strip()
    return Protocol(_name(name, fields.where), config, tuple(datasets))


def _row(fields: Fields, folder: Path, limits: Limits) -> Row:
    model = fields.take("model", text)
    name = _name(fields.take("name", text, model), fields.where)
    where = f"{fields.where} ({name})"
    given = fields.take("space", _space_text, "")
    row = Row(
        name=name,
        model=model,
        config=fields.take("config", mapping, {}),
        space=_space(given, folder, f"{where}: space") if given else None,
        alone=fields.take("one_language_at_a_time", truth_or_texts, False),
        datasets=tuple(fields.take("datasets", texts, [])),
        protocols=tuple(fields.take("protocols", texts, [])),
        limits=_limits(fields.take("limits", mapping, {}), f"{where}: limits", limits),
    )
    fields.end()
    return row


def _space_text(value: Any) -> str:
    return "\n".join(texts(value)) if isinstance(value, list) else text(value)


def _space(given: str, folder: Path, where: str) -> Space:
    if len(given.split()) > 1:
        return parse_space(given, where)
    path = folder / given.strip()
    try:
        return parse_space(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise ConfigError(f"{where}: no file {path}. Give a file, or the lines themselves after `space: |`") from error


def _limits(values: Mapping[str, Any], where: str, over: Limits) -> Limits:
    fields = Fields(values, where)
    found = Limits(*(fields.take(key, number, value) for key, value in over._asdict().items()))
    fields.end()
    if any(value is not None and value <= 0 for value in found):
        raise ConfigError(f"{where}: minutes and memory_gb are above 0; leave a key out for no limit")
    return found


def _search(values: Mapping[str, Any], where: str) -> Search:
    fields = Fields(values, where)
    found = Search(
        fields.take("trials", integer, 12), fields.take("sampler", text, "tpe"), fields.take("seed", integer, 0)
    )
    fields.end()
    if found.trials < 1 or found.seed < 0:
        raise ConfigError(f"{where}: trials is 1 or more and seed 0 or more, found {found.trials} and {found.seed}")
    if found.sampler not in SAMPLERS:
        raise ConfigError(f"{where}: sampler is one of {', '.join(SAMPLERS)}; found {found.sampler!r}")
    return found


def _metrics(names: list[str], where: str) -> tuple[str, ...]:
    found = tuple(name.lower() for name in names)
    for name in found:
        metric, _, k = name.partition("@")
        if metric not in METRICS or not k.isdigit():
            hint = did_you_mean(metric, METRICS)
            raise ConfigError(f"{where}: {name!r} is no metric such as ndcg@10.{hint} There are {', '.join(METRICS)}")
    return found


def _name(name: str, where: str) -> str:
    if not re.fullmatch(r"[^/\\*?\[\]\s](?:[^/\\*?\[\]\n\t]*[^/\\*?\[\]\s])?", name):
        raise ConfigError(
            f"{where}: the name {name!r} is empty, begins or ends with a blank, or has one of / \\ * ? [ ] in it; "
            "--only needs these"
        )
    return name


def _check_names(suite: Suite, where: str) -> None:
    known = {"datasets": [d.name for d in suite.datasets], "protocols": [p.name for p in suite.protocols]}
    for what, names in known.items():
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigError(f"{where}: {what}: {twice[0]!r} is there twice. Give each a name of its own")
    for row in suite.rows:
        _check_known(row.protocols, known["protocols"], f"{where}: row {row.name}: protocols")
        _check_known(row.datasets, known["datasets"], f"{where}: row {row.name}: datasets")
    for protocol in suite.protocols:
        _check_known(protocol.datasets, known["datasets"], f"{where}: protocol {protocol.name}: datasets")


def _check_known(names: Iterable[str], known: Sequence[str], where: str) -> None:
    for name in names:
        if name not in known:
            raise ConfigError(
                f"{where}: the suite has no {name!r}.{did_you_mean(name, known)} It has {', '.join(known)}"
            )
