"""What the configuration says of the encoder, and the encoder that it describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from recbole_xlrec.data.yaml_files import OVERALL_YAML, read_yaml
from recbole_xlrec.text.encoders.aligned import aligned_encoder
from recbole_xlrec.text.encoders.base import TextEncoder
from recbole_xlrec.text.encoders.registry import make_encoder
from recbole_xlrec.text.encoders.versions import VersionsEncoder

Template = str | Mapping[str, str] | None


class EncoderOptions(NamedTuple):
    """What the configuration says of the encoder; the names are those of the keys."""

    encoder: str
    encoder_dimension: int
    encoder_prompt: str | None
    encoder_prompt_name: str | None
    encoder_batch_size: int
    text_template: Template
    text_languages: str
    missing_text: str
    extra_vectors: str
    device: str | None
    text_versions: str = "join"
    alignment: str | None = None
    encoder_dtype: str = "float32"
    encoder_truncate: int | None = None
    encoder_backend: str = "torch"
    encoder_long_texts: str = "cut"

    @classmethod
    def plain(cls, encoder: str, **others: Any) -> EncoderOptions:
        """An encoder by its name, with the defaults of everything else that `others` does not say."""
        defaults = {name: value for name, value in read_yaml(OVERALL_YAML).items() if name in cls._fields}
        return cls(**{**defaults, "device": None, **others, "encoder": encoder})

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> EncoderOptions:
        """Picks the options out of a configuration."""
        values = {name: config[name] for name in cls._fields if name != "device"}
        return cls(**values, device=str(config["device"]) if config["device"] is not None else None)


def catalogue_encoder(options: EncoderOptions) -> TextEncoder:
    """Builds the encoder that the options describe, with its alignment and for several versions where they say so.

    Raises:
        EncoderError: If there is no such encoder.
        ConfigError: If the alignment was fitted on another encoder.
        DataError: If the alignment cannot be read.
    """
    encoder = base_encoder(options)
    if options.alignment:
        encoder = aligned_encoder(encoder, options.alignment)
    if options.text_languages == "all" and options.text_versions == "mean":
        encoder = VersionsEncoder(encoder)
    return encoder


def base_encoder(options: EncoderOptions) -> TextEncoder:
    """Builds the frozen encoder itself."""
    if options.encoder == "ngram":
        return make_encoder("ngram", dimension=options.encoder_dimension)
    return make_encoder(
        options.encoder,
        prompt=options.encoder_prompt,
        prompt_name=options.encoder_prompt_name,
        batch_size=options.encoder_batch_size,
        device=options.device,
        dtype=options.encoder_dtype,
        truncate=options.encoder_truncate,
        backend=options.encoder_backend,
        long_texts=options.encoder_long_texts,
    )
