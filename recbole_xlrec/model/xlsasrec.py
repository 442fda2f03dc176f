"""XLSASRec: a causal transformer over items that are known by their text, by an id, or by both.

SASRec (Kang and McAuley, ICDM 2018) with what later work found to matter: softmax over the catalogue at every position
(Klenitskiy and Vasilev, RecSys 2023, "Turning Dross Into Gold Loss"), item vectors from a frozen text encoder through
an adapter (Hou et al., KDD 2022, "UniSRec"), a trainable offset of bounded length beside them, and cosine scores with a
temperature. Where we differ: windows count every target once (`bridge/windows`), what is no candidate of a ranking
is no negative (`met_mask`, `language_blocks`), pre-norm blocks on PyTorch's `scaled_dot_product_attention` with a term
for each distance, the losses of `joint`, which know of languages, items that are `unseen`, and `transitions` beside the
scores.
"""

from __future__ import annotations

from typing import Any

import torch
from recbole.model.abstract_recommender import SequentialRecommender
from recbole.utils import InputType
from torch import nn
from torch.nn import functional as F

from recbole_xlrec.bridge.lazy_sequences import PLACE
from recbole_xlrec.bridge.windows import TARGETS
from recbole_xlrec.errors import ConfigError
from recbole_xlrec.model.histories import Histories
from recbole_xlrec.model.items import Items
from recbole_xlrec.model.joint import JointTraining
from recbole_xlrec.model.language_blocks import Block, LanguageBlocks, mean_loss, some
from recbole_xlrec.model.layers import CausalBlock, initialise, rows
from recbole_xlrec.model.met_mask import MetMask
from recbole_xlrec.model.softmax import CatalogueSoftmax
from recbole_xlrec.model.transitions import Transitions
from recbole_xlrec.model.unseen import UnseenItems
from recbole_xlrec.model.unseen_scores import UnseenScores


