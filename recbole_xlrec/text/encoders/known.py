"""Encoders that a practitioner would pick: what `recbole-xlrec encoders` lists. Any other model can be named as well.

Pooling and prompts come from a model's own files; those listed here are for the reader's information alone.
"""

from __future__ import annotations

from typing import NamedTuple

from recbole_xlrec.text.encoders.model_files import cached_snapshot


class KnownEncoder(NamedTuple):
    """What a model's authors say of it.

    Attributes:
        name: As written for `encoder:`.
        millions: Parameters, in millions; None where there are none.
        dimension: Width of its vectors.
        max_tokens: Tokens of a text that it reads; None for all.
        pooling: From tokens to one vector.
        prompt: Put before an item's text.
        licence: Of the weights.
        note: What to know before choosing it.
    """

    name: str
    millions: int | None
    dimension: int
    max_tokens: int | None
    pooling: str
    prompt: str
    licence: str
    note: str = ""


_QWEN = "queries take an instruction, items none"
KNOWN = (
    KnownEncoder("ngram", None, 256, None, "tf-idf", "", "MIT", "no download; shares little across languages"),
    KnownEncoder("intfloat/multilingual-e5-small", 118, 384, 512, "mean", "query: ", "MIT"),
    KnownEncoder("intfloat/multilingual-e5-base", 278, 768, 514, "mean", "query: ", "MIT"),
    KnownEncoder(
        "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2", 118, 384, 512, "mean", "", "Apache-2.0"
    ),
    KnownEncoder("sentence-transformers/LaBSE", 471, 768, 512, "CLS, dense", "", "Apache-2.0", "translation retrieval"),
    KnownEncoder("BAAI/bge-m3", 568, 1024, 8192, "CLS", "", "MIT"),
    KnownEncoder(
        "Alibaba-NLP/gte-multilingual-base", 305, 768, 8192, "CLS", "", "Apache-2.0", "brings code of its own"
    ),
    KnownEncoder("Qwen/Qwen3-Embedding-0.6B", 600, 1024, 32768, "last token", "", "Apache-2.0", _QWEN),
    KnownEncoder("Qwen/Qwen3-Embedding-4B", 4000, 2560, 32768, "last token", "", "Apache-2.0", _QWEN),
    KnownEncoder("Qwen/Qwen3-Embedding-8B", 8000, 4096, 32768, "last token", "", "Apache-2.0", _QWEN),
    KnownEncoder(
        *("google/embeddinggemma-300m", 308, 768, 2048, "mean, dense", "title: none | text: ", "Gemma"),
        note="Matryoshka to 128; not in float16",
    ),
    KnownEncoder("ibm-granite/granite-embedding-97m-multilingual-r2", 97, 384, 32768, "CLS", "", "Apache-2.0"),
    KnownEncoder(
        "ibm-granite/granite-embedding-311m-multilingual-r2",
        311,
        768,
        32768,
        "CLS",
        "",
        "Apache-2.0",
        "Matryoshka to 128",
    ),
    KnownEncoder("minishlab/potion-multilingual-128M", 128, 256, None, "static, mean", "", "MIT", "fast on a CPU"),
    KnownEncoder(
        *("FacebookAI/xlm-roberta-base", 278, 768, 512, "mean", "", "MIT"), note="not aligned across languages: tune it"
    ),
    KnownEncoder(
        *("google-bert/bert-base-multilingual-cased", 178, 768, 512, "mean", "", "Apache-2.0"),
        note="not aligned across languages: tune it",
    ),
)


def is_present(known: KnownEncoder) -> bool:
    """Says whether it can be used without a download."""
    return known.millions is None or cached_snapshot(known.name, None) is not None
