"""Trained multilingual text encoders, through sentence-transformers.

Pooling, prompts, normalisation and the length limit come from the model's own files; no model is known by name here.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.errors import ConfigError, EncoderError, sample
from recbole_xlrec.text.encoders.base import Fingerprint
from recbole_xlrec.text.encoders.loading import BACKENDS, DTYPES, ModelOptions, load_model
from recbole_xlrec.text.encoders.long_texts import LongTexts
from recbole_xlrec.text.encoders.model_files import (
    HOW_LOCAL,
    cached_snapshot,
    folder_sha256,
    local_folder,
    module_configs,
    own_length_limit,
    read_json,
)
from recbole_xlrec.text.encoders.tokens import token_warnings

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

LONG_TEXTS = ("cut", "pool")
#: Texts at most that are looked at for words that the model does not know.
_LOOKED_AT = 1000


class SentenceEncoder:
    """A sentence-transformers model, loaded when it is first needed.

    Args:
        name_or_path: Name on the hub (`intfloat/multilingual-e5-small`) or a local folder.
        prompt: Text put before every text; '' for none.
        prompt_name: One of the prompts that the model declares. Without either, the model's own default prompt.
        batch_size: Texts at once; halved when the GPU runs out of memory.
        device: `cpu`, `cuda`, `cuda:1`, `mps` …; None takes the best there is.
        dtype: Of the weights: float32, float16, bfloat16, auto (what the model's files say), or int8 (linear layers, on
            processors alone; the scale of a layer's input is that of its batch, so that vectors depend on it slightly).
        max_seq_length: Tokens kept of a text; None keeps the model's own limit.
        revision: Commit, tag or branch on the hub.
        trust_remote_code: Runs code that the model brings along. Only for models whose code you have read.
        truncate: Columns kept of the vectors, for models trained to be cut (Matryoshka); lengths are no longer 1.
        backend: torch, onnx or openvino, of which the last two need packages that sentence-transformers names.
        long_texts: A text longer than the model's window is `cut`, or its pieces are encoded each and `pool`ed.

    Raises:
        EncoderError: The folder does not exist.
        ConfigError: An option has a value that is not known.
    """

    def __init__(
        self,
        name_or_path: str,
        *,
        prompt: str | None = None,
        prompt_name: str | None = None,
        batch_size: int = 64,
        device: str | None = None,
        dtype: str = "float32",
        max_seq_length: int | None = None,
        revision: str | None = None,
        trust_remote_code: bool = False,
        truncate: int | None = None,
        backend: str = "torch",
        long_texts: str = "cut",
    ) -> None:
        options = ModelOptions(device, dtype, max_seq_length, revision, trust_remote_code, truncate, backend)
        if prompt is not None and prompt_name is not None:
            raise ConfigError(f"encoder {name_or_path}: give prompt or prompt_name ({prompt_name!r}), not both.")
        _check_options(name_or_path, options, batch_size, long_texts)
        self.name = str(name_or_path)
        self.local = local_folder(self.name)
        self.batch_size, self.long_texts = batch_size, long_texts
        self.options = options
        self._prompt, self._prompt_name = prompt, prompt_name
        self._model: SentenceTransformer | None = None
        self._sha256: str | None = None

    def fit(self, texts: Sequence[str]) -> None:
        """Learns nothing, the model is trained; warns where its vocabulary or its window does not suit the texts."""
        tokenizer, window = self.tokenizer()
        looked_at = texts[:: max(1, len(texts) // _LOOKED_AT)]
        for warning in token_warnings(tokenizer, looked_at, window if self.long_texts == "cut" else None):
            logger.warning("encoder %s: %s", self.name, warning)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns the vectors, (n, dim), zero where a text is empty.

        Raises:
            EncoderError: The model cannot be loaded, gives NaN, or one text alone is too much for the GPU's memory.
        """
        model, prompt = self.model(), self.prompt()
        filled = [row for row, text in enumerate(texts) if text.strip()]
        if not filled:
            # Only the model knows its width, and an empty text is a text to it.
            return np.zeros((len(texts), self._encode_halving(model, [""], prompt).shape[1]), dtype=np.float32)
        wanted = [texts[row] for row in filled]
        if self.long_texts == "pool":
            tokenizer, window = self.tokenizer()
            pieces = LongTexts(wanted, tokenizer, window, prompt, self.name)
            found = pieces.pool(self._encode_halving(model, pieces.texts, prompt))
        else:
            found = self._encode_halving(model, wanted, prompt)
        truncate = self.options.truncate
        if truncate is not None and found.shape[1] < truncate:
            raise EncoderError(
                f"encoder {self.name} has {found.shape[1]} columns, and encoder_truncate {truncate} asks for more."
            )
        if not np.isfinite(found).all():
            wrong = [texts[filled[row]] for row in np.flatnonzero(~np.isfinite(found).all(axis=1))]
            raise EncoderError(
                f"encoder {self.name} gave NaN or infinity for {len(wrong)} of {len(filled)} texts: {sample(wrong)}. "
                f"encoder_dtype is {self.options.dtype}; use float32 or bfloat16, which some models need."
            )
        vectors = np.zeros((len(texts), found.shape[1]), dtype=np.float32)
        vectors[filled] = found
        return vectors

    def prompt(self) -> str:
        """Returns the text put before every text: the one given, the one named, or the model's own default.

        Raises:
            EncoderError: The model declares no prompt of that name.
        """
        if self._prompt is not None:
            return self._prompt
        config = read_json(self.folder() / "config_sentence_transformers.json") or {}
        prompts: dict[str, str | None] = config.get("prompts") or {}
        name = self._prompt_name if self._prompt_name is not None else config.get("default_prompt_name")
        if name is None:
            return ""
        if name not in prompts:
            raise EncoderError(
                f"encoder {self.name} has no prompt named {name!r}; it declares {sample(prompts, limit=20) or 'none'}. "
                "Use one of these as prompt_name, or write the text as prompt."
            )
        return prompts[name] or ""

    def tokenizer(self) -> tuple[Any, int | None]:
        """Returns the model's tokenizer, None where it is not one of transformers, and the tokens that it reads."""
        from transformers import PreTrainedTokenizerBase

        model = self.model()
        found = model.tokenizer
        return (found if isinstance(found, PreTrainedTokenizerBase) else None), model.max_seq_length

    def fingerprint(self) -> Fingerprint:
        """Returns name, revision or hash of all files, modules, prompt, dtype and length limit, without loading."""
        folder = self.folder()
        if self.local is not None and self._sha256 is None:
            self._sha256 = folder_sha256(self.local)
        return {
            "encoder": "sentence",
            "name": self.name if self.local is None else self.local.resolve().name,
            "revision": folder.name if self.local is None else None,
            "sha256": self._sha256,
            "modules": module_configs(folder),
            "prompt": self.prompt(),
            "dtype": self.options.dtype,
            "max_seq_length": self.options.max_seq_length or own_length_limit(folder),
            **{key: value for key, value, usual in self._newer_options() if value != usual},
        }

    def _newer_options(self) -> list[tuple[str, str | int | None, str | None]]:
        """Options that a fingerprint names only where they are not as usual: vectors made before them stay valid."""
        return [
            ("truncate", self.options.truncate, None),
            ("backend", self.options.backend, "torch"),
            ("long_texts", self.long_texts, "cut"),
        ]

    def folder(self) -> Path:
        """Returns the folder with the model's files; a hub model that is not in the cache yet is fetched."""
        if self.local is not None:
            return self.local
        snapshot = cached_snapshot(self.name, self.options.revision)
        if snapshot is None:
            self.model()
            snapshot = cached_snapshot(self.name, self.options.revision)
        if snapshot is None:
            raise EncoderError(f"encoder {self.name}: its files are not in the hub's cache after loading. {HOW_LOCAL}")
        return snapshot

    def model(self) -> SentenceTransformer:
        """Returns the model, loaded when it is first asked for.

        Raises:
            EncoderError: It cannot be loaded.
        """
        if self._model is None:
            self._model = load_model(self.name, self.local, self.options)
            if not (self.folder() / "modules.json").is_file():
                logger.warning(
                    "encoder %s has no modules.json: it is a bare transformer, and its vectors are the mean over the "
                    "tokens (the last token for causal models). Prefer a sentence-transformers model.",
                    self.name,
                )
        return self._model

    def _encode_halving(self, model: SentenceTransformer, texts: list[str], prompt: str) -> NDArray[np.float32]:
        import torch

        while True:
            try:
                found: Any = model.encode(
                    texts, prompt=prompt, batch_size=self.batch_size, show_progress_bar=False, convert_to_numpy=True
                )
                return np.asarray(found, dtype=np.float32)
            except torch.cuda.OutOfMemoryError as error:
                if self.batch_size == 1:
                    raise EncoderError(
                        f"encoder {self.name}: the GPU's memory is too small for one text. Use "
                        "encoder_dtype: bfloat16, max_seq_length, or device: cpu."
                    ) from error
                self.batch_size //= 2
                logger.warning("encoder %s: out of GPU memory; batch_size is now %d", self.name, self.batch_size)
            torch.cuda.empty_cache()


def _check_options(name: str, options: ModelOptions, batch_size: int, long_texts: str) -> None:
    dtype, backend = options.dtype, options.backend
    choices = (("dtype", dtype, DTYPES), ("backend", backend, BACKENDS), ("long_texts", long_texts, LONG_TEXTS))
    for key, value, known in choices:
        if value not in known:
            raise ConfigError(f"encoder {name}: {key} {value!r} is not one of {', '.join(known)}.")
    if backend != "torch" and dtype != "float32":
        raise ConfigError(
            f"encoder {name}: dtype {dtype} works with backend torch alone; leave it out, or name a folder whose model "
            f"was exported to {backend} in {dtype}."
        )
    if batch_size < 1 or (options.truncate is not None and options.truncate < 1):
        raise ConfigError(
            f"encoder {name}: batch_size ({batch_size}) and truncate ({options.truncate}) must be 1 or more."
        )
