"""A profile in words: the same labelled lines for the screen and the page."""

from __future__ import annotations

from datetime import datetime, timezone

from recbole_xlrec.inspect.advice import counted, percent
from recbole_xlrec.inspect.by_language import Language
from recbole_xlrec.inspect.measures import Bars
from recbole_xlrec.inspect.profile import Profile, Texts, Times

Lines = list[tuple[str, str]]


def size_lines(profile: Profile) -> Lines:
    """Users, items, interactions and what is known of their times and ratings."""
    p = profile
    rows = [
        ("users", _beside(p.users, p.users_listed, "in the .user file")),
        ("items", _beside(p.items, p.items_consumed, "with interactions")),
        ("interactions", f"{p.interactions:,}{_shown(p)}; density {density(p.density)}"),
    ]
    if p.files[0][0] != f"{p.name}.inter":
        rows.append(("splits", ", ".join(f"{name.split('.')[-2]} {size:,}" for name, size in p.files)))
    rows.append(("time", time_span(p.times)))
    rows.append(("ratings", "none" if p.ratings is None else bars(p.ratings, p.interactions)))
    return rows


def habit_lines(profile: Profile) -> Lines:
    """Sequence lengths and popularity."""
    n, top = profile.lengths, profile.popularity
    return [
        (
            "sequence lengths",
            f"least {n.least:,.0f}, median {n.median:,.0f}, mean {n.mean:,.1f}, 90 % {n.p90:,.0f}, most {n.most:,.0f}",
        ),
        (
            "popularity",
            f"{percent(top.top1)} of interactions on the top 1 % of items, {percent(top.top10)} on the top 10 %; "
            f"Gini {top.gini:.2f}",
        ),
    ]


def bridge_lines(profile: Profile) -> Lines:
    """What connects the languages."""
    b = profile.bridging
    noun = "items" if b.works == profile.items else "works"
    users = [
        (b.users, "consumed in 2 languages or more"),
        (b.crossing, "of interactions cross languages"),
    ]
    works = [(b.exist, "exist in 2 languages or more"), (b.consumed, "are consumed from 2 or more")]
    return [
        ("bridging users", _shares(users)),
        (f"bridging {noun}", f"of {b.works:,}, {_shares(works)}"),
    ]


def text_lines(texts: Texts | None) -> Lines:
    """Coverage and lengths of the texts."""
    if texts is None:
        return [("texts", "none")]
    cover = [(texts.with_text, "with text"), (texts.with_title, "with title"), (texts.own_language, "in own language")]
    fields = [f"{field.name} {field.median:,.0f} / {field.p90:,.0f}" for field in texts.fields]
    return [
        ("texts of items", _shares(cover)),
        ("text lengths", f"{', '.join(fields) or 'no field'} (characters, median / 90 %)"),
    ]


def origin_lines(profile: Profile) -> Lines:
    """Source, licence and cleaning, as far as they are known."""
    o = profile.provenance
    rows = [("source", o.source), ("licence", o.licence), ("citation", o.citation), ("url", o.url)]
    steps = [f"{step.name} −{step.removed:,}" for step in o.steps if step.removed]
    return [(label, text) for label, text in (*rows, ("removed", ", ".join(steps))) if text]


def language_table(profile: Profile, most: int | None = None) -> tuple[list[str], list[list[str]]]:
    """The counts by language, without the columns of which nothing is known.

    Args:
        profile: The profile.
        most: How many languages to list; the others are added up in one more row.

    Returns:
        The headers, and the cells of each row, the language's tag first.
    """
    p, rows = profile, list(profile.languages)
    if most is not None and len(rows) > most + 1:
        rows[most:] = [_added(rows[most:])]
    by = "of items" if p.items_have_language else "of users"
    columns = [("language", [row.name for row in rows])]
    if p.homes_from is not None:
        columns.append(("users", [f"{row.users:,}" for row in rows]))
    if p.items_have_language:
        columns.append(("items", [f"{row.items:,}" for row in rows]))
    if p.homes_from is not None:
        columns.append((f"interactions ({by})", [f"{row.interactions:,}" for row in rows]))
        columns.append(("share", [percent(row.interactions / p.interactions) for row in rows]))
    columns.append(("texts", [f"{row.texts:,}" for row in rows]))
    lengths = ["–" if row.title_length is None else f"{row.title_length:.1f}" for row in rows]
    columns.append(("title, characters", lengths))
    return [name for name, _ in columns], [list(cells) for cells in zip(*(c for _, c in columns), strict=True)]


def _added(rows: list[Language]) -> Language:
    users, items, events, texts = (
        sum(getattr(row, name) for row in rows) for name in ("users", "items", "interactions", "texts")
    )
    return Language(f"{len(rows)} more", users, items, events, texts, title_length=None)


def density(share: float) -> str:
    """A density with three digits that count, in per cent."""
    return f"{100 * share:.3g} %"


def bars(found: Bars, total: int, most: int = 12) -> str:
    """Values with their shares, in one line."""
    return " · ".join(f"{value}: {percent(count / total)}" for value, count in found[:most]) or "all empty"


def time_span(times: Times | None) -> str:
    """First and last time, as UTC dates where the numbers are such."""
    if times is None or times.first != times.first:
        return "none"
    if not times.are_dates:
        return f"{times.first:.10g} to {times.last:.10g}, which are no dates"
    first, last = (datetime.fromtimestamp(moment, timezone.utc) for moment in (times.first, times.last))
    return f"{first:%Y-%m-%d} to {last:%Y-%m-%d} (UTC)"


def _beside(number: int, other: int | None, what: str) -> str:
    return f"{number:,}" if other in (None, number) else f"{number:,} ({other:,} {what})"


def _shown(p: Profile) -> str:
    return f" ({counted(p.shown, 'row')} of items shown, not chosen, left out)" if p.shown else ""


def _shares(found: list[tuple[float | None, str]]) -> str:
    return ", ".join(f"{percent(share)} {what}" for share, what in found if share is not None) or "not known"
