"""What in a profile will hurt a comparison across languages, each with what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from recbole_xlrec.inspect.profile import SHORTEST, Profile
from recbole_xlrec.inspect.tables import UNKNOWN

FEW_USERS = 100
FEW_INTERACTIONS = 0.01
MANY_TIED = 0.2
MANY_REPEATED = 0.05
MANY_REPEATS = 10


class Advice(NamedTuple):
    """A problem and its remedy, a sentence each."""

    problem: str
    remedy: str


Check = Callable[[Profile], Iterator[Advice]]


def advice(profile: Profile) -> list[Advice]:
    """The warnings that a profile calls for, those that stop a run first."""
    return [found for check in _CHECKS for found in check(profile)]


def percent(share: float) -> str:
    """A share as it is shown: no digit that says nothing, and no 0 % or 100 % that is not meant.

    Example:
        >>> [percent(share) for share in (0, 0.00004, 0.0123, 0.5, 0.9999, 1)]
        ['0 %', '< 0.1 %', '1.2 %', '50 %', '> 99.9 %', '100 %']
    """
    if 0 < share < 0.001:
        return "< 0.1 %"
    if 0.999 < share < 1:
        return "> 99.9 %"
    return f"{100 * share:.1f}".removesuffix(".0") + " %"


def counted(number: int, noun: str) -> str:
    """A number with its noun.

    Example:
        >>> counted(1, "item"), counted(12345, "item")
        ('1 item', '12,345 items')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _unlisted(p: Profile) -> Iterator[Advice]:
    if p.items_unlisted:
        yield Advice(
            f"{counted(p.rows_unlisted, 'interaction')} with {counted(p.items_unlisted, 'item')} missing from the "
            ".item file.",
            f"Add their rows with a language ({UNKNOWN} where it is not known); a run by language stops here.",
        )
    if p.users_unlisted:
        yield Advice(
            f"{counted(p.users_unlisted, 'user')} with interactions missing from the .user file.",
            f"Add their rows with a language ({UNKNOWN} where it is not known); a run by language stops here.",
        )


def _unread(p: Profile) -> Iterator[Advice]:
    if p.unread:
        yield Advice(
            f"{', '.join(p.unread)} beside a whole .inter file; only the latter is counted here.",
            "RecBole reads them where benchmark_filename names them: keep one of the two ways to split.",
        )


def _languages(p: Profile) -> Iterator[Advice]:
    if not p.languages:
        yield Advice(
            "No file has a language column.",
            "Convert with --detect or give the columns: nothing can be said by language.",
        )
        return
    if not p.items_have_language:
        yield Advice(
            "The .item file gives no languages, so nothing says which users bridge them.",
            "Add a language column where an item is in one language; parallel texts of one item need none.",
        )
    if p.homes_from == "items":
        yield Advice(
            "The .user file gives no languages; a user's home is taken to be that of most of their items.",
            "Add a language column to .user: results by language need it, and do not guess.",
        )
    homes = [row.name for row in p.languages if row.users]
    if len(homes) == 1:
        yield Advice(
            f"All users are in one language, {homes[0]}.",
            "Results by language of the user will have one row; look at the languages of the items.",
        )


def _small(p: Profile) -> Iterator[Advice]:
    here = [row for row in p.languages if row.name != UNKNOWN and (row.users or row.items)]
    if few := [f"{row.name} {row.users}" for row in here if 0 < row.users < FEW_USERS]:
        yield Advice(
            f"Fewer than {FEW_USERS} users: {_listed(few)}.",
            "Their metrics will be noise: pool them, or convert with --languages without them.",
        )
    rare = [row for row in here if row.interactions < FEW_INTERACTIONS * p.interactions]
    if rare:
        yield Advice(
            f"Less than 1 % of the interactions: "
            f"{_listed([f'{row.name} {percent(row.interactions / p.interactions)}' for row in rare])}.",
            "Joint training will hardly see them: sample languages with a temperature, or leave them out.",
        )


