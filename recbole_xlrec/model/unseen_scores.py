"""What models share that score unseen items beside those of training: see `unseen`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from recbole_xlrec.model.inner_product import InnerProduct
from recbole_xlrec.model.unseen import UnseenItems

if TYPE_CHECKING:
    from recbole_xlrec.model.items import Items
    from recbole_xlrec.model.language_blocks import LanguageBlocks


class UnseenScores(InnerProduct):
    """Item vectors of unseen items have their text beside them, and scores like the others'.

    A model sets `items`, `blocks_of`, and `unseen` by ``UnseenItems.of``; its queries are those of
    ``UnseenItems.queries`` where `unseen` is not None.
    """

    items: Items
    blocks_of: LanguageBlocks
    unseen: UnseenItems | None

    def own_item_vectors(self) -> torch.Tensor:
        """(items, width), from parameters and buffers only; of length 1 in the columns of unseen items."""
        raise NotImplementedError

    def by_text_alone(self, texts: torch.Tensor, languages: torch.Tensor) -> torch.Tensor:
        """Items that nobody has met: (new, text) and language codes (new,) → (new, width), of length 1."""
        raise NotImplementedError

    def sample_queries(self) -> tuple[torch.Tensor, torch.Tensor]:
        """(sample,) users, and (sample, width + text + 1) queries of some histories of training."""
        raise NotImplementedError

    def item_vectors(self) -> torch.Tensor:
        """(items, width), of unseen items with their text beside it."""
        vectors = self.once(self.own_item_vectors)
        return vectors if self.unseen is None else self.unseen.beside(vectors, self.once(self._calibration))

    def know_new_items(self, config: Any) -> None:
        """Lets queries have a text for items that the run does not know, also where it knows all items of its own."""
        if self.unseen is None:
            self.unseen = UnseenItems.of_new(config, self.items)

    def new_item_vectors(self, texts: torch.Tensor, languages: torch.Tensor) -> torch.Tensor:
        """Vectors of items that the run does not know: (new, text) and language codes (new,) → (new, width)."""
        vectors = self.by_text_alone(texts, languages)
        if self.unseen is None:
            return vectors
        return self.unseen.beside_new(vectors, texts, self.once(self._calibration))

    def _calibration(self) -> torch.Tensor:
        """(2,) of `UnseenItems.calibrate`."""
        if self.unseen is None or self.items.text is None or self.items.text.vectors is None:
            raise TypeError("a model that knows no unseen items has no calibration of them")
        measured = self.unseen.measured
        languages = measured if self.items.languages is None else self.items.languages[measured]
        as_unseen = self.by_text_alone(self.items.text.vectors[measured], languages)  # (measured, width)
        users, queries = self.sample_queries()
        ranked = self.blocks_of.ranked(users, measured)  # (sample, measured)
        return self.unseen.calibrate(queries, self.once(self.own_item_vectors)[measured], as_unseen, ranked)
