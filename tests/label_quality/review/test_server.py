"""The server: for one person on this machine, whatever other pages and programs try."""

import json
import re
import threading
import urllib.error
import urllib.request

import pytest

from sklearn_kpd.label_quality._review.issues import Issue, Suspect
from tests.label_quality.review import helpers

pytest.importorskip("flask")

from sklearn_kpd.label_quality._review.server import Server, make_app

TOKEN = "t0ken"
ORIGIN = "http://127.0.0.1:5000"
FINISHED = "Wrote out.csv."


@pytest.fixture
def stopped():
    return threading.Event()


@pytest.fixture
def app(tmp_path, stopped):
    made = make_app(helpers.session(tmp_path), lambda: FINISHED, TOKEN, stopped.set)
    made.config["ORIGIN"] = ORIGIN
    return made


class Client:
    def __init__(self, app):
        self._client = app.test_client()

    def open(self, path, method="GET", token=TOKEN, origin=ORIGIN, host="127.0.0.1:5000", **more):
        headers = {"Host": host, **({} if origin is None else {"Origin": origin})}
        return self._client.open(f"/{token}/{path}", method=method, headers=headers, **more)

    def post(self, path, **more):
        return self.open(f"api/{path}", "POST", json=more)


@pytest.fixture
def client(app):
    return Client(app)


PATHS = ["", "review.js", "review.css", "icon.svg", "api/state", "image/2", "nothing"]


@pytest.mark.parametrize("path", [*PATHS, "api/undo"])
@pytest.mark.parametrize(
    "foreign",
    [
        {"token": "other"},
        {"token": ""},
        {"token": "t0kenn"},
        {"token": "T0KEN"},
        {"token": "tökén"},
        {"host": "localhost:5000"},
        {"host": "127.0.0.1"},
        {"host": "127.0.0.1:80"},
        {"host": "evil.example:5000"},
        {"host": "evil.example"},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:5001"},
        {"origin": "http://localhost:5000"},
        {"origin": "null"},
    ],
)
def test_requests_from_elsewhere_are_refused(client, path, foreign):
    for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"):
        answer = client.open(path, method, **foreign)
        assert answer.status_code == 403
        assert TOKEN not in answer.text


def test_a_change_has_to_say_where_it_is_from(client):
    for path in ("api/undo", "api/show", "api/change", "api/finish"):
        assert client.open(path, "POST", origin=None, json={}).status_code == 403
    assert client.open("api/state", origin=None).status_code == 200


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("api/undo", ["GET", "PUT", "DELETE", "PATCH"]),
        ("api/finish", ["GET", "PUT"]),
        ("api/state", ["POST", "DELETE"]),
        ("image/2", ["POST"]),
        ("", ["POST"]),
    ],
)
def test_wrong_methods(client, stopped, path, methods):
    for method in methods:
        assert client.open(path, method, json={}).status_code == 405
    assert not stopped.is_set()


@pytest.mark.parametrize(
    "path",
    [
        "../review.js", "..%2f..%2fjournal.py", "%2e%2e/server.py", "static/review.js",
        "server.py", "review.html", "review.js/", "review.js%00", "//etc/passwd",
        "image/../review.js",
        "image/0", "image/3", "image/-1", "image/99999999999999999999", "image/2.png", "image/2/",
        "image/training.csv", "image/..%2f..%2fetc%2fpasswd", "image/%2fetc%2fpasswd", "image/",
        "api/", "api/_do", "api/picture", "api/corrections", "C:%5Cwindows",
    ],
)  # fmt: skip
def test_nothing_else_is_there(client, path):
    answer = client.open(path)
    assert answer.status_code == 404
    assert "passwd" not in answer.text


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_is_protected(client, path):
    for foreign in ({}, {"token": "other"}):
        headers = client.open(path, **foreign).headers
        policy = dict(part.strip().split(" ", 1) for part in
                      headers["Content-Security-Policy"].split(";"))  # fmt: skip
        assert policy["default-src"] == "'none'"
        assert "unsafe" not in str(policy)
        fetched = {policy[name] for name in ("script-src", "style-src", "img-src", "connect-src")}
        assert fetched == {"'self'"}
        assert policy["frame-ancestors"] == policy["form-action"] == policy["base-uri"] == "'none'"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in headers
        assert "Access-Control-Allow-Origin" not in headers


