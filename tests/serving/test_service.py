"""The service: its answers are the recommender's, and what cannot be answered is one clear sentence."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.serving.objects import objects
from recbole_xlrec.serving.queries import Options, Query

from .conftest import Serve

pytest.importorskip("fastapi")
from fastapi.testclient import TestClient

from recbole_xlrec.serving.service.app import MOST_BYTES, create_app
from recbole_xlrec.serving.service.schemas import ListModel
from recbole_xlrec.serving.service.server import serve as run_server
from recbole_xlrec.serving.service.server import warm_up


@pytest.fixture(scope="module")
def client(serve: Serve) -> Iterator[TestClient]:
    """A client of the service of XLEASE on the toy set."""
    with TestClient(create_app(serve("XLEASE")), raise_server_exceptions=False) as opened:
        yield opened


def _post(client: TestClient, path: str, **body: Any) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    ListModel.model_validate(answer.json())
    return answer.json()


def test_recommend_answers_what_the_recommender_answers(client: TestClient, serve: Serve) -> None:
    recommender = serve("XLEASE")
    asked: list[tuple[dict[str, Any], Query]] = [
        ({"user_id": "en-0"}, Query("en-0", user="en-0")),
        ({"history": ["de:0", "gone"]}, Query("history", history=["de:0", "gone"])),
        ({"history": [], "language": "de"}, Query("history", history=[], language="de")),
    ]
    options = {"k": 3, "languages": ["de"], "explain": True, "unavailable": ["de:1"], "exclude_seen": False}
    for body, query in asked:
        for more in ({}, options):
            (wanted,) = objects(recommender.catalogue, next(recommender.stream([query], Options(**more))))
            assert _post(client, "/recommend", **body, **more) == json.loads(json.dumps(wanted))


def test_search_answers_what_the_recommender_answers(client: TestClient, serve: Serve) -> None:
    recommender = serve("XLEASE")
    for options in ({"k": 2}, {"k": 1, "languages": ["de"], "explain": True}):
        (wanted,) = objects(recommender.catalogue, recommender.search(["black cat"], Options(**options)))
        assert _post(client, "/search", query=" black cat ", **options) == wanted


def test_healthz_says_what_is_served(client: TestClient) -> None:
    found = client.get("/healthz").json()
    assert (found["status"], found["model"], found["dataset"]) == ("ok", "XLEASE", "toy")
    assert (found["items"], found["users"], found["languages"], found["index"]) == (24, 24, ["de", "en"], None)


def test_the_openapi_page_shows_every_answer(client: TestClient) -> None:
    assert client.get("/docs").status_code == 200
    paths = client.get("/openapi.json").json()["paths"]
    assert list(paths) == ["/recommend", "/search", "/healthz"]
    assert {"200", "400", "404", "413", "422", "503"} <= set(paths["/recommend"]["post"]["responses"])


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/recommend", '{"user_id', 400, "the body is no JSON: "),
        ("/recommend", b"\xff\xfe{", 400, "the body is no JSON in UTF-8"),
        ("/recommend", "[" * 100_000, 400, "the body is no JSON in UTF-8"),
        ("/recommend", "", 422, "the body is one JSON object"),
        ("/recommend", "[]", 422, "the body is one JSON object"),
        ("/recommend", "{}", 422, "give either user_id or history"),
        ("/recommend", '{"user_id": "en-0", "history": ["en:0"]}', 422, "give either user_id or history"),
        ("/recommend", '{"user_id": "en-0", "language": "de"}', 422, "the run knows its users' own"),
        ("/recommend", '{"user_id": "nobody"}', 404, "the run knows no user 'nobody'; it knows 24. Give the history"),
        ("/recommend", '{"user_id": ""}', 422, "user_id: "),
        ("/recommend", '{"user_id": "\\ud800"}', 422, "user_id: "),
        ("/recommend", '{"user_id": {}}', 422, "user_id: "),
        ("/recommend", '{"history": ["x", "y"]}', 404, "none of the 2 items of the history: 'x', 'y'. Give ids"),
        ("/recommend", '{"history": "en:0"}', 422, "history: "),
        ("/recommend", '{"history": [null]}', 422, "history.0: "),
        ("/recommend", json.dumps({"history": ["en:0"] * 1001}), 422, "history: List should have at most 1000 items"),
        ("/recommend", '{"user_id": "en-0", "k": 0}', 422, "k: Input should be greater than or equal to 1; found '0'"),
        ("/recommend", '{"user_id": "en-0", "k": 1001}', 422, "k: Input should be less than or equal to 1000"),
        ("/recommend", '{"user_id": "en-0", "k": "many"}', 422, "k: "),
        (
            "/recommend",
            '{"user_id": "en-0", "langages": ["de"]}',
            422,
            "langages: there is no such key. Did you mean 'languages'?",
        ),
        (
            "/recommend",
            '{"user_id": "en-0", "languages": ["fr"]}',
            422,
            "no item has the language 'fr'; they have de, en",
        ),
        ("/recommend", '{"user_id": "en-0", "languages": ["klingonese"]}', 422, "is not a"),
        ("/recommend", '{"user_id": "en-0", "languages": []}', 422, "languages: "),
        ("/recommend", '{"history": ["en:0"], "language": "fr"}', 422, "nobody in the run is in language 'fr'"),
        ("/recommend", '{"user_id": "en-0", "categories": ["animal"]}', 422, "Did you mean 'animals'"),
        ("/recommend", '{"user_id": "en-0", "unavailable": ["gone"]}', 422, "none of the 1 unavailable items"),
        ("/search", "{}", 422, "query: Field required"),
        ("/search", '{"query": "   "}', 422, "query: "),
        ("/search", json.dumps({"query": "x" * 1001}), 422, "query: String should have at most 1000 characters"),
    ],
)
def test_what_cannot_be_answered_is_one_sentence(
    client: TestClient, path: str, body: str | bytes, status: int, message: str
) -> None:
    answer = client.post(path, content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, message in answer.json()["detail"]) == (status, True), answer.text
    assert len(answer.content) < 1000


def test_other_paths_and_methods_are_refused(client: TestClient) -> None:
    assert (client.get("/recommend").status_code, client.get("/nowhere").status_code) == (405, 404)
    assert "/docs" in client.get("/nowhere").json()["detail"]


def test_a_body_beyond_the_limit_is_refused_whatever_it_says_of_its_length(client: TestClient) -> None:
    large = b"{" + b" " * MOST_BYTES

    def pieces() -> Iterator[bytes]:
        for _ in range(20):
            yield large

    for content in (large, pieces()):
        answer = client.post("/recommend", content=content, headers={"content-type": "application/json"})
        assert answer.status_code == 413
        assert "larger than 524,288 bytes" in answer.json()["detail"]
    fits = '{"user_id": "en-0"}'.ljust(MOST_BYTES)
    assert client.post("/recommend", content=fits, headers={"content-type": "application/json"}).status_code == 200


def test_what_fails_unforeseen_is_no_traceback(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    recommender = serve("XLEASE")
    with TestClient(create_app(recommender), raise_server_exceptions=False) as opened:
        monkeypatch.setattr(recommender.scorer, "top", lambda *_: 1 / 0)
        answer = opened.post("/recommend", json={"user_id": "en-0"})
    assert (answer.status_code, answer.json()) == (500, {"detail": "the service failed at this; its log says why"})


def test_the_page_needs_nothing_from_elsewhere_and_names_users_and_languages(client: TestClient) -> None:
    page = client.get("/").text
    assert "connect-src 'self'" in page
    assert "http://" not in page
    assert "https://" not in page
    assert len(page) < 100_000
    for shown in ('<option value="en-0">en</option>', 'value="de"', "XLEASE on toy"):
        assert shown in page


def test_titles_cannot_end_the_script_of_the_page(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    recommender = serve("XLEASE")
    titles = recommender.catalogue.titles.astype(object)
    titles[:] = "</script><script>alert(1)</script>"
    monkeypatch.setattr(recommender.catalogue, "titles", titles)
    with TestClient(create_app(recommender)) as opened:
        page = opened.get("/").text
    assert "alert(1)" in page
    assert "</script><script>alert" not in page


def test_warming_up_says_when_there_is_no_search(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    recommender = serve("XLEASE")
    assert warm_up(recommender) == ""
    space = recommender.space
    monkeypatch.setattr(space, "options", space.options._replace(encoder="file:vectors.npz"))
    monkeypatch.delitem(space.__dict__, "encoder")  # made anew when it is asked for
    assert warm_up(recommender).startswith("/search will refuse: the run's vectors were made elsewhere")


def test_a_port_that_is_taken_is_said(serve: Serve) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port} cannot be taken"):
            run_server(serve("XLEASE"), "127.0.0.1", port, lambda _: None)


def test_the_page_makes_no_html_of_what_it_is_answered() -> None:
    template = Path(__file__).parents[2] / "recbole_xlrec" / "resources" / "demo.html.j2"
    assert "innerHTML" not in template.read_text(encoding="utf-8")