class XLSASRec(UnseenScores, SequentialRecommender):
    """Next-item transformer of all languages, on text and ids, trained at every position of a window."""

    input_type = InputType.POINTWISE

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        width, heads, dropout = config["hidden_size"], config["n_heads"], config["dropout"]
        if width % heads:
            raise ConfigError(f"hidden_size {width} is no multiple of n_heads {heads}")
        if not config["temperature"] > 0:
            raise ConfigError(f"temperature: above 0, found {config['temperature']}")
        self.temperature, self.dropout = config["temperature"], dropout
        self.items = Items(config, dataset, width)
        self.positions = nn.Embedding(self.max_seq_length, width)
        sizes = width, heads, 4 * width, dropout, self.max_seq_length
        self.blocks = nn.ModuleList(CausalBlock(*sizes) for _ in range(config["n_layers"]))
        self.norm = nn.LayerNorm(width)
        self.unseen = UnseenItems.of(config, self.items)
        self.sample = _Sample(dataset, self.USER_ID, self.ITEM_SEQ, self.ITEM_SEQ_LEN)
        self.joint = JointTraining(config, dataset, width)
        self.softmax = CatalogueSoftmax.from_config(config, dataset)
        self.transitions = Transitions.of(config, dataset)
        self.met = MetMask(dataset) if config["exclude_met"] else None
        self.blocks_of = LanguageBlocks.of(config, dataset)
        self.apply(initialise)

    def calculate_loss(self, interaction: Any) -> torch.Tensor:
        """Mean cross-entropy of the targets that count, and the losses of joint training."""
        sequences, targets = interaction[self.ITEM_SEQ], interaction[TARGETS]  # (batch, seq) each
        counted = targets > 0
        wanted, windows = targets[counted], counted.nonzero()[:, 0]  # (targets,) each
        weights = self.joint.target_weights(interaction[self.USER_ID][windows], wanted)
        batch = self.softmax.candidates(sequences, wanted)
        draws = (sequences > 0).sum() + len(sequences)  # a window has one target more than inputs
        blocks = self.blocks_of(interaction[self.USER_ID], windows, wanted, batch)
        masks = [self._no_negatives(interaction, counted, wanted, block) for block in blocks]

        def recommend(items: torch.Tensor) -> torch.Tensor:
            queries = self._queries(self._states(batch.places(sequences), items)[counted])  # (targets, width)
            directions = F.normalize(items, dim=-1)  # (chosen, width)
            losses = []
            for block, no_negatives in zip(blocks, masks, strict=True):
                scores = block.scores(rows(queries, block.targets), directions, no_negatives)  # (targets, chosen) of it
                losses.append(self.softmax(scores, block.places, block.candidates, draws))
            return mean_loss(blocks, losses, weights)

        return self.joint(recommend, self.items(batch.items), self.items, batch.items)

    def _no_negatives(
        self, interaction: Any, counted: torch.Tensor, wanted: torch.Tensor, block: Block
    ) -> torch.Tensor | None:
        """(targets, chosen) of a block: True for what is no candidate of a ranking, nor the target; None if none."""
        count = len(block.places)
        marked = block.no_negatives(count, torch.arange(count, device=wanted.device))
        if self.met is None:
            return marked
        part = some(interaction, block.rows)  # windows of the block
        starts = part[PLACE] - part[self.ITEM_SEQ_LEN]  # (windows,)
        counted, wanted = some(counted, block.rows), some(wanted, block.targets)
        met = self.met(part[self.USER_ID], starts, part[self.ITEM_SEQ], counted, wanted, block.candidates)
        return met if marked is None else met.logical_or_(marked)

    def own_item_vectors(self) -> torch.Tensor:
        """(items, width), of length 1, with their factor of transitions, (items, width + rank)."""
        vectors = self.items()
        if self.unseen is None:
            vectors = vectors + (self.items.counts == 0)[:, None] * self.items.unseen_offset()
        parts = [F.normalize(vectors, dim=-1)]
        if self.transitions is not None:
            parts.append(self.transitions.targets)
        return torch.cat(parts, dim=-1)

    def by_text_alone(self, texts: torch.Tensor, languages: torch.Tensor) -> torch.Tensor:
        """(new, text) and language codes (new,) → (new, width + rank); nothing leads to them."""
        offset = self.items.unseen_offset() if self.unseen is None else 0.0
        vectors = F.normalize(self.items.of_text(texts, languages) + offset, dim=-1)  # (new, width)
        return vectors if self.transitions is None else F.pad(vectors, (0, self.transitions.targets.shape[1]))

    def sample_queries(self) -> tuple[torch.Tensor, torch.Tensor]:
        """(sample,) users, and as `query_vectors` of some histories of training."""
        return self.sample.users, self._asked(self.sample.sequences, self.sample.lengths)

    def query_vectors(self, interaction: Any) -> torch.Tensor:
        """(batch, width + rank + text + 1): the state after each history, and its transitions and text if there are."""
        return self._asked(interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN])

    def history_vectors(self, histories: Histories) -> torch.Tensor:
        """The same of histories."""
        device = self.positions.weight.device
        return self._asked(*(torch.from_numpy(part).to(device) for part in histories.padded(self.max_seq_length)))

    def _asked(self, sequences: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """(batch, seq) and (batch,) → (batch, width + rank + text + 1)."""
        states = self._states(*self._known(sequences))  # (batch, seq, width)
        queries = self._queries(self.gather_indexes(states, lengths - 1))  # (batch, width)
        if self.transitions is not None:
            queries = torch.cat([queries, self.transitions.queries(sequences, lengths)], dim=-1)
        return queries if self.unseen is None else self.unseen.queries(queries, self.temperature, sequences)

    def _known(self, sequences: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(batch, seq) ids → places, and vectors of the items that occur there."""
        items, places = torch.unique(sequences, return_inverse=True)
        return places, self.items(items)

    def _queries(self, states: torch.Tensor) -> torch.Tensor:
        return F.normalize(states, dim=-1) / self.temperature

    def _states(self, places: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """(batch, seq) → (batch, seq, width); what follows a position never changes it, so that padding does not."""
        steps = torch.arange(places.shape[1], device=places.device)
        states = F.dropout(rows(items, places) + self.positions(steps), self.dropout, self.training)
        for block in self.blocks:
            states = block(states)
        return self.norm(states)


class _Sample(nn.Module):
    """Some histories of training, evenly spaced over its rows.

    Args:
        dataset: The training part.
        user: Its column of users.
        sequence: Its column of histories.
        length: Its column of their lengths.
    """

    users: torch.Tensor
    sequences: torch.Tensor
    lengths: torch.Tensor

    def __init__(self, dataset: Any, user: str, sequence: str, length: str, size: int = 256) -> None:
        super().__init__()
        chosen = dataset[torch.linspace(0, len(dataset) - 1, min(size, len(dataset))).long()]
        self.register_buffer("users", chosen[user], persistent=False)  # (sample,)
        self.register_buffer("sequences", chosen[sequence], persistent=False)  # (sample, seq)
        self.register_buffer("lengths", chosen[length], persistent=False)  # (sample,)
