"""A report as plain values: what `collect` finds, and what tables, figures and the page show."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from recbole_xlrec.evaluation.comparison import OVERALL, Row
from recbole_xlrec.evaluation.row_tests import RowTest

#: Metrics of which less is better; all others are better the more.
LESS_IS_BETTER = frozenset({"averagepopularity", "giniindex", "languagegap", "logloss", "mae", "rmse"})


class Run(NamedTuple):
    """A finished run.

    Attributes:
        folder: Its folder.
        dataset, model, seed: As in its settings.
        protocol: Label of its protocol: of two labels, two tables are made.
        row: Name of its row; empty until `rows` has named those that no benchmark did.
        config: Its settings.
        metrics: Its ``metrics.json``.
        command: What repeats it; empty where nobody wrote it down.
    """

    folder: Path
    dataset: str
    protocol: str
    row: str
    model: str
    seed: int
    config: dict[str, Any]
    metrics: dict[str, Any]
    command: str


class Failure(NamedTuple):
    """A run without a result: `status` says how it ended, `message` why, `place` where more stands."""

    dataset: str
    protocol: str
    row: str
    seed: str
    status: str
    message: str
    place: str
    command: str


class Curve(NamedTuple):
    """How a training went, epoch by epoch: numbers of the epochs, loss, and the validation metric; None where none."""

    name: str
    metric: str
    epochs: list[int]
    loss: list[float | None]
    valid: list[float | None]


class Line(NamedTuple):
    """One row of a table.

    Attributes:
        result: Its values by (metric, ``overall`` or a language), one a seed.
        model: The model.
        seeds: Those with a result, rising.
        seconds: Of fit and encoding, the mean over seeds.
        memory: Peak in 2^20 bytes, the mean over seeds.
        judged: What `judge` measures, the mean over seeds; None where a run lacks what it needs.
        curves: Of the first seed.
    """

    result: Row
    model: str
    seeds: tuple[int, ...]
    seconds: float
    memory: float
    judged: dict[str, Any] | None
    curves: tuple[Curve, ...]

    @property
    def name(self) -> str:
        """What tables call it."""
        return self.result.name


class Title(NamedTuple):
    """What an item is called: in its own language first, then in the others that the data has."""

    item: str
    texts: tuple[tuple[str, str], ...]  # (language, title)


class Listed(NamedTuple):
    """A recommended item, and whether it is one of the user's targets."""

    title: Title
    hit: bool


class Example(NamedTuple):
    """A user: the end of what they consumed, what they were then asked about, and what each row recommends."""

    user: str
    language: str
    history: tuple[Title, ...]
    earlier: int
    targets: tuple[Title, ...]
    more_targets: int
    lists: dict[str, tuple[Listed, ...]]


class Table(NamedTuple):
    """All rows of one dataset and protocol.

    Attributes:
        key: Names it on the page.
        dataset, protocol: What it is of.
        metrics: Of the rows, the main one first.
        tested: Those of `metrics` for which rows are tested and rankings judged.
        languages: Of the users, those with most queries first.
        queries: Most queries of a seed, by language.
        lines: The rows.
        tests: Metric → ``overall`` or language → row → its test.
        baseline: The row against which all are tested; None where it is the best of the others.
        examples: Some users.
        notes: What a reader must know about this table.
    """

    key: str
    dataset: str
    protocol: str
    metrics: tuple[str, ...]
    tested: tuple[str, ...]
    languages: tuple[str, ...]
    queries: dict[str, int]
    lines: tuple[Line, ...]
    tests: dict[str, dict[str, dict[str, RowTest]]]
    baseline: str | None
    examples: tuple[Example, ...]
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        """Dataset and protocol."""
        return f"{self.dataset} · {self.protocol}"

    @property
    def columns(self) -> tuple[str, ...]:
        """Overall and the languages."""
        return OVERALL, *self.languages


class Origin(NamedTuple):
    """A dataset or a model with what is known of where it comes from, as labelled lines."""

    name: str
    lines: tuple[tuple[str, str], ...]


class Command(NamedTuple):
    """What repeats a run."""

    dataset: str
    protocol: str
    row: str
    seed: int
    command: str


class Report(NamedTuple):
    """Everything.

    Attributes:
        title: Of the page.
        description: What benchmarks say of themselves.
        tables: One a dataset and protocol.
        failures: Runs without a result.
        notes: About all tables.
        environments: Different ones that runs were made in.
        commands: Of all runs.
        datasets, models: Where they come from, and whom to cite.
    """

    title: str
    description: str
    tables: tuple[Table, ...]
    failures: tuple[Failure, ...]
    notes: tuple[str, ...]
    environments: tuple[Origin, ...]
    commands: tuple[Command, ...]
    datasets: tuple[Origin, ...]
    models: tuple[Origin, ...]
