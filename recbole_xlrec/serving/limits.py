"""What the options of a request leave of the catalogue, and lists cut to it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from recbole.utils import ModelType

from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.data.languages import normalise_language, normalise_languages
from recbole_xlrec.errors import ConfigError, DataError, sample
from recbole_xlrec.ranking.filters import Filter, available, by_category, by_language, one_edition
from recbole_xlrec.ranking.lists import EMPTY, Lists, check_length, empty_lists
from recbole_xlrec.ranking.topk import TopItems
from recbole_xlrec.serving.catalogue import Catalogue
from recbole_xlrec.serving.load import LoadedRun, on_device
from recbole_xlrec.serving.queries import Options


class Limits:
    """The options of a request, by numbers.

    Args:
        run: The run.
        catalogue: Its items, and new ones.
        options: The options.
        own_language: Whether, where no languages are asked for, ``candidates: language`` of the run holds.

    Attributes:
        k: Length of the lists: as asked for, or all items.
        exclude_seen: Whether what a query's history holds is left out.
        allowed: (items,) true for those that lists may hold; None for all.
        item_codes: (items,) codes of languages, of which a query is given its own; None where it is given all.

    Raises:
        ConfigError: If k is below 1, or no item has an asked language, category or column.
        DataError: If a language is not known, or an unavailable item is none of the catalogue.
    """

    def __init__(self, run: LoadedRun, catalogue: Catalogue, options: Options, own_language: bool = True) -> None:
        check_length(options.k)
        self.run, self.catalogue, self.options = run, catalogue, options
        self.k = min(options.k, len(catalogue) - 1)
        repeats = run.model.type == ModelType.SEQUENTIAL and not run.settings["exclude_met"]
        self.exclude_seen = (not repeats) if options.exclude_seen is None else options.exclude_seen
        allowed = self._allowed()
        self.allowed: torch.Tensor | None = None if allowed is None else on_device(run, allowed)
        self.item_codes: torch.Tensor | None = None
        if own_language and options.languages is None and run.settings["candidates"] == "language":
            codes = catalogue.language_codes(run.train.needed_languages("candidates: language").names)
            self.item_codes = on_device(run, codes)
        self._late = [*([one_edition(catalogue.works)] if options.one_edition_per_work else []), *options.filters]
        if options.one_edition_per_work and (catalogue.works < 0).all():
            raise ConfigError("one edition per work needs a column work_id in the item file, and there is none")

    def empty(self, queries: int) -> Lists:
        """Lists without items."""
        return empty_lists(queries, self.k)

    def listed(self, top: Callable[[int], TopItems]) -> Lists:
        """The lists of some queries: as `top` gives so many, and more where filters take some.

        Args:
            top: Length to lists.
        """
        most = len(self.catalogue) - 1
        length = self.k if not self._late else min(most, 2 * self.k + 20)
        while True:
            found = top(length)
            lists = Lists(
                torch.where(torch.isfinite(found.scores), found.ids, EMPTY).int().cpu().numpy(),
                found.scores.cpu().numpy(),
            )
            whole = lists.present().all(axis=1)  # (queries,) may have more
            for late in self._late:
                lists = lists.kept(late.keep(lists))
            short = lists.present().sum(axis=1) < self.k
            if length == most or not (short & whole).any():
                return lists.top(self.k)
            length = min(most, 4 * length)

    def notes(self, lists: Lists) -> list[str]:
        """(queries,) what is to be said of lists that are shorter than asked for."""
        counts = lists.present().sum(axis=1)
        return [
            "" if count >= self.k else f"{count} of {self.k}: what may be recommended leaves no more"
            for count in counts.tolist()
        ]

    def language(self, given: str | None, history: NDArray[np.int64]) -> int:
        """The code of a history's language: as given, or that of most of its items, of equally many the latest's."""
        if self.item_codes is None:
            return 0
        names = self.run.train.languages.names
        if given:
            tag = normalise_language(given)
            if tag not in names:
                raise DataError(f"nobody in the run is in language {tag!r}: it has {', '.join(names[1:])}")
            return names.index(tag)
        codes = self.item_codes.cpu().numpy()[history]
        counts = np.bincount(codes, minlength=len(names))
        most = counts[codes] == counts.max()  # (history,)
        return int(codes[most][-1]) if len(codes) else 0

    def _allowed(self) -> NDArray[np.bool_] | None:
        filters: list[Filter] = []
        options, catalogue = self.options, self.catalogue
        if options.languages is not None:
            tags = normalise_languages(list(options.languages))
            known = sorted({str(tag) for tag in np.unique(catalogue.languages) if tag})
            for tag in tags:
                if tag not in known:
                    raise ConfigError(f"no item has the language {tag!r}; they have {', '.join(known) or 'none'}")
            filters.append(by_language(catalogue.languages.tolist(), tags))
        if options.categories is not None:
            filters.append(by_category(catalogue.categories, options.categories))
        if options.unavailable:
            filters.append(available(self._available(list(options.unavailable))))
        if not filters:
            return None
        items = np.arange(len(catalogue), dtype=np.int32)[None]  # (1, items)
        whole = Lists(items, np.zeros(items.shape, dtype=np.float32))
        kept = np.logical_and.reduce([each.keep(whole)[0] for each in filters])
        kept[0] = False
        return kept

    def _available(self, unavailable: list[str]) -> NDArray[np.bool_]:
        found = self.catalogue.numbers.get_indexer(unavailable)
        absent = [item for item, number in zip(unavailable, found, strict=True) if number < 1]
        if len(absent) == len(unavailable):
            hint = did_you_mean(absent[0], self.catalogue.ids[1:].tolist())
            raise DataError(f"none of the {len(absent)} unavailable items is in the catalogue: {sample(absent)}.{hint}")
        allowed = np.ones(len(self.catalogue), dtype=bool)
        allowed[found[found > 0]] = False
        return allowed
