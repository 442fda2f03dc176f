"""Loading a sentence-transformers model: from a folder or the hub, on which device, in which type and backend."""

from __future__ import annotations

import os
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from recbole_xlrec.errors import ConfigError, EncoderError
from recbole_xlrec.text.encoders.model_files import HOW_LOCAL, cached_snapshot

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

DTYPES = ("float32", "float16", "bfloat16", "auto", "int8")
#: The packages that each needs beyond sentence-transformers.
BACKENDS = {"torch": (), "onnx": ("optimum", "onnxruntime"), "openvino": ("optimum", "openvino")}
#: Names the models whose own code may run, separated by commas: whoever runs a model decides that, not a config file.
TRUST = "XLREC_TRUST_REMOTE_CODE"


class ModelOptions(NamedTuple):
    """How a model is loaded.

    Attributes:
        device: `cpu`, `cuda`, `cuda:1`, `mps` …; None takes the best there is.
        dtype: One of `DTYPES`.
        max_seq_length: Tokens kept of a text; None keeps the model's own limit.
        revision: Commit, tag or branch on the hub.
        trust_remote_code: Runs code that the model brings along.
        truncate: Columns kept of the vectors.
        backend: One of `BACKENDS`.
    """

    device: str | None = None
    dtype: str = "float32"
    max_seq_length: int | None = None
    revision: str | None = None
    trust_remote_code: bool = False
    truncate: int | None = None
    backend: str = "torch"


def load_model(name: str, local: Path | None, options: ModelOptions) -> SentenceTransformer:
    """Loads a model.

    Args:
        name: On the hub, or as the user wrote its folder.
        local: The folder; None for one of the hub.
        options: How.

    Raises:
        EncoderError: There is no such model here or on the hub, a package is missing, or it wants to run its own code.
        ConfigError: The device cannot do what the type of the weights asks for.
    """
    from sentence_transformers import SentenceTransformer

    if any(find_spec(package) is None for package in BACKENDS[options.backend]):
        raise EncoderError(
            f"encoder {name}: encoder_backend {options.backend} needs: pip install "
            f"'sentence-transformers[{options.backend}]'. It asks for a transformers of its own: use a new environment"
        )
    # The cached commit is pinned: otherwise the hub could give newer weights than the fingerprint says.
    cached = cached_snapshot(name, options.revision) if local is None else None
    try:
        model = SentenceTransformer(
            name if local is None else str(local),
            device=options.device or rank_device(),
            revision=cached.name if cached is not None else options.revision,
            trust_remote_code=options.trust_remote_code or is_trusted(name),
            model_kwargs={"dtype": "float32" if options.dtype == "int8" else options.dtype},
            backend=options.backend,
            truncate_dim=options.truncate,
        )
    except (OSError, ValueError, RuntimeError, ImportError, KeyError) as error:
        raise EncoderError(_why_not(name, local, error)) from error
    if options.max_seq_length is not None:
        model.max_seq_length = options.max_seq_length
    return _quantised(model, name) if options.dtype == "int8" else model


def is_trusted(name: str) -> bool:
    """Says whether the environment allows this model to run its own code."""
    return name in [trusted.strip() for trusted in os.environ.get(TRUST, "").split(",")]


def rank_device() -> str | None:
    """The GPU of this process where torchrun started it, one a process; None otherwise."""
    import torch

    rank = os.environ.get("LOCAL_RANK")
    return f"cuda:{int(rank) % torch.cuda.device_count()}" if rank and torch.cuda.is_available() else None


def _why_not(name: str, local: Path | None, error: Exception) -> str:
    reason = " ".join(str(error).split()).rstrip(".")
    if "trust_remote_code" in reason:
        return (
            f"encoder {name} brings code of its own, which is not run unless you allow it. Read that code; then set "
            f"the environment variable {TRUST}={name}, or take another model."
        )
    kind = "the hub" if local is None else "this folder"
    return f"encoder {name} cannot be loaded from {kind}: {reason}. {HOW_LOCAL}"


def _quantised(model: SentenceTransformer, name: str) -> SentenceTransformer:
    """The model with its linear layers in int8."""
    import torch

    if model.device.type != "cpu":
        raise ConfigError(f"encoder {name}: int8 works on processors; set device: cpu, or encoder_dtype: bfloat16.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch names a successor that is a package of its own
        quantised: SentenceTransformer = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, torch.qint8)
    return quantised
