"""Search: items by how near their text is to what somebody typed, in any language that the encoder knows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch.nn import functional as F

from recbole_xlrec.ranking.lists import Lists
from recbole_xlrec.ranking.topk import TopItems
from recbole_xlrec.serving.catalogue import Catalogue
from recbole_xlrec.serving.limits import Limits
from recbole_xlrec.serving.load import LoadedRun, on_device
from recbole_xlrec.serving.scoring import Candidates, top_vectors
from recbole_xlrec.serving.text_space import TextSpace


class TextSearch:
    """Cosine of texts.

    Args:
        run: The run.
        catalogue: What is searched.
        space: The run's encoder.
    """

    def __init__(self, run: LoadedRun, catalogue: Catalogue, space: TextSpace) -> None:
        self.run, self.catalogue, self.space = run, catalogue, space

    def lists(self, texts: Sequence[str], limits: Limits, language: str) -> tuple[Lists, list[str]]:
        """The lists of some texts, and (texts,) what is to be said of each.

        Raises:
            EncoderError: If the run's vectors were made elsewhere.
        """
        asked = self.space.queries(texts, language)  # (texts, width)
        empty = [not row.any() for row in asked]  # (texts,)
        vectors = F.normalize(on_device(self.run, asked), dim=-1)

        def top(length: int) -> TopItems:
            return top_vectors(vectors, self._vectors, length, Candidates(limits.allowed))

        lists = limits.listed(top)
        lists = lists.kept(~np.array(empty)[:, None] & lists.present())
        notes = [
            "nothing in the query is known to the encoder" if none else note
            for none, note in zip(empty, limits.notes(lists), strict=True)
        ]
        return lists, notes

    @cached_property
    def _vectors(self) -> torch.Tensor:
        """(items, width), of length 1."""
        vectors = self.space.rows.all()
        new = self.catalogue.new
        if new is not None:
            vectors = np.concatenate([vectors, self.space.encode(new.texts, new.languages)])
        return F.normalize(on_device(self.run, vectors), dim=-1)

    @cached_property
    def texts(self) -> list[str]:
        """(items,) the text of each item; empty for the padding item and for those that training may not see."""
        new = self.catalogue.new
        return [*self.space.dataset.item_texts(), *([] if new is None else new.plain)]
