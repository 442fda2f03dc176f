"""Layers that several models share; plain tensors and arguments, no configuration."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class CausalBlock(nn.Module):
    """A pre-norm transformer block in which a position sees itself and those before it.

    How far back an item lies is a trained number for each distance and head, added to the attention's scores (Shaw et
    al., NAACL 2018; in this form Raffel et al., JMLR 2020, "T5", there with distances in groups). A position in a
    window is no distance: windows end anywhere, and queries at the end of theirs.

    Args:
        width: Of the states.
        heads: Of the attention; divides `width`.
        inner: Width of the feed-forward layer.
        dropout: Of attention, states and the feed-forward layer.
        longest: Of the sequences.
    """

    def __init__(self, width: int, heads: int, inner: int, dropout: float, longest: int) -> None:
        super().__init__()
        self.distances = nn.Embedding(longest, heads)
        self.heads, self.dropout = heads, dropout
        self.attention_norm, self.forward_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.projections = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.expand, self.contract = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """(batch, seq, width) → (batch, seq, width)."""
        states = states + self._drop(self._attend(self.attention_norm(states)))
        inner = self._drop(F.gelu(self.expand(self.forward_norm(states))))  # (batch, seq, inner)
        return states + self._drop(self.contract(inner))

    def _attend(self, states: torch.Tensor) -> torch.Tensor:
        batch, seq, width = states.shape
        parts = self.projections(states).view(batch, seq, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # (batch, heads, seq, width / heads)
        dropout = self.dropout if self.training else 0.0
        bias = self._bias(seq).to(query.dtype)  # (heads, seq, seq)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias, dropout_p=dropout)
        return self.output(mixed.transpose(1, 2).reshape(batch, seq, width))  # (batch, seq, width)

    def _bias(self, seq: int) -> torch.Tensor:
        """(heads, seq, seq), minus infinity for what comes later."""
        steps = torch.arange(seq, device=self.distances.weight.device)
        back = steps[:, None] - steps  # (seq, seq)
        return self.distances(back.clamp(min=0)).permute(2, 0, 1).masked_fill(back < 0, -torch.inf)

    def _drop(self, states: torch.Tensor) -> torch.Tensor:
        return F.dropout(states, self.dropout, self.training)


def bounded(vectors: torch.Tensor, longest: float) -> torch.Tensor:
    """Shortens vectors, (..., width), that are longer than `longest`; 0 stands for no bound."""
    if longest <= 0:
        return vectors
    lengths = vectors.norm(dim=-1, keepdim=True).clamp(min=1e-12)  # (..., 1)
    return vectors * (longest / lengths).clamp(max=1.0)


def rows(table: torch.Tensor, items: torch.Tensor | None) -> torch.Tensor:
    """Rows of a table, (items, width) → (chosen, width); the table itself where none are chosen.

    By an embedding, whose gradient, unlike that of an index, is the same in every run.
    """
    return table if items is None else F.embedding(items, table)


def spans(starts: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """(rows,) where each row begins, and how many places it has → (total,) all places, one row's after the other's."""
    steps = torch.arange(int(counts.sum()), device=counts.device)  # (total,)
    return steps + torch.repeat_interleave(starts - counts.cumsum(0) + counts, counts)


def initialise(module: nn.Module) -> None:
    """The start of SASRec and BERT: normal weights of deviation 0.02, zero biases; for `nn.Module.apply`."""
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
    if isinstance(module, nn.Embedding) and module.padding_idx is not None:
        with torch.no_grad():
            module.weight[module.padding_idx].zero_()
