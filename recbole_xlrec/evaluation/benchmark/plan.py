"""Expands a suite to its cells, and checks them, before anything runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from recbole_xlrec.bridge.config import XLConfig, check_keys, whole_eval_args
from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.data.languages import normalise_languages
from recbole_xlrec.errors import ConfigError, XLRecError
from recbole_xlrec.evaluation.benchmark.cell import Cell
from recbole_xlrec.evaluation.benchmark.data import check_there, state, user_languages
from recbole_xlrec.evaluation.benchmark.suite import Dataset, Protocol, Row, Suite

_BY_SUITE = ("model", "dataset", "config_files", "seed", "data_path", "run_path", "rerun", "evaluate_test")
_BY_PROTOCOL = ("protocol", "protocol_language", "protocol_by")


def plan(suite: Suite, data_path: Path) -> list[Cell]:
    """The cells of a suite, in the order of its datasets, protocols and rows; everything is checked beforehand.

    Raises:
        ConfigError: For an unknown model, key or value, a row that is there twice or nowhere, or a run that is.
        DataError: If a dataset is not there.
    """
    cells = [cell for dataset in suite.datasets for cell in _cells_of(dataset, suite, data_path)]
    for row in suite.rows:
        if not any(cell.row is row for cell in cells):
            raise ConfigError(f"suite {suite.name}: row {row.name!r} fits no dataset and protocol together")
    _refuse_twice(suite, cells)
    return cells


def select(cells: Sequence[Cell], patterns: Sequence[str]) -> list[Cell]:
    """The cells that fit one of some patterns ``row/dataset/protocol``, where ``*`` fits anything; all for none.

    Raises:
        ConfigError: If a pattern fits nothing.
    """
    for pattern in patterns:
        if not any(_fits(cell, pattern) for cell in cells):
            parts = pattern.split("/")
            known = {name for cell in cells for name in cell.names}
            hints = [did_you_mean(part, known) for part in parts if part not in {*known, "*"}]
            raise ConfigError(
                f"--only {pattern} fits nothing; it is ROW/DATASET/PROTOCOL, any of them * and the last ones left "
                f"out.{''.join(hints)} There are {', '.join(dict.fromkeys(cell.row.name for cell in cells))}"
            )
    return [cell for cell in cells if not patterns or any(_fits(cell, pattern) for pattern in patterns)]


def _fits(cell: Cell, pattern: str) -> bool:
    parts = pattern.split("/")
    return len(parts) <= 3 and all(fnmatchcase(name, part) for name, part in zip(cell.names, parts, strict=False))


def _cells_of(dataset: Dataset, suite: Suite, data_path: Path) -> Iterator[Cell]:
    check_there(data_path, dataset.name)
    inputs = state(data_path, dataset.name, dataset.config_files)
    for protocol in suite.protocols:
        for row in suite.rows:
            wanted = not row.datasets or dataset.name in row.datasets
            wanted &= not row.protocols or protocol.name in row.protocols
            if wanted and (not protocol.datasets or dataset.name in protocol.datasets):
                yield _cell(suite, dataset, protocol, row, inputs, data_path)


def _cell(suite: Suite, dataset: Dataset, protocol: Protocol, row: Row, inputs: str, data_path: Path) -> Cell:
    where = f"suite {suite.name}, row {row.name}, {dataset.name}, {protocol.name}"
    layers = (suite.config, dataset.config, protocol.config, row.config)
    config = {key: value for layer in layers for key, value in layer.items()}
    if eval_args := whole_eval_args(layer.get("eval_args") for layer in layers):
        config["eval_args"] = eval_args
    try:
        for layer in (suite.config, dataset.config, row.config, row.space or {}):
            _refuse_reserved(layer, (*_BY_SUITE, *_BY_PROTOCOL))
        _refuse_reserved(protocol.config, _BY_SUITE)
        check_keys(row.space or {}, "space")
        scopes = _scopes(row, config, dataset.name, data_path)
        settings = XLConfig(row.model, dataset.name, dataset.config_files, {**config, **scopes[0], "use_gpu": False})
        _check_metrics(suite.metrics, settings)
    except XLRecError as error:
        raise type(error)(f"{where}: {error}") from error
    metric, bigger = str(settings["valid_metric"]).lower(), bool(settings["valid_metric_bigger"])
    return Cell(dataset, protocol, row, config, scopes, metric, bigger, inputs)


def _refuse_reserved(config: Mapping[str, Any], reserved: Sequence[str]) -> None:
    found = [key for key in config if key in reserved]
    if found:
        raise ConfigError(
            f"{', '.join(found)} cannot stand in a config here: models, datasets, seeds and protocols have their own "
            "places in a suite, and paths are given on the command line"
        )


def _scopes(row: Row, config: Mapping[str, Any], dataset: str, data_path: Path) -> tuple[dict[str, Any], ...]:
    if row.alone is False or row.alone == ():
        return ({},)
    if config["protocol"] != "joint":
        raise ConfigError(
            f"one_language_at_a_time goes with protocol joint, found {config['protocol']}. Name the row's protocols: "
            "protocols: [joint]"
        )
    languages = user_languages(data_path, dataset) if row.alone is True else normalise_languages(row.alone)
    return tuple({"protocol": "single", "protocol_language": language} for language in languages)


def _check_metrics(metrics: Sequence[str], settings: Any) -> None:
    there = [f"{name.lower()}@{k}" for name in settings["metrics"] for k in settings["topk"]]
    for metric in metrics:
        if metric not in there:
            raise ConfigError(
                f"the tables show {metric}, and runs would measure {', '.join(there)}. Change metrics and topk of the "
                "config, or the suite's metrics"
            )


def _refuse_twice(suite: Suite, cells: Sequence[Cell]) -> None:
    names: set[tuple[str, str, str]] = set()
    runs: dict[str, str] = {}
    for cell in cells:
        if cell.names in names:
            raise ConfigError(f"suite {suite.name}: row {' / '.join(cell.names)} is there twice. Give it another name")
        names.add(cell.names)
        space = repr(cell.row.space)
        same = json.dumps([cell.dataset.name, cell.row.model, cell.config, cell.scopes, space], default=str)
        if same in runs:
            raise ConfigError(
                f"suite {suite.name}: {runs[same]} and {' / '.join(cell.names)} are one and the same run. Leave one out"
            )
        runs[same] = " / ".join(cell.names)
