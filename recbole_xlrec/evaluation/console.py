"""What `judge` measured, as tables on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_COUNT = "queries"
_NOTHING = "–"


def print_judged(title: str, judged: Mapping[str, Any], console: Console) -> None:
    """Prints everything, section by section; sections without content are left out."""
    console.print(Text(title, style="bold"))
    metrics = list(judged["overall"])
    _print(console, "Users of each language", _by_name(judged["by_user_language"], metrics, judged["overall"]))
    _print(console, "Target items of each language", _by_name(judged["by_target_language"], metrics))
    longest = [name for name in metrics if name.split("@")[0] == metrics[0].split("@")[0]][-1]
    _print(console, f"From user language (rows) to item language: {longest}", _matrix(judged["transfer"], longest))
    _print(console, "Evenness over languages", _fairness(judged["fairness"]))
    _print(console, "Share of places, and of the catalogue", _exposure(judged["exposure"]))
    _print(console, "Hits by language, and beyond accuracy", _values({**judged["hits"], **judged["beyond"]}))
    _print(console, "History length", _by_name(judged["by_history_length"], metrics))
    _print(console, "Popularity of the target", _by_name(judged["by_popularity"], metrics))


def _print(console: Console, title: str, table: Table) -> None:
    if table.row_count:
        console.print()
        console.print(Text(title, style="dim italic"))
        console.print(table)


def _table(first: str, headers: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column(first, no_wrap=True)
    for header in headers:
        table.add_column(header, justify="right")
    return table


def _by_name(
    found: Mapping[str, Mapping[str, Any]], metrics: Sequence[str], overall: Mapping[str, Any] | None = None
) -> Table:
    table = _table("", [*metrics, _COUNT])
    if overall is not None:
        total = sum(values[_COUNT] for values in found.values())
        table.add_row("all", *(_shown(overall[name]) for name in metrics), str(total) if found else "")
    for name, values in found.items():
        table.add_row(name, *(_shown(values[metric]) for metric in metrics), str(values[_COUNT]))
    return table


def _matrix(transfer: Mapping[str, Any], metric: str) -> Table:
    table = _table("", transfer["targets"])
    for source, values in zip(transfer["sources"], transfer[metric], strict=True):
        table.add_row(source, *(_shown(value) for value in values))
    return table


def _fairness(found: Mapping[str, Mapping[str, Any]]) -> Table:
    table = _table("", ["mean of languages", "worst", "", "best", "gap", "relative gap"])
    for metric, values in found.items():
        shown = [_shown(values[name]) for name in ("macro", "worst", "gap", "relative_gap")]
        table.add_row(metric, *shown[:2], values["worst_language"], values["best_language"], *shown[2:])
    return table


def _exposure(found: Mapping[str, Mapping[str, float]]) -> Table:
    table = _table("items in", ["places", "catalogue", "gap"])
    for language, values in found.items():
        table.add_row(language, f"{values['slots']:.4f}", f"{values['catalogue']:.4f}", f"{values['gap']:+.4f}")
    return table


def _values(found: Mapping[str, float | None]) -> Table:
    table = _table("", [""])
    for name, value in found.items():
        table.add_row(name, _shown(value))
    return table


def _shown(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.4f}"
