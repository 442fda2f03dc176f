"""A profile on one screen: some forty lines of a hundred columns."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from recbole_xlrec.inspect import lines
from recbole_xlrec.inspect.advice import Advice
from recbole_xlrec.inspect.profile import Profile

_MOST_LANGUAGES = 10


def print_profile(profile: Profile, warnings: Sequence[Advice], console: Console) -> None:
    """Prints a profile and what it warns of."""
    console.print(Text(profile.name, style="bold"))
    origin = [(label, text) for label, text in lines.origin_lines(profile) if label in ("source", "licence", "removed")]
    console.print(
        _grid([*origin, *lines.size_lines(profile), *lines.habit_lines(profile)], short=("source", "licence"))
    )
    if profile.languages:
        console.print()
        console.print(_languages(profile))
        console.print()
    pairs = lines.bridge_lines(profile) if profile.languages else []
    console.print(_grid([*pairs, *lines.text_lines(profile.texts)]))
    console.print()
    console.print(_warnings(warnings))


def _grid(rows: Sequence[tuple[str, str]], short: Sequence[str] = ()) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True, min_width=16)
    grid.add_column(overflow="fold")
    for label, text in rows:
        cut = {"no_wrap": True, "overflow": "ellipsis"} if label in short else {}
        grid.add_row(label, Text(text, **cut))  # type: ignore[arg-type]  # Text takes both, each with its own type
    return grid


def _languages(profile: Profile) -> Table:
    headers, rows = lines.language_table(profile, _MOST_LANGUAGES)
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column(headers[0], min_width=16)
    for name in headers[1:]:
        table.add_column(name, justify="right")
    for cells in rows:
        table.add_row(*cells)
    return table


def _warnings(found: Sequence[Advice]) -> RenderableType:
    if not found:
        return Text("Nothing to warn of.", style="green")
    grid = Table.grid(padding=(0, 1))
    for item in found:
        grid.add_row(Text("!", style="yellow bold"), Group(Text(item.problem), Text(item.remedy, style="dim")))
    return Group(Text(f"{len(found)} warning{'' if len(found) == 1 else 's'}", style="yellow bold"), grid)
