"""Recommendations from a finished run: for its users, for histories, for words, and for items that are new."""

from recbole_xlrec.serving.recommender import Recommender

__all__ = ["Recommender"]
