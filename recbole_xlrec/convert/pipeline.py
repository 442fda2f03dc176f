"""The conversion of a source, step by step: items, users, interactions; order, filters; files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

import recbole_xlrec
from recbole_xlrec.convert.base import Source, Tables
from recbole_xlrec.convert.codes import Ids, Languages, grown
from recbole_xlrec.convert.columnar import Arrays, ColumnStore
from recbole_xlrec.convert.filters import Selection, core, counted, sampled
from recbole_xlrec.convert.interactions import Staged, Stager
from recbole_xlrec.convert.items import Items
from recbole_xlrec.convert.notes import look_alikes, small_sample
from recbole_xlrec.convert.options import Options
from recbole_xlrec.convert.order import ordered
from recbole_xlrec.convert.provenance import provenance
from recbole_xlrec.convert.publish import publishing, write_meta
from recbole_xlrec.convert.raw import RawFile, RawFolder
from recbole_xlrec.convert.read import Reader
from recbole_xlrec.convert.rejects import Rejects
from recbole_xlrec.convert.sequences import write_sequences
from recbole_xlrec.convert.tally import Tally
from recbole_xlrec.convert.users import Users
from recbole_xlrec.convert.write import Names, look_up, write_interactions, write_items
from recbole_xlrec.data import columns as c
from recbole_xlrec.data.languages import UNKNOWN
from recbole_xlrec.errors import ConfigError, DataError


class Step(NamedTuple):
    """One step of the cleaning: how many interactions are left after it, and how many it took."""

    step: str
    rows: int
    removed: int


class Converted(NamedTuple):
    """A converted dataset: its folder, and what its `<name>.meta.json` says."""

    folder: Path
    meta: dict[str, Any]


def convert(
    source: Source,
    raw: Path,
    output: Path,
    options: Options,
    replace: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> Converted:
    """Converts a source into a dataset; its folder appears whole or not at all.

    Args:
        source: What is converted.
        raw: Folder of the raw files.
        output: Folder of the datasets.
        options: How to clean and filter.
        replace: Whether a dataset of this name may be replaced.
        progress: Told what is being done, how many bytes more have been done, and how many there are in all.

    Raises:
        ConfigError: An option does not fit.
        DataError: A file is missing or broken, too many rows are, nothing is left, or the dataset is there already.
    """
    options = options.checked(source)
    folder = RawFolder(raw)
    with publishing(output, options.name, replace) as (files, work):
        rejects = Rejects(files / f"{options.name}.rejected.tsv", options.max_rejected)

        def advance(file: RawFile, count: int) -> None:
            if progress is not None:
                progress(f"read {file.name}", count, file.size)

        reader = Reader(
            folder, rejects, options.settings, options.encoding, work, advance, options.negatives, options.detect
        )
        try:
            tables = source.read(reader)
            run = _Run(tables, options, rejects, files, work)
            run.stage()
            rejects.finish()
            run.filter()
            counts = run.write()
        finally:
            rejects.close()  # before the hashes are taken
        steps = [step._asdict() for step in run.steps]
        meta = {
            "name": options.name,
            **provenance(source, raw, options, reader.used),
            **tables.described,
            "steps": steps,
            "rejected": dict(sorted(rejects.reasons.items())),
            "mended_texts": {kind: count for kind, count in run.items.mended.items() if count},
            "left_out_texts": {rule: count for rule, count in run.items.removed.items() if count},
            **counts,
            "written_by": f"recbole_xlrec {recbole_xlrec.__version__}",
        }
        write_meta(files, options.name, meta)
    return Converted(output / options.name, meta)


class _Run:
    """The steps of one conversion, in their order."""

    def __init__(self, tables: Tables, options: Options, rejects: Rejects, files: Path, work: Path) -> None:
        self.steps: list[Step] = []
        self._tables, self._options, self._rejects = tables, options, rejects
        self._files, self._work = files, work
        self._user_ids, self._item_ids, self._languages = Ids(), Ids(), Languages()
        self.items = Items(tables, options, self._item_ids, self._languages, rejects, work / "items")
        self._users = Users(tables, self._user_ids, self._languages, rejects)
        self._staged: Staged
        self._store: ColumnStore
        self._selection: Selection

    def stage(self) -> None:
        """Reads everything; interactions end up on disk by user and time, without exact duplicates."""
        self.items.run(self._tables.items)
        self._users.run(self._tables.users)
        before = self._rejects.total
        stager = Stager(
            self._tables,
            self._options,
            self._user_ids,
            self._item_ids,
            self._languages,
            self.items.language,
            self._rejects,
        )
        self._staged = stager.run(self._tables.interactions, self._work / "staged")
        self.items.language = grown(self.items.language, len(self._item_ids))  # interactions brought new items
        broken = self._rejects.total - before
        removed = self._staged.removed
        left = self._staged.store.rows + sum(removed.values())
        self.steps.append(Step("read", left + broken, 0))
        self._step("broken or incomplete (see rejected.tsv)", left)
        for rule, count in removed.items():
            left -= count
            self._step(rule, left)
        self._store = ordered(self._staged.store, len(self._user_ids), self._work, self._note_duplicates)
        self._step("exact duplicates", self._store.rows)

    def filter(self) -> None:
        """Chooses users and items."""
        everybody = Selection(np.ones(len(self._user_ids), dtype=bool), np.ones(len(self._item_ids), dtype=bool))
        users, items = counted(self._store, everybody)
        self._selection = Selection(users > 0, items > 0)
        options = self._options
        if options.user_core > 1 or options.item_core > 1:
            self._selection = core(self._store, self._selection, options.user_core, options.item_core)
            self._step(f"k-core: users ≥ {options.user_core}, items ≥ {options.item_core}", self._left())
        if options.sample_users is not None:
            self._selection = sampled(self._selection, options.sample_users, options.seed)
            self._step(f"not among the {options.sample_users} sampled users", self._left())
        users, items = counted(self._store, self._selection)
        self._selection = Selection(users > 0, items > 0)
        if not users.any():
            lines = "; ".join(f"{step.step}: {step.removed:,} removed, {step.rows:,} left" for step in self.steps)
            raise DataError(f"No interaction is left. {lines}. Loosen the filter that removed most.")

    def write(self) -> dict[str, Any]:
        """Writes the files, and returns what they hold."""
        names = Names(self._user_ids.names(), self._item_ids.names(), self._languages)
        unknown = self._languages.code(UNKNOWN)
        tally = Tally(len(self._user_ids), len(self._item_ids), len(self._languages.names), unknown)
        name, selection = self._options.name, self._selection
        suffixes = write_interactions(self._files, name, self._store, selection, names, tally)
        if self._options.sequences:
            suffixes |= self._sequences(names)
        written = selection.items | self._known_items() if self._options.all_items else selection.items
        item_language = write_items(self._files, name, self.items, written, names, tally, self._tables.texts)
        countries = look_up(pl.Series(self._staged.countries), self._staged.country[: len(self._user_ids)])
        told = tally.user_language()
        user_language = self._users.write(
            self._files, name, selection.users, names, told, countries.set(countries == "", None)
        )
        by_language = self._by_language(user_language[selection.users], item_language[written], tally)
        counts = {
            "users": int(selection.users.sum()),
            "items": int(written.sum()),
            "interactions": int(tally.users.sum()),
        }
        return {
            "counts": counts,
            "files": suffixes,
            "languages": by_language,
            "user_language": self._users.told_by,
            "notes": self._notes(names),
        }

    def _sequences(self, names: Names) -> dict[str, int]:
        if "split" not in self._store.names:
            raise ConfigError(
                "--sequences: this source has no splits of its own (or --whole is given); RecBole cuts them."
            )
        if "time" not in self._store.names:
            raise ConfigError("--sequences: the interactions of this source have no times, and so no order.")
        return write_sequences(
            self._files, self._options.name, self._store, self._selection, names, self._options.sequences
        )

    def _notes(self, names: Names) -> list[str]:
        users, items = (np.flatnonzero(stay).astype(np.uint32) for stay in self._selection)
        return [
            *small_sample(self._options.sample_users, len(users)),
            *look_alikes(look_up(names.users, users), c.USER_ID),
            *look_alikes(look_up(names.items, items), c.ITEM_ID),
        ]

    def _known_items(self) -> NDArray[np.bool_]:
        return self.items.language[: len(self._item_ids)] > 0

    def _by_language(self, users: NDArray, items: NDArray, tally: Tally) -> dict[str, dict[str, int]]:
        size = len(self._languages.names)
        counts = zip(
            self._languages.names,
            np.bincount(users, minlength=size).tolist(),
            np.bincount(items, minlength=size).tolist(),
            np.pad(tally.languages, (0, size - len(tally.languages))).tolist(),
            strict=True,
        )
        found: dict[str, dict[str, int]] = {}
        for tag, *numbers in counts:  # no language and `und` are one
            if any(numbers):
                entry = found.setdefault(tag or UNKNOWN, {"users": 0, "items": 0, "interactions": 0})
                entry.update({key: entry[key] + number for key, number in zip(entry, numbers, strict=True)})
        return dict(sorted(found.items(), key=lambda entry: (-entry[1]["interactions"], entry[0])))

    def _note_duplicates(self, rows: Arrays, first: NDArray[np.int64]) -> None:
        users = look_up(self._user_ids.names(), rows["user"])
        items = look_up(self._item_ids.names(), rows["item"])
        texts = (users + "\t" + items).to_list()
        self._rejects.duplicates(
            [self._staged.files[file] for file in rows["file"]], rows["line"].tolist(), first.tolist(), texts
        )

    def _left(self) -> int:
        return int(counted(self._store, self._selection)[0].sum())

    def _step(self, name: str, rows: int) -> None:
        self.steps.append(Step(name, rows, self.steps[-1].rows - rows))
