"""What `recbole-xlrec recommend` does: reads what is asked, answers batch by batch, writes, and says what to know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.serving import histories, output
from recbole_xlrec.serving.approximate import IndexScorer
from recbole_xlrec.serving.asked import unknown_user
from recbole_xlrec.serving.queries import POPULARITY, Options, Query, Recommendations
from recbole_xlrec.serving.recommender import Recommender


class Asked(NamedTuple):
    """What the command line asks for; exactly one of the first five.

    Attributes:
        users: Users of the run.
        items: One history, oldest first.
        input: A file of users or histories, or `-`.
        texts: Searches.
        everyone: All users of the run.
        language: Of the history's owner, or of the searches.
        input_format: Of the file.
    """

    users: Sequence[str] = ()
    items: Sequence[str] = ()
    input: str | None = None
    texts: Sequence[str] = ()
    everyone: bool = False
    language: str | None = None
    input_format: histories.Format | None = None


def recommend(
    recommender: Recommender,
    asked: Asked,
    options: Options,
    target: tuple[Path | None, output.Format],
    batch_size: int,
    errors: Console,
) -> None:
    """Answers, and writes.

    Args:
        recommender: The run.
        asked: What is asked.
        options: What lists may hold.
        target: File, or None for standard output, and format.
        batch_size: Queries at once.
        errors: Where progress and remarks go.

    Raises:
        ConfigError: If not exactly one thing is asked.
        DataError: If a user is not known, or the input is not as it must be.
    """
    one_way(asked)
    notes: Counter[str] = Counter()
    with output.writer(recommender.catalogue, *target) as writer:
        for part in _shown(
            _answers(recommender, asked, options, batch_size), target[0], _count(recommender, asked), errors
        ):
            writer.write(part)
            notes.update(_kinds(part))
    if isinstance(recommender.scorer, IndexScorer):
        notes["lists made from all items, as the index gave too few that may be recommended"] = recommender.scorer.exact
    for note, count in (+notes).items():
        errors.print(f"{note}: {count:,}", markup=False, highlight=False)


def one_way(asked: Asked) -> None:
    """Refuses anything but one way of asking.

    Raises:
        ConfigError: See there.
    """
    if sum(map(bool, asked[:5])) != 1:
        raise ConfigError(
            "say for whom in one way: --user, --history, --input, --query or --all-users; "
            f"found {sum(map(bool, asked[:5]))}"
        )


def _answers(recommender: Recommender, asked: Asked, options: Options, batch_size: int) -> Iterator[Recommendations]:
    if asked.texts:
        yield recommender.search(asked.texts, options, asked.language or "")
        return
    yield from recommender.stream(_queries(recommender, asked), options, batch_size)


def _queries(recommender: Recommender, asked: Asked) -> Iterable[Query]:
    if asked.input:
        return histories.read_queries(asked.input, asked.input_format)
    if asked.items:
        return [Query("history", None, list(asked.items), asked.language)]
    if asked.everyone:
        return (Query(str(user), user=str(user)) for user in recommender.users.ids[1:])
    for user, found in zip(asked.users, recommender.users.find(list(asked.users)), strict=True):
        if not found:
            raise unknown_user(user, recommender.users)
    return [Query(user, user=user) for user in asked.users]


def _count(recommender: Recommender, asked: Asked) -> int | None:
    if asked.input:
        return None
    return len(recommender.users.ids) - 1 if asked.everyone else len(asked.users or asked.texts) or 1


def _shown(
    parts: Iterator[Recommendations], target: Path | None, total: int | None, errors: Console
) -> Iterator[Recommendations]:
    columns = (TextColumn("lists"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True, disable=target is None) as progress:
        task = progress.add_task("", total=total)
        for part in parts:
            yield part
            progress.advance(task, len(part.query_ids))


def _kinds(part: Recommendations) -> Iterator[str]:
    for source, unknown, note in zip(part.sources, part.unknown, part.notes, strict=True):
        if source == POPULARITY:
            yield "lists of the most popular items, for want of a known history"
        if unknown:
            yield "histories with items that the run does not know, which were skipped"
        if "leaves no more" in note:
            yield "lists that are shorter than asked for: what may be recommended leaves no more"
