"""Users of one language are ranked among its items alone where rankings are too, a block of a batch at a time.

With ``candidates: language`` a list is drawn from the items of its user's own language. A softmax over all languages
asks besides which language a user reads, which nobody will ask the model, and takes the editions of what the user
wanted for something else: it pushes apart what joint training should bring together. Scores that are no part of the
loss are not computed, so that a step over many languages costs what its users' languages cost.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import nn

from recbole_xlrec.model.layers import rows as rows_of
from recbole_xlrec.model.softmax import Candidates


class Block(NamedTuple):
    """The rows of a batch whose users have one language, and what their targets are ranked among.

    Attributes:
        rows: (rows of the block,) places among the rows of the batch; None for all.
        targets: (targets of the block,) places among the targets of the batch; None for all.
        row_of: (targets of the block,) row of each target, counted within the block.
        places: (targets of the block,) of the targets among `candidates`.
        candidates: What they are ranked among.
        columns: (chosen,) places of these among the candidates of the batch; None where they are all.
        others: (chosen,) True for items of other languages, which are there because some row wants them; None if none.
    """

    rows: torch.Tensor | None
    targets: torch.Tensor | None
    row_of: torch.Tensor
    places: torch.Tensor
    candidates: Candidates
    columns: torch.Tensor | None
    others: torch.Tensor | None

    def no_negatives(self, count: int, row_of: torch.Tensor) -> torch.Tensor | None:
        """(count, chosen) True for other languages' items but for the targets of each row; None where there are none.

        Args:
            count: Rows of scores.
            row_of: (targets of the block,) row of each target.
        """
        if self.others is None:
            return None
        marked = self.others.repeat(count, 1)  # (count, chosen)
        marked[row_of, self.places] = False
        return marked

    def scores(self, queries: torch.Tensor, items: torch.Tensor, no_negatives: torch.Tensor | None) -> torch.Tensor:
        """Scores that are so low where no negative stands that a softmax leaves it out.

        Args:
            queries: (rows, width) of the block.
            items: (chosen of the batch, width).
            no_negatives: (rows, chosen) True for those; None where all are negatives.

        Returns:
            (rows, chosen).
        """
        scores = queries @ rows_of(items, self.columns).T  # (rows, chosen)
        return scores if no_negatives is None else scores.masked_fill_(no_negatives, torch.finfo(scores.dtype).min / 2)


class LanguageBlocks(nn.Module):
    """Cuts batches by the language of their users.

    Args:
        users: (users,) codes of languages; None for one block in which all candidates stand.
        items: (items,) codes of languages, of no account where `users` is None.
        mixed: Whether training has users who consume items of another language than theirs.
    """

    users: torch.Tensor | None
    items: torch.Tensor | None

    def __init__(self, users: torch.Tensor | None, items: torch.Tensor | None, mixed: bool) -> None:
        super().__init__()
        self.register_buffer("users", users, persistent=False)
        self.register_buffer("items", items, persistent=False)
        self.mixed = mixed

    @classmethod
    def of(cls, config: Any, dataset: Any) -> LanguageBlocks:
        """Of a model's configuration and training part."""
        if config["candidates"] != "language":
            return cls(None, None, mixed=False)
        users, items = dataset.candidate_limits()
        consumed = dataset.histories().tocoo()
        mixed = bool((users[consumed.row] != items[consumed.col]).any())
        return cls(torch.from_numpy(users), torch.from_numpy(items), mixed)

    def ranked(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """(users,) and (items,) → (users, items) True where an item is in its user's language, or all are ranked."""
        if self.users is None or self.items is None:
            return torch.ones(len(users), len(items), dtype=torch.bool, device=users.device)
        return self.users[users, None] == self.items[items]

    def forward(
        self, users: torch.Tensor, row_of: torch.Tensor, wanted: torch.Tensor, candidates: Candidates
    ) -> list[Block]:
        """The blocks of a batch; each row and target is in one of them.

        Args:
            users: (rows,) whose rows of scores they are.
            row_of: (targets,) row of each target.
            wanted: (targets,) the targets.
            candidates: Of the batch; the targets are among them.
        """
        if self.users is None or self.items is None:
            return [Block(None, None, row_of, candidates.places(wanted), candidates, None, None)]
        codes = self.users[users]  # (rows,)
        languages = torch.unique(codes)  # (languages,)
        chosen = candidates.items  # (chosen,), the padding item first
        known = self.items[1:] if chosen is None else self.items[chosen[1:]]  # (chosen - 1,)
        parts = zip(*_grouped(languages, codes, codes[row_of], known), strict=True)
        blocks = []
        for code, (rows, targets, items) in zip(languages, parts, strict=True):
            columns = torch.cat([items.new_zeros(1), items + 1])  # (chosen of the block,)
            if self.mixed:
                columns = torch.unique(torch.cat([columns, candidates.places(wanted[targets])]))
            among = candidates.only(columns)
            others = self.items[among.items] != code if self.mixed else None  # (chosen of the block,)
            own_row = torch.searchsorted(rows, row_of[targets])  # (targets of the block,)
            blocks.append(Block(rows, targets, own_row, among.places(wanted[targets]), among, columns, others))
        return blocks


def some(values: Any, places: torch.Tensor | None) -> Any:
    """Those at some places, (chosen, ...); all where None. For values that have no gradient, `rows` for others."""
    return values if places is None else values[places]


def _grouped(languages: torch.Tensor, *codes: torch.Tensor) -> list[list[torch.Tensor]]:
    """For each of `codes`, whose shapes are (n,): the places of each of `languages`, ascending."""
    orders = [torch.argsort(each, stable=True) for each in codes]
    ends = [
        torch.searchsorted(each[order], languages, right=right)
        for each, order in zip(codes, orders, strict=True)
        for right in (False, True)
    ]
    bounds = iter(torch.stack(ends).tolist())  # the one wait for a GPU
    return [[order[begin:end] for begin, end in zip(next(bounds), next(bounds), strict=True)] for order in orders]


def mean_loss(blocks: list[Block], losses: list[torch.Tensor], weights: torch.Tensor | None) -> torch.Tensor:
    """Mean loss of a batch's targets.

    Args:
        blocks: Of the batch.
        losses: For each block, (targets of the block,).
        weights: (targets,) of the batch; all alike where None.
    """
    whole = torch.cat(losses)  # (targets,), block by block
    if weights is None:
        return whole.mean()
    weights = torch.cat([some(weights, block.targets) for block in blocks])  # (targets,)
    return (whole * weights).sum() / weights.sum().clamp(min=1e-9)
