"""Trained multilingual text encoders, through sentence-transformers.

Pooling, prompts, normalisation and the length limit come from the model's own files; no model is known by name here.
"""

from __future__ import annotations

import json
import logging
import os
import re
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.errors import ConfigError, EncoderError, sample
from recbole_xlrec.text.encoders.base import Fingerprint
from recbole_xlrec.text.encoders.long_texts import LongTexts
from recbole_xlrec.text.encoders.model_files import cached_snapshot, folder_sha256, read_json

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

DTYPES = ("float32", "float16", "bfloat16", "auto", "int8")
#: The packages that each needs beyond sentence-transformers.
BACKENDS = {"torch": (), "onnx": ("optimum", "onnxruntime"), "openvino": ("optimum", "openvino")}
LONG_TEXTS = ("cut", "pool")
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


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
        if prompt is not None and prompt_name is not None:
            raise ConfigError(f"encoder {name_or_path}: give prompt or prompt_name ({prompt_name!r}), not both.")
        choices = (("dtype", dtype, DTYPES), ("backend", backend, BACKENDS), ("long_texts", long_texts, LONG_TEXTS))
        for key, value, known in choices:
            if value not in known:
                raise ConfigError(f"encoder {name_or_path}: {key} {value!r} is not one of {', '.join(known)}.")
        if batch_size < 1 or (truncate is not None and truncate < 1):
            raise ConfigError(
                f"encoder {name_or_path}: batch_size ({batch_size}) and truncate ({truncate}) must be 1 or more."
            )
        self.name = str(name_or_path)
        self.local = _local_folder(self.name)
        self.batch_size, self.device, self.dtype, self.max_seq_length = batch_size, device, dtype, max_seq_length
        self.revision, self.trust_remote_code = revision, trust_remote_code
        self.truncate, self.backend, self.long_texts = truncate, backend, long_texts
        self._prompt, self._prompt_name = prompt, prompt_name
        self._model: SentenceTransformer | None = None
        self._sha256: str | None = None

    def fit(self, texts: Sequence[str]) -> None:
        """Does nothing: the model is trained."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns the vectors, (n, dim), zero where a text is empty.

        Raises:
            EncoderError: The model cannot be loaded, gives NaN, or one text alone is too much for the GPU's memory.
        """
        model, prompt = self._loaded(), self.prompt()
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
        if self.truncate is not None and found.shape[1] < self.truncate:
            raise EncoderError(
                f"encoder {self.name} has {found.shape[1]} columns, and encoder_truncate {self.truncate} asks for more."
            )
        if not np.isfinite(found).all():
            wrong = [texts[filled[row]] for row in np.flatnonzero(~np.isfinite(found).all(axis=1))]
            raise EncoderError(
                f"encoder {self.name} gave NaN or infinity for {len(wrong)} of {len(filled)} texts: {sample(wrong)}. "
                f"dtype is {self.dtype}; use float32 or bfloat16, which some models need."
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

        model = self._loaded()
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
            "modules": _module_configs(folder),
            "prompt": self.prompt(),
            "dtype": self.dtype,
            "max_seq_length": self.max_seq_length or _own_length_limit(folder),
            **{key: value for key, value, usual in self._newer_options() if value != usual},
        }

    def _newer_options(self) -> list[tuple[str, str | int | None, str | None]]:
        """Options that a fingerprint names only where they are not as usual: vectors made before them stay valid."""
        return [
            ("truncate", self.truncate, None),
            ("backend", self.backend, "torch"),
            ("long_texts", self.long_texts, "cut"),
        ]

    def folder(self) -> Path:
        """Returns the folder with the model's files; a hub model that is not in the cache yet is fetched."""
        if self.local is not None:
            return self.local
        snapshot = cached_snapshot(self.name, self.revision)
        if snapshot is None:
            self._loaded()
            snapshot = cached_snapshot(self.name, self.revision)
        if snapshot is None:
            raise EncoderError(f"encoder {self.name}: its files are not in the hub's cache after loading. {_HOW_LOCAL}")
        return snapshot

    def _loaded(self) -> SentenceTransformer:
        if self._model is None:
            self._model = self._load()
            if self.max_seq_length is not None:
                self._model.max_seq_length = self.max_seq_length
            if not (self.folder() / "modules.json").is_file():
                logger.warning(
                    "encoder %s has no modules.json: it is a bare transformer, and its vectors are the mean over the "
                    "tokens (the last token for causal models). Prefer a sentence-transformers model.",
                    self.name,
                )
        return self._model

    def _load(self) -> SentenceTransformer:
        from sentence_transformers import SentenceTransformer

        if any(find_spec(package) is None for package in BACKENDS[self.backend]):
            raise EncoderError(
                f"encoder {self.name}: the backend needs: pip install 'sentence-transformers[{self.backend}]'"
            )
        # The cached commit is pinned: otherwise the hub could give newer weights than the fingerprint says.
        cached = cached_snapshot(self.name, self.revision) if self.local is None else None
        try:
            model = SentenceTransformer(
                self.name if self.local is None else str(self.local),
                device=self.device or rank_device(),
                revision=cached.name if cached is not None else self.revision,
                trust_remote_code=self.trust_remote_code,
                model_kwargs={"dtype": "float32" if self.dtype == "int8" else self.dtype},
                backend=self.backend,
                truncate_dim=self.truncate,
            )
        except (OSError, ValueError, RuntimeError, ImportError, KeyError) as error:
            kind = "the hub" if self.local is None else "this folder"
            reason = " ".join(str(error).split()).rstrip(".")
            raise EncoderError(f"encoder {self.name} cannot be loaded from {kind}: {reason}. {_HOW_LOCAL}") from error
        return _quantised(model, self.name) if self.dtype == "int8" else model

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
                        f"encoder {self.name}: the GPU's memory is too small for one text. Set max_seq_length lower, "
                        "dtype: bfloat16, or device: cpu."
                    ) from error
                self.batch_size //= 2
                logger.warning("encoder %s: out of GPU memory; batch_size is now %d", self.name, self.batch_size)
            torch.cuda.empty_cache()


