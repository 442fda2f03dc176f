"""Parallel text, whatever it is read from: groups of texts that mean the same, one at most a language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recbole_xlrec.data.atomic import read_atomic
from recbole_xlrec.data.columns import ITEM, ITEM_ID, LANGUAGE, TEXT, WORK_ID
from recbole_xlrec.data.files import existing_file
from recbole_xlrec.data.languages import normalise_language
from recbole_xlrec.data.tables import duplicate_check
from recbole_xlrec.data.text_table import read_text_table
from recbole_xlrec.errors import ConfigError, DataError, sample
from recbole_xlrec.text.template import render

#: Fewer pairs of two languages than this are no basis for a map, nor for a measure.
LEAST_PAIRS = 20


@dataclass(frozen=True, eq=False)
class ParallelTexts:
    """Groups of texts that mean the same.

    Attributes:
        texts: One column a language, each as long as there are groups; '' where the group has no text in it.
    """

    texts: dict[str, list[str]]

    def __len__(self) -> int:
        """Groups."""
        return len(next(iter(self.texts.values()), []))

    @property
    def languages(self) -> list[str]:
        """The languages, sorted."""
        return sorted(self.texts)

    def rows(self, groups: NDArray[np.int64]) -> ParallelTexts:
        """Some of the groups, (chosen,) their places."""
        chosen = groups.tolist()
        return ParallelTexts({tag: [texts[row] for row in chosen] for tag, texts in self.texts.items()})

    def having(self, *languages: str) -> NDArray[np.int64]:
        """The groups that have a text in each of these languages."""
        return np.flatnonzero(np.all([[bool(text) for text in self.texts[tag]] for tag in languages], axis=0))

    def pairs(self) -> dict[tuple[str, str], int]:
        """How many groups each two languages share; those that share none are left out."""
        counts = {pair: len(self.having(*pair)) for pair in combinations(self.languages, 2)}
        return {pair: count for pair, count in counts.items() if count}

    def split(self, held_out: float, seed: int) -> tuple[ParallelTexts, ParallelTexts]:
        """Draws the groups to fit on and those held out: a share below 1, or a number of groups.

        Raises:
            ConfigError: Nothing would be left to fit on.
        """
        count = round(held_out * len(self)) if held_out < 1 else int(held_out)
        if not 0 <= count < len(self):
            raise ConfigError(f"held_out {held_out}: it must leave some of the {len(self)} groups to fit on.")
        order = np.random.default_rng(seed).permutation(len(self))
        return self.rows(np.sort(order[count:])), self.rows(np.sort(order[:count]))


def from_lines(paths: Mapping[str, Path]) -> ParallelTexts:
    """Reads one file a language, in which lines of one number mean the same.

    Raises:
        DataError: The files differ in length, or are not UTF-8.
    """
    columns = {normalise_language(tag): _lines(path) for tag, path in paths.items()}
    if len({len(lines) for lines in columns.values()}) > 1:
        counts = ", ".join(f"{paths[tag]} {len(lines)}" for tag, lines in zip(paths, columns.values(), strict=True))
        raise DataError(f"parallel files must have one line for each other's; found lines: {counts}. Align them first.")
    return checked(columns)


def from_pairs(paths: Mapping[tuple[str, str], Path]) -> ParallelTexts:
    """Reads files of two columns, tab-separated and without a header: a text and its translation.

    Where files share a language, rows that have the same text in it become one group.

    Raises:
        DataError: A line has not two columns, or a file is not UTF-8.
    """
    groups: dict[tuple[str, str], dict[str, str]] = {}
    for (left, right), path in paths.items():
        tags = (normalise_language(left), normalise_language(right))
        shared = next((tag for tag in tags if sum(tag in pair for pair in paths) > 1), tags[1])
        for number, (first, second) in enumerate(_two_columns(path)):
            row = dict(zip(tags, (first, second), strict=True))
            name = (shared, row[shared]) if row[shared] else (str(path), str(number))
            known = groups.setdefault(name, {})
            groups[name] = {**row, **{tag: text for tag, text in known.items() if text}}
    languages = sorted({tag for row in groups.values() for tag in row})
    return checked({tag: [row.get(tag, "") for row in groups.values()] for tag in languages})


def from_dataset(folder: Path, name: str, by: str, template: str | Mapping[str, str] | None = None) -> ParallelTexts:
    """Takes the texts of a dataset: those that one item has in several languages, or the editions of one work.

    Args:
        folder: The dataset's folder.
        name: The dataset's name.
        by: `item_id`, or `work_id` of the item file.
        template: How a text is written.

    Raises:
        DataError: There is no text table, no `work_id`, or nothing is there in two languages.
        ConfigError: `by` is not known.
    """
    table = read_text_table(folder / f"{name}.{TEXT}")
    if by == WORK_ID:
        items = read_atomic(folder / f"{name}.{ITEM}", [ITEM_ID, WORK_ID])
        duplicate_check(items, [ITEM_ID], f"{name}.{ITEM}")
        table = table.merge(items, on=ITEM_ID, how="inner")
    elif by != ITEM_ID:
        raise ConfigError(f"parallel texts are joined by {ITEM_ID} or {WORK_ID}; found {by!r}.")
    table = table.assign(rendered=render(table, template))
    table = table[(table["rendered"] != "") & (table[by] != "")].drop_duplicates([by, LANGUAGE])
    wide = table.pivot(index=by, columns=LANGUAGE, values="rendered").fillna("")  # (groups, languages)
    wide = wide[(wide != "").sum(axis=1) > 1]
    if wide.empty:
        raise DataError(f"{folder}: no {by} has texts in two languages, so there is nothing to align by.")
    return checked({str(tag): _column(wide, str(tag)) for tag in wide.columns})


def checked(columns: Mapping[str, Sequence[str]]) -> ParallelTexts:
    """Keeps each different group once, and those that have two languages.

    Raises:
        DataError: Fewer than two languages, or no two of them share `LEAST_PAIRS` groups.
    """
    cleaned = {tag: [" ".join(text.split()) for text in texts] for tag, texts in columns.items()}
    rows = dict.fromkeys(zip(*cleaned.values(), strict=True))
    kept = [row for row in rows if sum(map(bool, row)) > 1]
    found = ParallelTexts(dict(zip(cleaned, map(list, zip(*kept, strict=True)), strict=False)))
    if len(columns) < 2 or max(found.pairs().values(), default=0) < LEAST_PAIRS:
        raise DataError(
            f"parallel text: {len(kept)} different groups in {sample(columns, limit=20)}; two languages at least must "
            f"share {LEAST_PAIRS} of them."
        )
    return found


def _column(wide: pd.DataFrame, tag: str) -> list[str]:
    return [str(text) for text in wide[tag]]


def _lines(path: Path) -> list[str]:
    try:
        text = existing_file(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 ({error}). Convert it first.") from error
    return text.removesuffix("\n").split("\n")  # not splitlines: a text may hold a form feed or a line separator


def _two_columns(path: Path) -> list[list[str]]:
    rows = [line.rstrip("\r").split("\t") for line in _lines(path)]
    wrong = [number for number, row in enumerate(rows, 1) if len(row) != 2]
    if wrong:
        raise DataError(
            f"{path}: {len(wrong)} lines have not two tab-separated columns: lines {sample(wrong)}. Mend or drop them."
        )
    return rows
