"""The parts of a grid: its cells, one a dataset, protocol and row, and the runs of each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from recbole_xlrec.evaluation.benchmark.suite import Dataset, Limits, Protocol, Row

#: What makes a run another one; the manifest keeps it.
IDENTITY = ("dataset", "row", "model", "protocol", "seed", "trial", "overrides", "inputs")


def run_key(**identity: Any) -> str:
    """One text for what is in `IDENTITY`."""
    return json.dumps([identity[name] for name in IDENTITY], sort_keys=True, default=str)


class Planned(NamedTuple):
    """One run to be.

    Attributes:
        dataset: Name of its dataset.
        row: Name of its row.
        model: The model.
        protocol: Name of its protocol.
        seed: Its seed.
        trial: Number of the trial of a search; None for a run that the tables show.
        overrides: Its settings over those of the files.
        config_files: Configuration files.
        inputs: State of data and files, see `data.state`.
        limits: What it may use.
    """

    dataset: str
    row: str
    model: str
    protocol: str
    seed: int
    trial: int | None
    overrides: dict[str, Any]
    config_files: tuple[str, ...]
    inputs: str
    limits: Limits = Limits()

    @property
    def key(self) -> str:
        """What makes it another run: not its limits, and of its files what they hold, which `inputs` knows."""
        return run_key(**{name: getattr(self, name) for name in IDENTITY})

    @property
    def title(self) -> str:
        """What progress calls it."""
        language = self.overrides.get("protocol_language")
        single = [str(language)] if self.overrides.get("protocol") == "single" else []
        last = f"seed {self.seed}" if self.trial is None else f"trial {self.trial + 1}"
        return " · ".join([self.row, self.dataset, self.protocol, *single, last])


class Cell(NamedTuple):
    """One line of one table.

    Attributes:
        dataset: The dataset.
        protocol: The protocol.
        row: The row.
        config: The settings of suite, dataset, protocol and row together.
        scopes: Settings of the runs that together answer all queries: one run, or one a language.
        valid_metric: What searches and early stopping go by, as ``ndcg@10``.
        bigger: Whether more of it is better.
        inputs: See `Planned`.
    """

    dataset: Dataset
    protocol: Protocol
    row: Row
    config: dict[str, Any]
    scopes: tuple[dict[str, Any], ...]
    valid_metric: str
    bigger: bool
    inputs: str

    @property
    def names(self) -> tuple[str, str, str]:
        """Row, dataset and protocol."""
        return self.row.name, self.dataset.name, self.protocol.name

    def runs(self, seed: int, chosen: Mapping[str, Any] | None = None, trial: int | None = None) -> list[Planned]:
        """The runs of one seed, with what a search chose; those of a trial do not look at the test part."""
        blind = {} if trial is None else {"evaluate_test": False, "keep_model": False}
        return [
            Planned(
                self.dataset.name,
                self.row.name,
                self.row.model,
                self.protocol.name,
                seed,
                trial,
                {**self.config, **scope, **(chosen or {}), **blind, "seed": seed},
                tuple(map(str, self.dataset.config_files)),
                self.inputs,
                self.row.limits,
            )
            for scope in self.scopes
        ]
