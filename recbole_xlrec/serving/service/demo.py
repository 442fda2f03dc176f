"""The page at /: pick a user or type a query, choose languages, and see titles side by side."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from recbole_xlrec.pages import render
from recbole_xlrec.serving.known_users import chosen
from recbole_xlrec.serving.recommender import Recommender

#: Users to pick from, over all languages, and items of each one's history that are shown.
_USERS, _SHOWN = 60, 8


def demo_page(recommender: Recommender) -> str:
    """The page, one HTML file without anything from elsewhere; it asks this service alone."""
    catalogue, run = recommender.catalogue, recommender.run
    tags, counts = np.unique(catalogue.languages[1:], return_counts=True)
    languages = [str(tags[place]) for place in np.argsort(-counts, kind="stable") if tags[place]]
    data = {"users": _users(recommender), "languages": languages}
    values = {
        "model": type(run.model).__name__,
        "dataset": run.settings["dataset"],
        "items": len(catalogue) - 1,
        "users": data["users"],
        "languages": languages,
        # A "<" in JSON could end the script element; \u003c is the same character to JSON.
        "data": json.dumps(data, ensure_ascii=False).replace("<", "\\u003c"),
    }
    return render("demo.html.j2", {}, values)


def _users(recommender: Recommender) -> list[dict[str, Any]]:
    """Users drawn at random, in turns from language to language, with what they had last."""
    users = recommender.users
    there = 1 + np.flatnonzero(np.diff(users.told.starts)[1:] > 0)
    drawn = np.random.default_rng(0).permutation(there)
    codes = np.zeros(len(users.ids), dtype=np.int64) if users.languages is None else np.asarray(users.languages)
    turn = np.zeros(len(drawn), dtype=np.int64)
    for code in np.unique(codes[drawn]):
        mine = codes[drawn] == code
        turn[mine] = np.arange(mine.sum())
    picked = drawn[np.argsort(turn, kind="stable")[:_USERS]]
    names = ("",) if recommender.run.train.languages is None else recommender.run.train.languages.names
    return [_user(recommender, int(user), str(names[codes[user]])) for user in picked]


def _user(recommender: Recommender, user: int, language: str) -> dict[str, Any]:
    catalogue = recommender.catalogue
    history = chosen(recommender.users.told, np.array([user])).items[::-1]
    shown = [str(catalogue.titles[item] or catalogue.ids[item]) for item in history[:_SHOWN]]
    return {
        "id": str(recommender.users.ids[user]),
        "language": language,
        "had": shown,
        "more": max(0, len(history) - _SHOWN),
    }