def _unknown(p: Profile) -> Iterator[Advice]:
    for row in p.languages:
        if row.name == UNKNOWN:
            parts = ((row.users, "user"), (row.items, "item"), (row.texts, "text"))
            yield Advice(
                f"No known language ({UNKNOWN}): {', '.join(counted(n, noun) for n, noun in parts if n)}; "
                f"{percent(row.interactions / p.interactions)} of the interactions.",
                "Convert with --detect, or leave them out with --languages.",
            )


def _bridges(p: Profile) -> Iterator[Advice]:
    b, known = p.bridging, [row for row in p.languages if row.name != UNKNOWN]
    told = [share for share in (b.users, b.editions, b.consumed) if share is not None]
    if len(known) > 1 and told and not any(told):
        yield Advice(
            "No user bridges languages and no work is shared by them: only text connects them.",
            "Models of ids alone cannot transfer: use one that reads text (XLEASE) with a multilingual encoder.",
        )


def _texts(p: Profile) -> Iterator[Advice]:
    t = p.texts
    if t is None:
        yield Advice("There is no text table.", f"Models that read text need {p.name}.text: convert with titles.")
        return
    if t.with_text < 1:
        yield Advice(
            f"{counted(p.items - round(t.with_text * p.items), 'item')} ({percent(1 - t.with_text)}) without text.",
            "encode refuses them unless missing_text says otherwise: add texts, or drop these items.",
        )
    if t.strays:
        yield Advice(
            f"{counted(t.strays, 'text')} of items that are in no other file.", "Drop these rows, or add the items."
        )
    if t.repeats >= MANY_REPEATS or t.repeated >= MANY_REPEATED:
        yield Advice(
            f"{percent(t.repeated)} of the texts stand at several items, one at {t.repeats:,}: {t.example!r}.",
            "These items get one and the same vector: add a field that tells them apart, or join them by work_id.",
        )


def _short(p: Profile) -> Iterator[Advice]:
    if p.short_users:
        yield Advice(
            f"{counted(p.short_users, 'user')} ({percent(p.short_users / p.users)}) with fewer than {SHORTEST} "
            "interactions.",
            f"Leave-one-out needs {SHORTEST}: convert with --user-core {SHORTEST}, or set user_inter_num_interval: "
            f'"[{SHORTEST},inf)".',
        )


def _order(p: Profile) -> Iterator[Advice]:
    t = p.times
    if t is None or t.missing == p.interactions:
        yield Advice(
            "No timestamps, so that the order of a user's interactions means nothing.",
            "Split with order: RO in eval_args, not TO, and run no sequential model.",
        )
        return
    if t.missing:
        yield Advice(
            f"{counted(t.missing, 'interaction')} ({percent(t.missing / p.interactions)}) without a timestamp.",
            "Drop them, or split with order: RO in eval_args.",
        )
    if t.last > 4.1e9:
        yield Advice(
            f"The timestamps reach {t.last:.4g}, which is no time in seconds.",
            "Convert again: milliseconds must become seconds.",
        )
    if t.tied >= MANY_TIED:
        yield Advice(
            f"{percent(t.tied)} of the interactions share their time with another of the same user.",
            "Their order is that of the file: compare sequential models with care, or split with order: RO.",
        )


def _repeated(p: Profile) -> Iterator[Advice]:
    if p.repeated:
        yield Advice(
            f"{counted(p.repeated, 'interaction')} ({percent(p.repeated / p.interactions)}) repeat a pair of user and "
            "item.",
            "A held-out item can be one seen in training: set rm_dup_inter: first, unless repeats are meant.",
        )


def _listed(names: Sequence[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


_CHECKS: tuple[Check, ...] = (
    *(_unlisted, _unread, _languages, _bridges, _texts, _unknown, _small, _order, _short, _repeated),
)
