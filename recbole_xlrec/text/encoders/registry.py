"""From what a user writes as `encoder:` to an encoder."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.errors import ConfigError, EncoderError
from recbole_xlrec.text.encoders.base import TextEncoder
from recbole_xlrec.text.encoders.model_files import is_hub_name, is_path
from recbole_xlrec.text.encoders.ngram import NgramEncoder
from recbole_xlrec.text.encoders.sentence import SentenceEncoder

FILE_PREFIX = "file:"

#: Encoders with a short name.
ENCODERS: dict[str, Callable[..., TextEncoder]] = {"ngram": NgramEncoder}

CHOICES = (
    f"{', '.join(ENCODERS)}; a name on the hub, such as intfloat/multilingual-e5-small; a local folder, such as "
    f"./models/e5; or {FILE_PREFIX}vectors.npz for vectors made elsewhere"
)


def make_encoder(spec: str, **options: Any) -> TextEncoder:
    """Builds the encoder that `spec` names.

    Args:
        spec: `ngram`, a hub name (`organisation/model`) or a local folder.
        **options: Keyword arguments of `NgramEncoder` or `SentenceEncoder`.

    Raises:
        EncoderError: No such encoder or folder; or `spec` is a file of vectors, which is matched, not encoded.
        ConfigError: The encoder has no such option.
    """
    if is_file_spec(spec) or Path(spec).suffix in (".npz", ".npy"):
        raise EncoderError(
            f"encoder {spec!r} names vectors made elsewhere: write it as {FILE_PREFIX}PATH; they are matched to the "
            "items by id and nothing is encoded."
        )
    if spec in ENCODERS:
        return _build(spec, ENCODERS[spec], options)
    if is_path(spec) or is_hub_name(spec):
        return _build(spec, lambda **known: SentenceEncoder(spec, **known), options, like=SentenceEncoder)
    raise EncoderError(f"encoder {spec!r} is not known.{did_you_mean(spec, ENCODERS)} The choices are: {CHOICES}.")


def is_file_spec(spec: str) -> bool:
    """Says whether `spec` names a file of vectors (`file:vectors.npz`)."""
    return spec.startswith(FILE_PREFIX)


def file_path(spec: str) -> Path:
    """Returns the path of a `file:` spec."""
    return Path(spec[len(FILE_PREFIX) :]).expanduser()


def _build(
    spec: str, make: Callable[..., TextEncoder], options: dict[str, Any], like: Callable[..., TextEncoder] | None = None
) -> TextEncoder:
    known = [name for name in inspect.signature(like or make).parameters if name != "name_or_path"]
    for name in options:
        if name not in known:
            hint = did_you_mean(name, known) or f" It has {', '.join(known)}."
            raise ConfigError(f"encoder {spec}: no option {name!r}.{hint}")
    return make(**options)
