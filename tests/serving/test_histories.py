from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.serving.histories import read_ids, read_queries
from recbole_xlrec.serving.queries import Query


def _read(name: str, text: str) -> list[Query]:
    Path(name).write_text(text, encoding="utf-8")
    return list(read_queries(name))


def test_json_lines_ask_for_users_and_histories() -> None:
    text = (
        '{"user_id": "u1"}\n\n{"history": ["a", 2]}\n'
        '{"user_id": 7, "history": [], "language": "de"}\n{"user_id": "é", "history": null}\n'
    )
    assert _read("q.jsonl", text) == [
        Query("u1", "u1"),
        Query("3", None, ["a", "2"]),
        Query("7", None, [], "de"),
        Query("é", "é"),
    ]


def test_csv_asks_for_users_or_holds_an_item_a_row() -> None:
    assert _read("users.csv", "user_id\nu1\nu2\n") == [Query("u1", "u1"), Query("u2", "u2")]
    text = '\ufeffuser_id,item_id,language\nme,a,de\nme,"b, c",de\nyou,a,\n'
    assert _read("histories.csv", text) == [Query("me", None, ["a", "b, c"], "de"), Query("you", None, ["a"])]


def test_standard_input_is_json_lines_or_what_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"user_id": "a"}\n'))
    assert list(read_queries("-")) == [Query("a", "a")]
    monkeypatch.setattr("sys.stdin", io.StringIO("user_id\na\n"))
    assert list(read_queries("-", "csv")) == [Query("a", "a")]


@given(st.lists(st.tuples(st.text(min_size=1), st.lists(st.text()))))
def test_any_names_and_ids_come_through_json_lines(asked: list[tuple[str, list[str]]]) -> None:
    lines = [json.dumps({"user_id": name, "history": items}) + "\n" for name, items in asked]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", lines)
        assert list(read_queries("-")) == [Query(name, None, items) for name, items in asked]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("q.jsonl", '{"user_id": "a"}\n{"user', "line 2 is no JSON"),
        ("q.jsonl", '["a"]\n', "line 1 is no JSON object"),
        ("q.jsonl", "{}\n", "neither user_id nor history"),
        ("q.jsonl", '{"user": "a"}\n', "unknown key 'user'. Did you mean 'user_id'"),
        ("q.jsonl", '{"history": "a b"}\n', "history is a list of item ids; found 'a b'"),
        ("q.jsonl", '{"history": ["a", null, {}]}\n', "history holds what is no item id: None, {}"),
        ("q.jsonl", '{"user_id": ["a"]}\n', "user_id is a string"),
        ("q.csv", "user,item_id\na,b\n", "the columns are user_id"),
        ("q.csv", "", "the columns are user_id"),
        ("q.csv", "user_id,item_id\na\n", "line 2 has not the 2 cells of the header"),
        ("q.csv", "user_id,item_id\na,b,c\n", "line 2 has not the 2 cells of the header"),
        ("q.csv", 'user_id,item_id\na,"b\n', "is no CSV"),
    ],
)
def test_input_that_is_not_as_it_must_be_is_refused(name: str, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        _read(name, text)


def test_other_bytes_than_utf_8_are_refused() -> None:
    Path("q.jsonl").write_bytes(b'{"user_id": "\xff"}\n')
    with pytest.raises(DataError, match="is not UTF-8"):
        list(read_queries("q.jsonl"))


def test_a_format_that_cannot_be_told_and_a_file_that_is_not_there_are_refused() -> None:
    with pytest.raises(ConfigError, match="say --input-format"):
        list(read_queries("q.txt"))
    with pytest.raises(DataError, match="does not exist"):
        list(read_queries("q.jsonl"))


def test_a_file_is_read_no_further_than_asked() -> None:
    Path("q.jsonl").write_text('{"user_id": "a"}\nbroken\n')
    queries = read_queries("q.jsonl")
    assert next(queries) == Query("a", "a")
    with pytest.raises(DataError):
        next(queries)


def test_ids_are_read_one_a_line() -> None:
    Path("ids.txt").write_text("a\n\n b \n")
    assert read_ids(Path("ids.txt")) == ["a", "b"]
    Path("ids.txt").write_text("\n")
    with pytest.raises(DataError, match="there is no item id"):
        read_ids(Path("ids.txt"))
