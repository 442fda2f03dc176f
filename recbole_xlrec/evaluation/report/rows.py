"""Puts runs into tables and rows, names those rows that have no name, and refuses what cannot stand side by side."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from recbole_xlrec.bridge.run_folder import NO_IDENTITY
from recbole_xlrec.errors import DataError, sample
from recbole_xlrec.evaluation.report.folders import environment_of
from recbole_xlrec.evaluation.report.structure import Run

#: Settings that decide what a run is asked, and among what it chooses.
_ASKED = (
    "eval_args",
    "candidates",
    "threshold",
    "benchmark_filename",
    "val_interval",
    "user_inter_num_interval",
    "item_inter_num_interval",
    "filter_inter_by_user_or_item",
    "rm_dup_inter",
)
_NO_NAME = NO_IDENTITY | {"seed", "exclude_met", *_ASKED}


class Group(NamedTuple):
    """The rows of one table: name → seed → the runs that together answer all of its queries."""

    dataset: str
    protocol: str
    rows: dict[str, dict[int, list[Run]]]

    def runs(self) -> list[Run]:
        """All of them."""
        return [run for seeds in self.rows.values() for runs in seeds.values() for run in runs]


def group(runs: Sequence[Run]) -> list[Group]:
    """The tables that runs make, in the order of their first runs.

    Raises:
        DataError: If runs of a table differ in split, candidates or data, or the same was run twice.
    """
    tables: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        tables.setdefault((run.dataset, run.protocol), []).append(run)
    return [_group(dataset, protocol, found) for (dataset, protocol), found in tables.items()]


def _group(dataset: str, protocol: str, runs: list[Run]) -> Group:
    check_comparable(runs)
    rows: dict[str, dict[int, list[Run]]] = {}
    for run in _named(runs):
        rows.setdefault(run.row, {}).setdefault(run.seed, []).append(run)
    for row, seeds in rows.items():
        for seed, parts in seeds.items():
            _check_parts(f"{dataset}, {protocol}, row {row!r}, seed {seed}", parts)
    return Group(dataset, protocol, rows)


def check_comparable(runs: Sequence[Run]) -> None:
    """Refuses runs that were asked other things, or chose among others.

    Raises:
        DataError: Says what differs, and names two folders.
    """
    first = runs[0]
    for run in runs[1:]:
        differ = [key for key in _ASKED if _text(first.config.get(key)) != _text(run.config.get(key))]
        if differ:
            shown = "; ".join(
                f"{key}: {_text(first.config.get(key))} and {_text(run.config.get(key))}" for key in differ
            )
            raise _refused(first, run, f"they differ in {shown}")
        if _ranks_met(first) != _ranks_met(run):
            why = "one ranks what users have met, as RecBole's sequential models do, the other does not: "
            raise _refused(first, run, why + "set exclude_met: True for all")
        old, new = (environment_of(folder).get("data_sha256") or {} for folder in (first.folder, run.folder))
        changed = [name for name in old if name.endswith(".inter") and new.get(name, old[name]) != old[name]]
        if changed:
            raise _refused(first, run, f"{', '.join(changed)} was another file")


def _ranks_met(run: Run) -> bool:
    return bool(run.config.get("repeatable")) and not run.config.get("exclude_met")


def _refused(first: Run, run: Run, why: str) -> DataError:
    return DataError(
        f"{first.folder} and {run.folder} ({run.dataset}, {run.protocol}) cannot stand in one table: {why}. Give "
        "their folders to two reports"
    )


def _named(runs: Iterable[Run]) -> list[Run]:
    """The runs, those without a row named by model and by what differs among the runs of that model."""
    bare: dict[str, list[Run]] = {}
    found = list(runs)
    for run in found:
        if not run.row:
            bare.setdefault(run.model, []).append(run)
    varied = {model: _varied(same) for model, same in bare.items()}
    return [run if run.row else run._replace(row=_name(run, varied[run.model])) for run in found]


def _varied(runs: Sequence[Run]) -> list[str]:
    keys = sorted({key for run in runs for key in run.config} - _NO_NAME)
    return [key for key in keys if len({_text(run.config.get(key)) for run in runs}) > 1]


def _name(run: Run, keys: Sequence[str]) -> str:
    return ", ".join([run.model, *(f"{key}={_text(run.config.get(key))}" for key in keys)])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)


def _check_parts(where: str, parts: Sequence[Run]) -> None:
    """Several runs of a row and seed must be of different languages."""
    scopes = [_text(run.config.get("protocol_language")) for run in parts]
    if len(set(scopes)) < len(scopes):
        raise DataError(
            f"{where}: there are {len(parts)} runs of the same settings, made by other versions or on other data: "
            f"{sample(str(run.folder) for run in parts)}. Leave all but one out"
        )
