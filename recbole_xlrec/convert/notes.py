"""Things about a conversion that a user should know and nothing else says."""

from __future__ import annotations

import polars as pl

from recbole_xlrec.errors import sample


def look_alikes(ids: pl.Series, what: str) -> list[str]:
    """Ids that differ only in case or leading zeros: perhaps one thing, written in two ways by a spreadsheet.

    Args:
        ids: Different ids.
        what: What they name, `user_id` or `item_id`.

    Example:
        >>> look_alikes(pl.Series(["0042", "42", "B1", "b1", "7"]), "item_id")
        ["4 of the item_ids differ from another one only in case or leading zeros: '0042', '42', 'B1', 'b1'. They are \
kept apart."]
    """
    frame = pl.DataFrame({"id": ids, "folded": ids.str.to_lowercase().str.replace(r"^0+([0-9a-z])", "$1")})
    alike = frame.filter(pl.col("folded").is_duplicated()).sort("folded", maintain_order=True)["id"].to_list()
    if not alike:
        return []
    return [
        f"{len(alike):,} of the {what}s differ from another one only in case or leading zeros: {sample(alike)}. "
        "They are kept apart."
    ]


def small_sample(wanted: int | None, users: int) -> list[str]:
    """Fewer users than were to be drawn."""
    if wanted is None or users >= wanted:
        return []
    return [f"--sample-users {wanted}: only {users:,} users are left after the other filters; all are kept."]
