"""What the model is asked in a batch, and its answers as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache

from recbole_xlrec.errors import DataError, sample
from recbole_xlrec.serving.asked import unknown_user
from recbole_xlrec.serving.limits import Limits
from recbole_xlrec.serving.objects import objects
from recbole_xlrec.serving.queries import Options, Query, Recommendations
from recbole_xlrec.serving.recommender import Recommender

#: What requests may leave of the catalogue, kept by the options of the latest.
_KEPT = 64


class NotKnown(DataError):
    """Whom or what was asked for is not there."""


class Answers:
    """A recommender's answers as JSON.

    Args:
        recommender: The run.
    """

    def __init__(self, recommender: Recommender) -> None:
        self.recommender = recommender
        self._limits = lru_cache(_KEPT)(recommender.limits)

    def recommend(self, options: Options, queries: Sequence[Query]) -> list[bytes | Exception]:
        """One answer a query.

        Raises:
            DataError: See `Recommender.recommend`.
            ConfigError: See there.
        """
        limits = self._limits(options)
        users = self.recommender.users.find([query.user or "" for query in queries])
        wrong = [self._refused(query, bool(known)) for query, known in zip(queries, users, strict=True)]
        asked = [query for query, error in zip(queries, wrong, strict=True) if error is None]
        answers = iter(self._as_json(self.recommender.answer(asked, limits)) if asked else [])
        return [next(answers) if error is None else error for error in wrong]

    def search(self, options: tuple[Options, str], texts: Sequence[str]) -> list[bytes | Exception]:
        """One answer a text: options and the texts' language.

        Raises:
            EncoderError: See `Recommender.search`.
        """
        limits: Limits = self._limits(options[0], True)
        return self._as_json(self.recommender.found(texts, limits, options[1]))

    def _refused(self, query: Query, known: bool) -> NotKnown | None:
        if query.user is not None:
            why = unknown_user(query.user, self.recommender.users)
            return None if known else NotKnown(f"{why}. Give the history of anybody else")
        history = list(query.history or ())
        if history and (self.recommender.catalogue.numbers.get_indexer(history) < 1).all():
            return NotKnown(
                f"the run knows none of the {len(history)} items of the history: {sample(history)}. Give ids of its "
                "catalogue, or an empty history for what is popular"
            )
        return None

    def _as_json(self, part: Recommendations) -> list[bytes | Exception]:
        return [
            json.dumps(each, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
            for each in objects(self.recommender.catalogue, part)
        ]