def test_the_page_is_static_and_needs_nothing_from_elsewhere(client):
    page, script, style = (client.open(p).text for p in ("", "review.js", "review.css"))
    assert page.startswith("<!DOCTYPE html>")
    for text in (page, script, style):
        assert "http" not in text.replace('"http://www.w3.org/2000/svg"', "")
    for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(",
                 "srcdoc", "Function("):  # fmt: skip
        assert sink not in script
    assert "<style" not in page
    assert "style=" not in page
    assert not re.search(r"\son\w+\s*=", page)


def test_a_picture_is_sent_by_the_number_of_its_row(client):
    answer = client.open("image/2")
    assert answer.content_type == "image/png"
    assert answer.data.startswith(b"\x89PNG")
    assert client.open("image/0").status_code == 404  # of the data, but not suspected


def test_actions(client):
    state = client.open("api/state").json
    assert (state["row"], state["version"]) == (2, 0)
    state = client.post("change", version=0, row=2, action="accept", keypoints=[2]).json
    assert state["labels"][2] == [41, 51]
    assert state["changed"] == 1
    state = client.post("show", version=1, row=2, step=1, looked_at=True).json
    assert (state["row"], state["looked_at"]) == (1, 1)
    state = client.post("undo", version=2, row=1).json
    assert (state["row"], state["changed"]) == (2, 0)


@pytest.mark.parametrize(
    ("path", "more", "status"),
    [
        ("change", {"version": 7, "row": 2, "action": "accept", "keypoints": [2]}, 409),
        ("change", {"version": 0, "row": 2, "action": "remove", "keypoints": [2]}, 400),
        ("change", {"version": 0, "row": 2, "action": "clear", "keypoints": [20]}, 400),
        ("change", {}, 409),
        ("show", {"version": 0, "row": 2, "step": 5, "looked_at": True}, 400),
        ("undo", {"version": None}, 409),
    ],
)
def test_errors_are_told_in_words(client, path, more, status):
    answer = client.post(path, **more)
    assert answer.status_code == status
    assert answer.json["error"]
    assert client.open("api/state").json["version"] == 0


@pytest.mark.parametrize(
    "body",
    [
        {"data": b"version=0", "content_type": "application/x-www-form-urlencoded"},
        {"data": b'{"version": 0}', "content_type": "text/plain"},
        {"data": b"{", "content_type": "application/json"},
        {"data": b"[0]", "content_type": "application/json"},
        {"data": b"", "content_type": "application/json"},
        {"data": b'{"version": "' + b"x" * 70000 + b'"}', "content_type": "application/json"},
    ],
)
def test_bodies_that_are_no_json_of_ours(client, body):
    assert client.open("api/undo", "POST", **body).status_code in (400, 413, 415)


HOSTILE = [
    "</script><img src=x onerror=alert(1)>",
    "a\u2028{{7*7}}${7*7}",
    "<svg onload=alert(1)>",
]


