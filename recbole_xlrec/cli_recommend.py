"""The verb `recommend`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

_WHO, _WHAT, _OUT = "For whom (one of)", "What", "Output"


def recommend(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    user: Annotated[
        list[str] | None, typer.Option(help="A user of the run; may be repeated.", rich_help_panel=_WHO)
    ] = None,
    history: Annotated[
        list[str] | None,
        typer.Option(help="An item of one history; repeat it, oldest first.", rich_help_panel=_WHO),
    ] = None,
    input_: Annotated[
        str | None,
        typer.Option(
            "--input",
            help='Users or histories: JSON lines ({"user_id": …} or {"history": […]}) or CSV (user_id, item_id); '
            "- for standard input.",
            rich_help_panel=_WHO,
        ),
    ] = None,
    query: Annotated[
        list[str] | None,
        typer.Option(help="Words in any language that the encoder knows.", rich_help_panel=_WHO),
    ] = None,
    all_users: Annotated[bool, typer.Option("--all-users", help="All users of the run.", rich_help_panel=_WHO)] = False,
    language: Annotated[
        str | None, typer.Option(help="Language of the history's owner, or of the query.", rich_help_panel=_WHO)
    ] = None,
    input_format: Annotated[
        Literal["jsonl", "csv"] | None, typer.Option(help="By default as the name says.", rich_help_panel=_WHO)
    ] = None,
    k: Annotated[int, typer.Option("-k", help="Length of the lists.", rich_help_panel=_WHAT)] = 10,
    languages: Annotated[
        str | None,
        typer.Option(
            help="Of the items, as de,fr; by default what the run's evaluation ranked.", rich_help_panel=_WHAT
        ),
    ] = None,
    exclude_seen: Annotated[
        bool | None,
        typer.Option(
            "--exclude-seen/--no-exclude-seen",
            help="Leave out what the history holds; by default so, but for sequential models without exclude_met.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    one_edition_per_work: Annotated[
        bool,
        typer.Option("--one-edition-per-work", help="Of editions of a work only the best.", rich_help_panel=_WHAT),
    ] = False,
    categories: Annotated[
        str | None, typer.Option(help="Items of one of these, as a,b.", rich_help_panel=_WHAT)
    ] = None,
    unavailable: Annotated[
        Path | None, typer.Option(help="File of item ids to leave out, one a line.", rich_help_panel=_WHAT)
    ] = None,
    new_items: Annotated[
        Path | None,
        typer.Option(
            help="JSON lines of items that the run never saw: item_id, language, title …", rich_help_panel=_WHAT
        ),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain", help="Say which items of the history, or which text, led to it.", rich_help_panel=_WHAT
        ),
    ] = False,
    output: Annotated[Path | None, typer.Option(help="A .jsonl, .csv or .parquet file.", rich_help_panel=_OUT)] = None,
    format_: Annotated[
        Literal["table", "jsonl", "csv", "parquet"] | None,
        typer.Option(
            "--format", help="By default as the file's name says; a table on the terminal.", rich_help_panel=_OUT
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Queries at once.", rich_help_panel=_OUT)] = 1024,
    index: Annotated[
        Path | None,
        typer.Option(help="Folder that export wrote of the run: candidates come from its index.", rich_help_panel=_OUT),
    ] = None,
    data_path: Annotated[
        Path | None, typer.Option(help="Folder of the datasets; by default as in the run.", rich_help_panel=_OUT)
    ] = None,
    use_gpu: Annotated[bool, typer.Option("--use-gpu", help="Put the model on a GPU.", rich_help_panel=_OUT)] = False,
) -> None:
    """Recommend from a finished run: for its users, for histories, for words; also items that it never saw."""
    from rich.console import Console

    from recbole_xlrec.serving.console import Asked, one_way
    from recbole_xlrec.serving.console import recommend as answer
    from recbole_xlrec.serving.histories import read_ids
    from recbole_xlrec.serving.output import output_format
    from recbole_xlrec.serving.queries import Options
    from recbole_xlrec.serving.recommender import Recommender

    asked = Asked(user or (), history or (), input_, query or (), all_users, language, input_format)
    one_way(asked)
    target = output, output_format(output, format_)
    options = Options(
        k,
        _listed(languages),
        exclude_seen,
        one_edition_per_work,
        _listed(categories),
        read_ids(unavailable) if unavailable else (),
        explain=explain,
    )
    recommender = Recommender.from_run(run, data_path=data_path, new_items=new_items, index=index, use_gpu=use_gpu)
    answer(recommender, asked, options, target, batch_size, Console(stderr=True))


def _listed(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]
