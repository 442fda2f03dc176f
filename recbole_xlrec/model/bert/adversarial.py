"""The loss once more with word embeddings moved in the direction that hurts most.

FGM: Miyato et al., ICLR 2017, one step, of the whole text's embeddings. PGD: Madry et al., ICLR 2018, several shorter
steps, each from where the last one led, never farther than one step of FGM.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from recbole_xlrec.model.bert.options import Attack
from recbole_xlrec.model.joint import worst_steps
from recbole_xlrec.model.layers import bounded

_REACH = 2.5  # of all steps together, relative to the bound, so that it is reached (Madry et al. 2018)


def attacked_loss(loss_of: Callable[[], torch.Tensor], words: nn.Module, attack: Attack) -> torch.Tensor:
    """The loss, and that of the worst case near it.

    Args:
        loss_of: The loss of a batch; called again, it must read the same texts in the same order.
        words: The layer of word embeddings that it reads.
        attack: Kind, length and steps.
    """
    if attack.word_attack == "none":
        return loss_of()
    steps = attack.attack_steps if attack.word_attack == "pgd" else 1
    size = attack.attack_epsilon * (_REACH / steps if steps > 1 else 1.0)
    with _watched(words, []) as seen:
        loss = clean = loss_of()
    moves = [torch.zeros_like(vectors) for vectors in seen]
    for _ in range(steps):
        longest = [attack.attack_epsilon * float(vectors.detach().norm(dim=-1).mean()) for vectors in seen]
        steepest = worst_steps(loss, seen, size)
        moves = [bounded(move + step, most) for move, step, most in zip(moves, steepest, longest, strict=True)]
        with _watched(words, moves) as seen:
            loss = loss_of()
    return clean + loss


@contextmanager
def _watched(words: nn.Module, moves: list[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """Adds a move to each output of the layer in turn; gives what came out, (texts, tokens · width) each."""
    seen: list[torch.Tensor] = []

    def hook(_: nn.Module, __: object, output: torch.Tensor) -> torch.Tensor:
        flat = output.flatten(1)
        if not flat.requires_grad:  # frozen embeddings are moved just as well
            flat = flat.detach().requires_grad_()
        seen.append(flat)
        moved = flat + moves[len(seen) - 1].to(flat.dtype) if moves else flat
        return moved.view_as(output)

    handle = words.register_forward_hook(hook)
    try:
        yield seen
    finally:
        handle.remove()