_HOW_LOCAL = (
    "Without the hub, copy the model's files (config.json, modules.json, tokenizer, weights) to a folder and name it: "
    "encoder: /path/to/model"
)


def rank_device() -> str | None:
    """The GPU of this process where torchrun started it, one a process; None otherwise."""
    import torch

    rank = os.environ.get("LOCAL_RANK")
    return f"cuda:{int(rank) % torch.cuda.device_count()}" if rank and torch.cuda.is_available() else None


def _quantised(model: SentenceTransformer, name: str) -> SentenceTransformer:
    """The model with its linear layers in int8."""
    import torch

    if model.device.type != "cpu":
        raise ConfigError(f"encoder {name}: int8 works on processors; set device: cpu, or dtype: bfloat16.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch names a successor that is a package of its own
        quantised: SentenceTransformer = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, torch.qint8)
    return quantised


def is_path(name: str) -> bool:
    """Says whether `name` is meant as a folder rather than as a name on the hub."""
    return name.startswith(("/", ".", "~")) or "\\" in name or name.count("/") > 1 or Path(name).is_dir()


def is_hub_name(name: str) -> bool:
    """Says whether `name` is written `organisation/model`."""
    return _HUB_NAME.fullmatch(name) is not None


def _local_folder(name: str) -> Path | None:
    if not is_path(name):
        if not is_hub_name(name):
            raise EncoderError(
                f"encoder {name!r} is neither a folder nor a hub name such as intfloat/multilingual-e5-small."
            )
        return None
    folder = Path(name).expanduser()
    if not folder.is_dir():
        found = "is a file, not a folder" if folder.is_file() else "does not exist"
        raise EncoderError(f"encoder {name}: the path {found} (looked at {folder.absolute()}). {_HOW_LOCAL}")
    return folder


def _module_configs(folder: Path) -> list[str]:
    """Lists the modules after the transformer (pooling, dense, normalisation) with their options."""
    modules: list[dict[str, Any]] = read_json(folder / "modules.json") or []
    configs = [
        (module["type"], read_json(folder / module["path"] / "config.json")) for module in modules if module["path"]
    ]
    return [f"{kind} {json.dumps(config, sort_keys=True)}" for kind, config in configs]


def _own_length_limit(folder: Path) -> int | None:
    limit: int | None = (read_json(folder / "sentence_bert_config.json") or {}).get("max_seq_length")
    return limit
