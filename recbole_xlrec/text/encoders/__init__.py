"""Text encoders behind one small interface; importing them loads neither scikit-learn nor torch."""

from __future__ import annotations

from recbole_xlrec.text.encoders.base import Fingerprint, TextEncoder
from recbole_xlrec.text.encoders.file import load_vectors, match_rows
from recbole_xlrec.text.encoders.ngram import NgramEncoder
from recbole_xlrec.text.encoders.registry import file_path, is_file_spec, make_encoder
from recbole_xlrec.text.encoders.sentence import SentenceEncoder

__all__ = [
    "Fingerprint",
    "NgramEncoder",
    "SentenceEncoder",
    "TextEncoder",
    "file_path",
    "is_file_spec",
    "load_vectors",
    "make_encoder",
    "match_rows",
]
