"""Column names and their RecBole types, written down once."""

from __future__ import annotations

USER_ID = "user_id"
ITEM_ID = "item_id"
RATING = "rating"
TIMESTAMP = "timestamp"
LANGUAGE = "language"
COUNTRY = "country"
WORK_ID = "work_id"
CATEGORY = "category"
RELEASE_YEAR = "release_year"
TITLE = "title"
DESCRIPTION = "description"
GENRES = "genres"

TOKEN = "token"
TOKEN_SEQ = "token_seq"
FLOAT = "float"
FLOAT_SEQ = "float_seq"
COLUMN_TYPES = (TOKEN, TOKEN_SEQ, FLOAT, FLOAT_SEQ)

#: RecBole type of every column this package writes itself.
TYPES: dict[str, str] = {
    USER_ID: TOKEN,
    ITEM_ID: TOKEN,
    RATING: FLOAT,
    TIMESTAMP: FLOAT,
    LANGUAGE: TOKEN,
    COUNTRY: TOKEN,
    WORK_ID: TOKEN,
    CATEGORY: TOKEN_SEQ,
    RELEASE_YEAR: TOKEN,
    TITLE: TOKEN,
    DESCRIPTION: TOKEN,
    GENRES: TOKEN,
}

#: Columns whose cells name something: never empty, no control characters, no blanks at either end.
ID_COLUMNS = (USER_ID, ITEM_ID, WORK_ID, LANGUAGE)

#: Suffixes of the files of one dataset, `<name>.<suffix>`.
INTER, ITEM, USER, TEXT = "inter", "item", "user", "text"