def test_hostile_names_are_data_alone(tmp_path, monkeypatch):
    suspects = [Suspect(2, (Issue(HOSTILE[0], (0, 1, 2), 0.1, 1.0),), helpers.PREDICTED)]
    monkeypatch.setattr(helpers, "SUSPECTS", suspects)
    session = helpers.session(tmp_path, names=HOSTILE, name=HOSTILE[2])
    app = make_app(session, lambda: HOSTILE[0], TOKEN, lambda: None)
    app.config["ORIGIN"] = ORIGIN
    client = Client(app)
    for path in PATHS[:4]:
        assert "onerror" not in client.open(path).text
    answer = client.open("api/state")
    assert answer.content_type == "application/json"
    assert answer.json["names"] == HOSTILE
    assert answer.json["issues"][0]["kind"] == HOSTILE[0]
    answer = client.post("change", version=0, row=2, action="clear", keypoints=[0])
    assert answer.json["labels"][0] is None
    answer = client.post("change", version=0, row=2, action=HOSTILE[0], keypoints=[0])
    assert answer.content_type == "application/json"


def test_finish_answers_first_and_then_stops(client, stopped):
    answer = client.post("finish")
    assert answer.json == {"message": FINISHED}
    answer.close()
    assert stopped.is_set()


@pytest.mark.parametrize(
    ("error", "status"), [(OSError("disk full"), 500), (ValueError("not so"), 400)]
)
def test_a_finish_that_fails_does_not_stop(tmp_path, stopped, error, status):
    def finish():
        raise error

    app = make_app(helpers.session(tmp_path), finish, TOKEN, stopped.set)
    app.config["ORIGIN"] = ORIGIN
    answer = Client(app).post("finish")
    assert (answer.status_code, answer.json) == (status, {"error": str(error)})
    assert not stopped.is_set()


def test_a_bug_is_not_told_to_the_page(tmp_path, capsys):
    def finish():
        raise AssertionError("secret")

    app = make_app(helpers.session(tmp_path), finish, TOKEN, lambda: None)
    app.config["ORIGIN"] = ORIGIN
    answer = Client(app).post("finish")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "secret" in capsys.readouterr().err


def test_a_photograph_that_is_gone_does_not_end_the_review(tmp_path):
    import pandas as pd

    from sklearn_kpd.label_quality._review.labelled import labelled
    from sklearn_kpd.label_quality._review.session import Session

    X = pd.DataFrame({"path": [str(tmp_path / "gone.jpg")] * 4})
    data = labelled("x.json", X, helpers.table_of())
    session = Session(data, helpers.SUSPECTS, helpers.opened(tmp_path), "y")
    app = make_app(session, str, TOKEN, lambda: None)
    app.config["ORIGIN"] = ORIGIN
    client = Client(app)
    state = client.open("api/state").json
    assert "gone.jpg: no such file" in state["problem"]
    left, top, right, bottom = state["region"]
    assert left < 21 < 90 < right
    assert top < 10 < 51 < bottom
    assert client.open("image/2").status_code == 404
    assert client.post("show", version=0, row=2, step=1, looked_at=True).json["row"] == 1


def test_it_serves_on_this_machine_alone_and_ends(tmp_path):
    (tmp_path / "other").mkdir()
    running = Server(helpers.session(tmp_path), lambda: FINISHED)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    assert running.url.startswith("http://127.0.0.1:")
    token = running.url.rstrip("/").rsplit("/", 1)[1]
    assert len(token) >= 32
    with urllib.request.urlopen(running.url) as answer:
        assert "Review of labels" in answer.read().decode()
    port = int(running.url.split(":")[2].split("/")[0])
    with pytest.raises(OSError, match=f"Port {port} .*give another"):
        Server(helpers.session(tmp_path / "other"), str, port)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(running.url.replace(token, "guess"))
    request = urllib.request.Request(
        f"{running.url}api/finish", data=b"{}", method="POST",
        headers={"Origin": running.url.split(f"/{token}")[0]},
    )  # fmt: skip
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer) == {"message": FINISHED}
    thread.join(timeout=60)
    assert not thread.is_alive()


def test_tokens_are_made_anew(tmp_path):
    session, urls = helpers.session(tmp_path), []
    for _ in range(2):
        made = Server(session, str)
        made._server.server_close()
        urls.append(made.url.rsplit("/", 2)[1])
    assert urls[0] != urls[1]
