"""The pretrained language model that XLBERT tunes, loaded as the encoders are."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import nn

from recbole_xlrec.errors import ConfigError, EncoderError
from recbole_xlrec.text.encoders.sentence import SentenceEncoder
from recbole_xlrec.text.options import EncoderOptions, base_encoder


class LanguageModel(NamedTuple):
    """A pretrained transformer.

    Attributes:
        name: As configured.
        transformer: Of transformers, without a head; its tokens' vectors are `width` wide.
        pooling: From its tokens' vectors to one, as its authors do it: the mean where they do not say (of causal
            models, the last token).
        rest: What follows in their files, such as a dense layer.
        tokenizer: A fast one.
        window: Tokens that it reads.
        prompt: Put before a text.
        identity: What tells it from another one: `revision` on the hub, or `sha256` of a local folder.
    """

    name: str
    transformer: Any
    pooling: Any
    rest: list[nn.Module]
    tokenizer: Any
    window: int
    prompt: str
    identity: dict[str, str]


def load_language_model(options: EncoderOptions) -> LanguageModel:
    """Loads the model that the key `encoder` names, on the CPU.

    Raises:
        ConfigError: It names no language model.
        EncoderError: It cannot be loaded, or has no transformer or no fast tokenizer.
    """
    encoder = base_encoder(options._replace(device="cpu"))
    if not isinstance(encoder, SentenceEncoder):
        raise ConfigError(
            f"encoder: {options.encoder}: XLBERT trains a language model; name one of the hub, as "
            "intfloat/multilingual-e5-small, or the folder of one"
        )
    modules = list(encoder.model())
    transformer = getattr(modules[0], "auto_model", None)
    if transformer is None or len(modules) < 2:
        raise EncoderError(f"encoder {encoder.name} is no transformer with a pooling: XLBERT cannot train it.")
    tokenizer, window = encoder.tokenizer()
    if tokenizer is None or not tokenizer.is_fast:
        raise EncoderError(f"encoder {encoder.name}: XLBERT needs a fast tokenizer (tokenizer.json).")
    if getattr(transformer, "pooler", None) is not None:
        transformer.pooler = None  # nothing reads it, so that it would never be trained
    found = encoder.fingerprint()
    identity = {key: str(found[key]) for key in ("revision", "sha256") if found[key] is not None}
    most = window or getattr(transformer.config, "max_position_embeddings", None) or tokenizer.model_max_length
    return LanguageModel(
        encoder.name, transformer, modules[1], modules[2:], tokenizer, most, encoder.prompt(), identity
    )
