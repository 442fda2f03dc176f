"""What a suite says: which models are compared, on what, how often, and within what limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from recbole_xlrec.evaluation.benchmark.space import Space


class Limits(NamedTuple):
    """What one run may use; None for no limit.

    Attributes:
        minutes: Of wall time.
        memory_gb: Resident memory of the run's process and those it started, in 10^9 bytes.
    """

    minutes: float | None = None
    memory_gb: float | None = None


class Dataset(NamedTuple):
    """A dataset, the configuration files of its runs, and settings over these."""

    name: str
    config_files: tuple[Path, ...]
    config: dict[str, Any]


class Protocol(NamedTuple):
    """What training may see, under a name, with any other settings; and on which datasets, none for all."""

    name: str
    config: dict[str, Any]
    datasets: tuple[str, ...]


class Row(NamedTuple):
    """A line of the tables.

    Attributes:
        name: What the tables call it.
        model: The model.
        config: Its settings.
        space: What is searched for, if anything is.
        alone: One run a language: True for every language of the dataset's users, or these.
        datasets: Where it applies; none for everywhere.
        protocols: Where it applies; none for everywhere.
        limits: Of its runs, over those of the suite.
    """

    name: str
    model: str
    config: dict[str, Any]
    space: Space | None
    alone: bool | tuple[str, ...]
    datasets: tuple[str, ...]
    protocols: tuple[str, ...]
    limits: Limits


class Search(NamedTuple):
    """How each row with a space is searched: the same number of trials, chosen on validation alone."""

    trials: int = 12
    sampler: str = "tpe"
    seed: int = 0


class Suite(NamedTuple):
    """What a suite's file says."""

    name: str
    description: str
    config: dict[str, Any]
    datasets: tuple[Dataset, ...]
    protocols: tuple[Protocol, ...]
    rows: tuple[Row, ...]
    seeds: tuple[int, ...]
    metrics: tuple[str, ...]
    search: Search
