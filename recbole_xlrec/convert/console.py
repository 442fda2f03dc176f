"""What `convert` and `datasets` show on the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from recbole_xlrec.convert.base import Source
from recbole_xlrec.convert.options import Options
from recbole_xlrec.convert.pipeline import Converted, convert
from recbole_xlrec.convert.provenance import config_name
from recbole_xlrec.convert.registry import SOURCES, find_source

_LANGUAGES = 15


def convert_with_progress(source: str, raw: Path, output: Path, options: Options, replace: bool) -> Converted:
    """Converts a source, showing how far it is and in the end what became of it."""
    console, errors = Console(), Console(stderr=True)
    try:
        with _bars(errors) as progress:
            done = convert(find_source(source), raw, output, options, replace, progress)
    except KeyboardInterrupt:
        errors.print("Interrupted. Nothing was written, and nothing that was there was changed.")
        raise SystemExit(130) from None
    show_result(done, console)
    return done


@contextmanager
def _bars(console: Console) -> Iterator[Any]:
    columns = (TextColumn("{task.description:40}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=console, transient=True) as progress:

        def advance(what: str, count: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.advance(tasks[what], count)

        yield advance


def show_result(done: Converted, console: Console) -> None:
    """Prints the steps, the languages, and what to do next."""
    meta = done.meta
    steps = Table("step", "removed", "interactions left", title="Cleaning", title_justify="left")
    for step in meta["steps"]:
        steps.add_row(step["step"], f"{step['removed']:,}" if step["removed"] else "", f"{step['rows']:,}")
    for column in steps.columns[1:]:
        column.justify = "right"
    console.print(steps)
    console.print(_languages(meta))
    for title, counts in (("Rejected", meta["rejected"]), ("Texts", meta["mended_texts"] | meta["left_out_texts"])):
        if counts:
            console.print(f"{title}: " + "; ".join(f"{count:,} × {what}" for what, count in counts.items()))
    for note in meta["notes"]:
        console.print(f"[yellow]Note:[/] {escape(note)}")
    name = meta["name"]
    folder = f" --data-path {done.folder.parent}" if done.folder.parent != Path("atomic_data") else ""
    console.print(f"Written: {done.folder}. Look at it: recbole-xlrec inspect {name}{folder}")
    config = config_name(meta["source"], meta["options"])
    if config is not None:
        path = f" --data_path={done.folder.parent}" if folder else ""
        flags = f"--model=XLEASE --dataset={name} --config_files=dataset_configs/{config}.yaml{path}"
        console.print(f"Run a model: recbole-xlrec {flags}", soft_wrap=True)


def _languages(meta: Mapping[str, Any]) -> Table:
    counts = meta["counts"]
    table = Table("language", "users", "items", "interactions", title="Languages", title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    rows = list(meta["languages"].items())
    for tag, row in rows[:_LANGUAGES]:
        table.add_row(tag, *(f"{row[key]:,}" for key in ("users", "items", "interactions")))
    if rows[_LANGUAGES:]:
        table.add_row(f"… {len(rows) - _LANGUAGES} more", "", "", "")
    table.add_section()
    table.add_row("all", *(f"{counts[key]:,}" for key in ("users", "items", "interactions")), style="bold")
    return table


def show_sources(console: Console) -> None:
    """Prints the table of sources."""
    table = Table(title="Sources", title_justify="left", show_lines=True)
    table.add_column("source", style="bold", no_wrap=True)
    for column in ("what it is, and good for", "languages; size", "where to get it; licence"):
        table.add_column(column, overflow="fold")
    for source in SOURCES.values():
        cells = (
            f"{source.title}: {source.good_for}",
            f"{source.languages}; {source.size}",
            f"{source.url} {source.licence}",
        )
        table.add_row(source.name, *map(escape, cells))
    console.print(table)
    console.print("Files, options and citation: recbole-xlrec datasets SOURCE")


def show_source(name: str, console: Console) -> None:
    """Prints all that is known of one source."""
    source = find_source(name)
    table = Table(title=source.title, title_justify="left", show_header=False)
    for label in ("url", "licence", "citation", "size", "languages", "good_for", "layout"):
        table.add_row(label.replace("_", " "), escape(getattr(source, label)))
    for option, meaning in source.options.items():
        table.add_row(f"--option {option}=…", escape(meaning))
    console.print(table)
    console.print(f"recbole-xlrec convert {source.name} --input FOLDER{_hint(source)}")


def _hint(source: Source) -> str:
    return " --option mapping=FILE.yaml --name NAME" if source.name == "table" else ""
