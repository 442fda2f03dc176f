"""The verbs about data: `convert`, `datasets`, `inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recbole_xlrec.errors import ConfigError

DataPath = Annotated[Path, typer.Option(help="Folder of the datasets.")]
_CLEANING, _FILTERS, _FILES = "Cleaning", "Filters", "Files"


def convert(
    source: Annotated[str, typer.Argument(help="Name of a source; `recbole-xlrec datasets` lists them.")],
    raw: Annotated[Path, typer.Option("--input", help="Folder (or zip, or file) of the raw data.")],
    output: Annotated[Path, typer.Option(help="Folder of the datasets.")] = Path("atomic_data"),
    name: Annotated[str | None, typer.Option(help="Name of the dataset; by default the source's.")] = None,
    option: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, an option of the source.")] = None,
    languages: Annotated[
        str | None, typer.Option(help="Keep only these, as de,fr,ja.", rich_help_panel=_FILTERS)
    ] = None,
    min_rating: Annotated[
        float | None,
        typer.Option(help="Keep ratings from here on.", rich_help_panel=_FILTERS),
    ] = None,
    k_core: Annotated[
        int | None, typer.Option(min=1, help="Least interactions of users and of items.", rich_help_panel=_FILTERS)
    ] = None,
    user_core: Annotated[
        int | None, typer.Option(min=1, help="Least interactions of a user.", rich_help_panel=_FILTERS)
    ] = None,
    item_core: Annotated[
        int | None, typer.Option(min=1, help="Least interactions of an item.", rich_help_panel=_FILTERS)
    ] = None,
    sample_users: Annotated[
        int | None, typer.Option(min=1, help="Keep so many users, drawn last.", rich_help_panel=_FILTERS)
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw.", rich_help_panel=_FILTERS)] = 2020,
    all_items: Annotated[
        bool, typer.Option("--all-items", help="Keep items without interactions too.", rich_help_panel=_FILTERS)
    ] = False,
    identity: Annotated[
        str,
        typer.Option(
            help="item: an id is one item in all languages. edition: one a language, LANGUAGE:ID, joined by work_id.",
            rich_help_panel=_CLEANING,
        ),
    ] = "item",
    negatives: Annotated[
        bool,
        typer.Option("--negatives", help="Keep what was shown, not chosen: label 0.", rich_help_panel=_CLEANING),
    ] = False,
    detect: Annotated[
        bool,
        typer.Option(
            "--detect",
            help="Detect languages that the source lacks (extra [detect]).",
            rich_help_panel=_CLEANING,
        ),
    ] = False,
    detect_threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Least confidence; und below it.", rich_help_panel=_CLEANING)
    ] = 0.5,
    max_rejected: Annotated[
        float, typer.Option(min=0, max=1, help="Largest share of broken rows in a file.", rich_help_panel=_CLEANING)
    ] = 0.1,
    encoding: Annotated[
        str | None,
        typer.Option(help="Of raw text files; by default the source's own.", rich_help_panel=_FILES),
    ] = None,
    whole: Annotated[
        bool,
        typer.Option(
            "--whole", help="One file of interactions, where the source comes in splits.", rich_help_panel=_FILES
        ),
    ] = False,
    sequences: Annotated[
        int,
        typer.Option(
            min=0,
            help="Write sequence-train and so on too: targets with so many items before, for sequential models.",
            rich_help_panel=_FILES,
        ),
    ] = 0,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a dataset of this name.", rich_help_panel=_FILES)
    ] = False,
) -> None:
    """Turn the raw files of a public source, or your own tables, into a RecBole dataset with languages and texts."""
    from recbole_xlrec.convert.console import convert_with_progress
    from recbole_xlrec.convert.options import Options
    from recbole_xlrec.convert.registry import default_name

    settings = dict(_pair(text) for text in option or [])
    options = Options(
        name or default_name(source, settings),
        languages=tuple(tag.strip() for tag in languages.split(",")) if languages else (),
        identity=identity,
        min_rating=min_rating,
        user_core=user_core or k_core or 1,
        item_core=item_core or k_core or 1,
        sample_users=sample_users,
        seed=seed,
        all_items=all_items,
        whole=whole,
        sequences=sequences,
        negatives=negatives,
        detect=detect,
        detect_threshold=detect_threshold,
        encoding=encoding or "",
        max_rejected=max_rejected,
        settings=settings,
    )
    convert_with_progress(source, raw, output, options, replace)


def datasets(
    source: Annotated[str | None, typer.Argument(help="Show all that is known of this one.")] = None,
) -> None:
    """List the sources that can be converted: where to get them, terms, size, languages, what they are good for."""
    from rich.console import Console

    from recbole_xlrec.convert.console import show_source, show_sources

    if source is None:
        show_sources(Console())
    else:
        show_source(source, Console())


def inspect(
    dataset: Annotated[str, typer.Argument(help="Name of a dataset.")],
    data_path: DataPath = Path("atomic_data"),
    html: Annotated[Path | None, typer.Option(help="Write the profile, with plots, to this HTML file too.")] = None,
) -> None:
    """Show what a dataset holds: users, items, languages, what bridges them, texts, and what to beware of."""
    from rich.console import Console

    from recbole_xlrec.inspect import inspect as inspect_dataset

    inspect_dataset(data_path, dataset, html, Console())


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigError(f"--option {text}: write NAME=VALUE.")
    return key, value
