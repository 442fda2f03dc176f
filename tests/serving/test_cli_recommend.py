from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from recbole_xlrec.cli import main
from recbole_xlrec.serving import Recommender

from .conftest import Make, Serve


@pytest.fixture(autouse=True)
def _loaded_once(serve: Serve, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run is loaded once for all tests here."""
    ready = serve("XLProfile")
    monkeypatch.setattr(Recommender, "from_run", classmethod(lambda *_, **__: ready))


def _recommend(*arguments: str) -> None:
    with pytest.raises(SystemExit) as stopped:  # as the shell sees it
        main(["recommend", "run", *arguments])
    assert not stopped.value.code


def test_users_histories_queries_and_input_are_answered(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def items(*arguments: str) -> list[list[str]]:
        _recommend("--format", "jsonl", "-k", "2", *arguments)
        found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return [[item["item_id"] for item in each["items"]] for each in found]

    both = items("--user", "en-0", "--user", "de-1")
    assert [item[0].split(":")[0] for item in both] == ["en", "de"]
    assert len(items("--history", "en:0", "--history", "en:2")[0]) == 2
    assert items("--query", "black cat")[0][0] == "en:0"
    assert items("--query", "schwarze Katze", "--languages", "de")[0][0] == "de:0"
    assert len(items("--all-users")) == 24
    monkeypatch.setattr("sys.stdin", io.StringIO('{"user_id": "en-0"}\n{"history": ["de:1"]}\n'))
    assert items("--input", "-")[0] == both[0]


def test_lists_go_to_a_file_and_remarks_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    Path("asked.jsonl").write_text('{"history": ["en:0", "gone"]}\n{"history": []}\n')
    Path("gone.txt").write_text("en:2\n")
    arguments = ["--input", "asked.jsonl", "--output", "lists.csv", "--unavailable", "gone.txt", "-k", "100"]
    _recommend(*arguments)
    told = capsys.readouterr()
    assert told.out == ""
    assert "for want of a known history: 1" in told.err
    assert "which were skipped: 1" in told.err
    assert "leaves no more: 2" in told.err
    assert "en:2" not in Path("lists.csv").read_text()


def test_export_says_what_it_wrote(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("faiss")
    with pytest.raises(SystemExit) as stopped:
        main(["export", "run", "--out", "items", "--index", "flat"])
    assert not stopped.value.code
    assert capsys.readouterr().out.startswith(
        "24 items, 16 wide; flat finds 1.0000 of users' lists, built and tuned in"
    )
    assert Path("items/meta.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--all-users; found 0"),
        (["--user", "en-0", "--query", "cat"], "--all-users; found 2"),
        (["--user", "nobody"], "the run knows no user 'nobody'"),
        (["--user", "en-0", "-k", "0"], "k is the length of the lists, 1 or more; found 0"),
        (["--user", "en-0", "--languages", "fr"], "no item has the language 'fr'"),
        (["--input", "no.jsonl"], "does not exist"),
        (["--user", "en-0", "--output", "x.txt"], "say --format"),
    ],
)
def test_what_cannot_be_is_one_message(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["recommend", "run", *arguments])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
