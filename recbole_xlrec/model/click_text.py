"""What a click model reads of texts and languages: the item's text, the user's profiles, how near they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
import torch
from torch import nn
from torch.nn import functional as F

from recbole_xlrec.data.language_index import Codes
from recbole_xlrec.model.items import AdaptedText
from recbole_xlrec.model.layers import rows
from recbole_xlrec.model.user_profiles import UserProfiles
from recbole_xlrec.text.aligned import TextRows


class TextFeatures(nn.Module):
    """The item's text and each of the user's profiles, adapted alike; product, cosine and absence of each profile.

    Args:
        texts: (rows,) text vectors.
        starts: (users,) where the rows of all items begin that a user reads, see `texts_as_read`.
        histories: (users, rows) of each kind of profile.
        adapter: From text vectors to `width`.
        width: Of what the adapter gives.
        gigabytes: What text vectors, and the sums of each kind of profile, may take in memory.
    """

    starts: torch.Tensor

    def __init__(
        self,
        texts: TextRows,
        starts: Codes,
        histories: Sequence[sp.csr_matrix],
        adapter: nn.Module,
        width: int,
        gigabytes: float,
    ) -> None:
        super().__init__()
        self.register_buffer("starts", torch.from_numpy(starts), persistent=False)  # (users,)
        self.texts = AdaptedText(texts, nn.Identity(), gigabytes)
        self.profiles = nn.ModuleList(UserProfiles(matrix, texts, gigabytes) for matrix in histories)
        self.adapter = adapter
        self.width = width + len(histories) * (2 * width + 2)

    def forward(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """(batch,) users and items → (batch, self.width)."""
        read = self.starts[users] + items  # (batch,)
        raw = self.texts(read)  # (batch, text)
        item = self.adapter(raw)  # (batch, width)
        parts = [item]
        for profiles in self.profiles:
            mean, absent = profiles(users, read, raw)  # (batch, text), (batch, 1)
            profile = self.adapter(mean) * (1 - absent)  # (batch, width)
            parts += [profile, item * profile, F.cosine_similarity(mean, raw, dim=-1)[:, None], absent]
        return torch.cat(parts, dim=-1)


class LanguageFeatures(nn.Module):
    """Embedded languages of user and item, and whether they are the same; what the dataset lacks is left out.

    Args:
        users: (users,) language codes; None for none.
        items: (items,) language codes; None for none.
        met_users: Users of the training part.
        met_items: Its items.
        width: Of each embedding.
    """

    def __init__(
        self, users: Codes | None, items: Codes | None, met_users: Codes, met_items: Codes, width: int
    ) -> None:
        super().__init__()
        self.users = None if users is None else LanguageEmbedding(users, met_users, width)
        self.items = None if items is None else LanguageEmbedding(items, met_items, width)
        sides = sum(side is not None for side in (self.users, self.items))
        self.width = sides * width + (sides == 2)

    def forward(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """(batch,) users and items → (batch, self.width)."""
        parts = [torch.zeros(len(users), 0, device=users.device)]
        if self.users is not None:
            parts.append(self.users(users))
        if self.items is not None:
            parts.append(self.items(items))
        if self.users is not None and self.items is not None:
            parts.append((self.users.codes[users] == self.items.codes[items]).float()[:, None])
        return torch.cat(parts, dim=-1)


class LanguageEmbedding(nn.Module):
    """A vector of each language; zero for one that training never met, which the protocols keep out of it.

    Args:
        codes: (ids,) language of each user or item.
        met: Users or items of the training part.
        width: Of the vectors.
    """

    codes: torch.Tensor
    met: torch.Tensor

    def __init__(self, codes: Codes, met: Codes, width: int) -> None:
        super().__init__()
        languages = int(codes.max()) + 1
        seen = np.isin(np.arange(languages), codes[met]).astype(np.float32)[:, None]
        self.embedding = nn.Embedding(languages, width)
        self.register_buffer("codes", torch.from_numpy(codes), persistent=False)  # (ids,)
        self.register_buffer("met", torch.from_numpy(seen), persistent=False)  # (languages, 1)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """(batch,) → (batch, width)."""
        codes = self.codes[ids]  # (batch,)
        return self.embedding(codes) * rows(self.met, codes)
