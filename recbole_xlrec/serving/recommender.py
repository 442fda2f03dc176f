"""`Recommender`: a finished run that answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.model.histories import Histories
from recbole_xlrec.ranking.lists import Lists
from recbole_xlrec.serving.approximate import indexed_scorer
from recbole_xlrec.serving.asked import Asked, understood, unknown_user
from recbole_xlrec.serving.catalogue import Catalogue
from recbole_xlrec.serving.explain import explain, found_texts
from recbole_xlrec.serving.known_users import KnownUsers, chosen
from recbole_xlrec.serving.limits import Limits
from recbole_xlrec.serving.load import LoadedRun, load_run, on_device
from recbole_xlrec.serving.new_items import new_scoring, read_new_items
from recbole_xlrec.serving.queries import (
    MODEL,
    POPULARITY,
    SEARCH,
    Options,
    Query,
    Reason,
    Recommendations,
    batches,
    merged,
)
from recbole_xlrec.serving.scoring import Candidates, Scorer, best, make_scorer, pairs
from recbole_xlrec.serving.search import TextSearch
from recbole_xlrec.serving.text_space import TextSpace


class Recommender:
    """Recommendations from a finished run.

    A known user is who the run's evaluation on the test part asked about: models that know users by their training go
    by the training part, sequential ones by everything before the test part, and lists equal the run's `ranking.npz`,
    but that an item which is both consumed and a target is left out. For what users have done since, give histories.

    Args:
        run: The run.
        new_items: A file of new items (see `read_new_items`), which are recommended like those of the catalogue.
        index: A folder that `export` wrote of the run, by which candidates are found.

    Raises:
        ConfigError: If new items and an index are given, or an index and a model whose score is no inner product.
    """

    def __init__(self, run: LoadedRun, new_items: Path | None = None, index: Path | None = None) -> None:
        self.run, self.users = run, KnownUsers(run)
        new = None if new_items is None else read_new_items(new_items, run.train, self.space)
        self.catalogue = Catalogue(run.train, new)
        if index is None:
            self.scorer: Scorer = make_scorer(run, None if new is None else new_scoring(run, self.space, new))
        elif new is None:
            self.scorer = indexed_scorer(run, index)
        else:
            raise ConfigError("new items are not in the index: leave out one of the two")

    @classmethod
    def from_run(
        cls,
        path: str | Path,
        *,
        data_path: str | Path | None = None,
        new_items: str | Path | None = None,
        index: str | Path | None = None,
        use_gpu: bool = False,
    ) -> Recommender:
        """Loads a run folder.

        Args:
            path: The folder.
            data_path: Folder of the datasets; None for that of the run.
            new_items: A file of new items.
            index: A folder that `export` wrote of the run.
            use_gpu: Whether the model goes to a GPU.

        Raises:
            DataError: See `load_run`, `read_new_items`, `read_items`.
            ConfigError: If the model ranks no catalogue, or new items are given and it does not read texts; see also
                `Recommender`.
        """
        run = load_run(Path(path), None if data_path is None else Path(data_path), use_gpu)
        return cls(run, *(None if path is None else Path(path) for path in (new_items, index)))

    @cached_property
    def space(self) -> TextSpace:
        """The run's encoder."""
        return TextSpace(self.run.train, self.run.settings)

    def recommend(
        self,
        histories: Sequence[Sequence[str]] | Mapping[str, Sequence[str]] | None = None,
        users: Sequence[str] | None = None,
        k: int = 10,
        languages: Sequence[str] | None = None,
        **options: Any,
    ) -> Recommendations:
        """Lists for users of the run, for histories, or for both, users first.

        Args:
            histories: Item ids of each, oldest first; by name, or else named by their number.
            users: Users of the run.
            k: Length of the lists, which are shorter where the catalogue is smaller.
            languages: Languages of the items; None for those that the run's evaluation ranked.
            **options: See `Options`.

        Raises:
            ConfigError: If k or an option is out of range, or the model takes no histories.
            DataError: If a user is not known.
        """
        named = histories if isinstance(histories, Mapping) else dict(enumerate(histories or []))
        wanted = list(users or [])
        for user, found in zip(wanted, self.users.find(wanted), strict=True):
            if not found:
                raise unknown_user(user, self.users)
        queries = [Query(user, user=user) for user in wanted]
        queries += [Query(str(name), history=items) for name, items in named.items()]
        settings = Options(k=k, languages=languages, **options)
        return merged(list(self.stream(queries, settings)) or [self._nothing(settings)])

    def stream(
        self, queries: Iterable[Query], options: Options | None = None, batch_size: int = 1024
    ) -> Iterator[Recommendations]:
        """Answers batch by batch, in order, so that memory does not grow with the number of queries.

        A user who is not known, and a history that is empty or holds only unknown items, get the most popular items in
        the languages asked for, and a note.

        Raises:
            ConfigError: See `recommend`.
        """
        limits = self.limits(options or Options())
        for batch in batches(queries, min(batch_size, self.scorer.rows_at_once)):
            yield self.answer(batch, limits)

    def search(self, queries: Sequence[str], options: Options | None = None, language: str = "") -> Recommendations:
        """Items by how near their text is to what somebody typed, in any language that the encoder knows.

        Args:
            queries: The texts.
            options: As of `stream`; nothing is left out as seen, and ``languages: None`` is all.
            language: Of the queries, for encoders with an alignment or whitening by language.

        Raises:
            EncoderError: If the run's vectors were made elsewhere.
        """
        with torch.no_grad():
            return self.found(queries, self.limits(options or Options(), search=True), language)

    def limits(self, options: Options, search: bool = False) -> Limits:
        """What options leave of the catalogue, for `answer` or, with `search`, for `found`; they may be used again.

        Raises:
            ConfigError: See `recommend`.
        """
        return Limits(self.run, self.catalogue, options, own_language=not search)

    def found(self, texts: Sequence[str], limits: Limits, language: str = "") -> Recommendations:
        """`search` with limits made before."""
        lists, notes = self.text_search.lists(texts, limits, language)
        reasons = found_texts(self.text_search.texts, lists) if limits.options.explain else None
        return self._named(list(texts), lists, [SEARCH] * len(texts), notes, [[] for _ in texts], reasons)

    def history_of(self, user: str) -> list[str]:
        """Item ids by which the model knows a user, oldest first.

        Raises:
            DataError: If the run does not know the user.
        """
        (found,) = self.users.find([user])
        if not found:
            raise unknown_user(user, self.users)
        return self.catalogue.ids[chosen(self.users.told, np.array([found])).items].tolist()

    @cached_property
    def text_search(self) -> TextSearch:
        """Search over the texts of the catalogue."""
        return TextSearch(self.run, self.catalogue, self.space)

    # --- one batch -------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def answer(self, batch: Sequence[Query], limits: Limits) -> Recommendations:
        """`stream` of one batch, no more than `scorer.rows_at_once`, with limits made before."""
        asked = understood(batch, self.users, limits)
        groups = {
            "user": [row for row, each in enumerate(asked) if each.user],
            "history": [row for row, each in enumerate(asked) if not each.user and len(each.history)],
            POPULARITY: [row for row, each in enumerate(asked) if not each.user and not len(each.history)],
        }
        lists = limits.empty(len(batch))
        sources = [MODEL] * len(batch)
        reasons: list[list[list[Reason]]] | None = None
        if limits.options.explain:
            reasons = [[[] for _ in range(limits.k)] for _ in batch]
        for name, rows in groups.items():
            if not rows:
                continue
            mine = [asked[row] for row in rows]
            found = self._popular(mine, limits) if name == POPULARITY else self._by_model(mine, limits)
            lists.items[rows], lists.scores[rows] = found
            for place, row in enumerate(rows):
                if name == POPULARITY:
                    sources[row] = POPULARITY
                elif reasons is not None:
                    reasons[row] = explain(self, asked[row].history, found.rows(slice(place, place + 1)))
        short = limits.notes(lists)
        notes = ["; ".join(filter(None, (each.note, more))) for each, more in zip(asked, short, strict=True)]
        unknown = [each.unknown for each in asked]
        return self._named([each.id for each in batch], lists, sources, notes, unknown, reasons)

    def _by_model(self, asked: list[Asked], limits: Limits) -> Lists:
        users = np.array([each.user for each in asked])
        histories = Histories.of([each.history for each in asked])
        rows = self.scorer.known(users, histories) if users.all() else self.scorer.of_histories(histories)
        candidates = self._candidates(asked, limits)
        return limits.listed(lambda length: self.scorer.top(rows, length, candidates))

    def _candidates(self, asked: list[Asked], limits: Limits) -> Candidates:
        exclude = pairs(Histories.of([each.seen for each in asked]), self.run) if limits.exclude_seen else None
        codes = None
        if limits.item_codes is not None:
            codes = on_device(self.run, [each.language for each in asked]), limits.item_codes
        return Candidates(limits.allowed, exclude, codes)

    def _popular(self, asked: list[Asked], limits: Limits) -> Lists:
        counts = on_device(self.run, self.catalogue.counts).float().expand(len(asked), -1).clone()  # (queries, items)
        counts[:, 0] = -torch.inf
        if limits.allowed is not None:
            counts.masked_fill_(~limits.allowed, -torch.inf)
        if limits.item_codes is not None:
            languages = on_device(self.run, [each.language for each in asked])[:, None]
            counts.masked_fill_((languages > 0) & (languages != limits.item_codes), -torch.inf)
        return limits.listed(lambda length: best(counts, length))

    # --- naming ----------------------------------------------------------------------------------------------------

    def _named(
        self,
        ids: list[str],
        lists: Lists,
        sources: list[str],
        notes: list[str],
        unknown: list[list[str]],
        reasons: list[list[list[Reason]]] | None,
    ) -> Recommendations:
        items = self.catalogue.ids[np.maximum(lists.items, 0)]  # (queries, k); that of number 0 is empty
        return Recommendations(ids, items, lists.scores.astype(np.float32), sources, notes, unknown, reasons)

    def _nothing(self, options: Options) -> Recommendations:
        lists = self.limits(options).empty(0)
        return self._named([], lists, [], [], [], None)
