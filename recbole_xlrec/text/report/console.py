"""Alignments and encoders on one screen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from recbole_xlrec.text.align.alignment import Alignment
from recbole_xlrec.text.encoders.known import KNOWN, is_present


def print_alignment(fitted: Alignment, folder: Path, console: Console) -> None:
    """Shows retrieval@1 of each two languages, before and after."""
    report = fitted.report
    languages = ", ".join(sorted(fitted.maps))
    console.print(f"{fitted.method} of {languages}: {report['groups']} groups to fit on, {report['held_out']} held out")
    if "retrieval@1" in report:
        console.print(retrieval_rows(report["retrieval@1"]))
    console.print(f"written: {folder}; set alignment: {folder}", soft_wrap=True)


def print_tuning(report: dict[str, Any], folder: Path, console: Console) -> None:
    """Shows retrieval@1 of each two languages, before and after the encoder was trained."""
    pairs = ", ".join(f"{names} {count}" for names, count in report["pairs"].items())
    console.print(f"trained on {report['groups']} groups ({pairs}), {report['held_out']} held out")
    if report["held_out"]:
        console.print(retrieval_rows(report["retrieval@1"]))
    console.print(f"written: {folder}; set encoder: {folder}", soft_wrap=True)


def retrieval_rows(measured: dict[str, Any]) -> Table:
    """Retrieval@1, a row each pair of languages and direction, a column each set of vectors."""
    table = simple_table(["retrieval@1", "texts", *measured])
    first = next(iter(measured.values()))
    for pair, row in first.items():
        for direction in (name for name in row if name != "texts"):
            cells = [f"{found[pair][direction]:.3f}" for found in measured.values()]
            table.add_row(direction, str(row["texts"]), *cells)
    return table


def simple_table(headers: Sequence[str]) -> Table:
    """A table without lines; the first column is text, the others are numbers."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column(headers[0])
    for name in headers[1:]:
        table.add_column(name, justify="right")
    return table


def print_encoders(console: Console) -> None:
    """Lists the known encoders."""
    for known in KNOWN:
        here = " [green](on this machine)[/green]" if is_present(known) else ""
        facts = [
            f"{known.millions:,} M parameters" if known.millions else "",
            f"{known.dimension} dimensions",
            f"{known.max_tokens:,} tokens" if known.max_tokens else "",
            known.pooling,
            f"prompt {known.prompt!r}" if known.prompt else "",
            known.licence,
            known.note,
        ]
        console.print(f"[bold]{known.name}[/bold]{here}", highlight=False)
        console.print(f"  {' · '.join(filter(None, facts))}", style="dim", highlight=False, markup=False)


def print_encoder_report(report: dict[str, Any], console: Console) -> None:
    """Shows what `encoder_report` measured."""
    console.print(f"{report['encoder']} on {report['dataset']}: {report['dimension']} dimensions")
    names = {
        **{"texts": "texts", "tokens": "tokens", "tokens_per_character": "per character", "unknown": "unknown"},
        **{"cut": "cut", "isotropy": "isotropy", "perplexity": "perplexity", "accuracy": "accuracy"},
    }
    shown = [key for key in names if any(found.get(key) is not None for found in report["languages"].values())]
    recall = (report["probe"] or {}).get("by_language", {})
    table = simple_table(["language", *(names[key] for key in shown), *(["told apart"] if recall else [])])
    for tag, found in report["languages"].items():
        cells = [_number(key, found.get(key)) for key in shown]
        table.add_row(tag, *cells, *([_number("", recall.get(tag))] if recall else []))
    console.print(table)
    console.print(f"isotropy of all {_number('', report['isotropy'])}")
    if report["probe"]:
        console.print(
            f"languages told apart by a linear probe: {report['probe']['accuracy']:.3f}, chance "
            f"{report['probe']['chance']:.3f} (near chance: shared space)"
        )
    _print_cosines(report["cosines"], console)
    if report["retrieval@1"]:
        console.print(retrieval_rows({"share": report["retrieval@1"]}))
    for warning in report["warnings"]:
        console.print(f"warning: {warning}", style="yellow")


def _print_cosines(cosines: dict[str, dict[str, float | None]], console: Console) -> None:
    table = simple_table(["mean cosine", *cosines])
    for first, row in cosines.items():
        table.add_row(first, *(_number("", row[second]) for second in cosines))
    console.print(table)


def _number(key: str, value: float | int | None) -> str:
    if value is None:
        return "-"
    if key == "texts":
        return str(value)
    if key in ("unknown", "cut"):
        return f"{value:.1%}"
    return f"{value:.1f}" if key in ("tokens", "perplexity") else f"{value:.3f}"
