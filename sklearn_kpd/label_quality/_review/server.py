"""The local server of the page: for this machine, this person, and this review alone."""

import hmac
import secrets
import socket
import threading
import traceback
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import Forbidden, HTTPException
from werkzeug.serving import WSGIRequestHandler, make_server

from sklearn_kpd.exceptions import PhotographError
from sklearn_kpd.label_quality._review.session import OutOfDateError, Session

HOST = "127.0.0.1"

_FILES = {
    "": ("review.html", "text/html; charset=utf-8"),
    "review.css": ("review.css", "text/css; charset=utf-8"),
    "review.js": ("review.js", "text/javascript; charset=utf-8"),
    "icon.svg": ("icon.svg", "image/svg+xml"),
}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_LARGEST_REQUEST = 2**16


class Server:
    """Serves a review until it is finished.

    Parameters
    ----------
    session : Session
        The review.
    finish : callable
        Writes the corrected labels, and returns what is said of it.
    port : int, default=0
        Where to; 0 takes a free one.

    Attributes
    ----------
    url : str
        Address of the page, with a word that nobody else knows.

    Raises
    ------
    OSError
        If the port is taken.
    """

    def __init__(self, session: Session, finish: Callable[[], str], port: int = 0) -> None:
        token = secrets.token_urlsafe(24)
        app = make_app(session, finish, token, self._stop)
        try:
            bound = socket.create_server((HOST, port))
        except (OSError, OverflowError) as error:
            raise OSError(
                f"Port {port} of {HOST} cannot be had ({error}): give another."
            ) from error
        with bound:  # the server makes a copy of it; it would end the process over a taken port
            self._server = make_server(
                HOST, port, app, threaded=True, request_handler=_SilentHandler, fd=bound.fileno()
            )
        app.config["ORIGIN"] = f"http://{HOST}:{self._server.port}"
        self.url = f"{app.config['ORIGIN']}/{token}/"

    def run(self) -> None:
        """Serve until the review is finished."""
        with self._server:
            self._server.serve_forever()

    def _stop(self) -> None:
        # from another thread: it waits for the loop, which may wait for this one
        threading.Thread(target=self._server.shutdown, daemon=True).start()


class _SilentHandler(WSGIRequestHandler):
    """Requests are nobody's news."""

    def log(self, *_: Any, **__: Any) -> None:
        pass


def make_app(
    session: Session, finish: Callable[[], str], token: str, stop: Callable[[], None]
) -> Flask:
    """Application of one review.

    Parameters
    ----------
    session : Session
        The review.
    finish : callable
        Writes the corrected labels, and returns what is said of it.
    token : str
        First part of every address.
    stop : callable
        Called once the answer to the last request is sent.

    Returns
    -------
    Flask
        Its configuration takes ORIGIN, where it is served.
    """
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = _LARGEST_REQUEST
    folder = files("sklearn_kpd.label_quality._review") / "static"
    contents = {name: (folder / file).read_bytes() for name, (file, _) in _FILES.items()}

    @app.before_request
    def check() -> None:
        _check_request(app.config["ORIGIN"], token)

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers.update(_HEADERS)
        return response

    @app.get(f"/{token}/", defaults={"name": ""})
    @app.get(f"/{token}/<name>")
    def page(name: str) -> Response:
        if name not in contents:
            raise PageNotFoundError
        return Response(contents[name], content_type=_FILES[name][1])

    @app.get(f"/{token}/image/<int:row>")
    def image(row: int) -> Response:
        try:
            picture = session.picture(row)
        except KeyError as error:
            raise PageNotFoundError from error
        return Response(picture.content, content_type=picture.mimetype)

    @app.get(f"/{token}/api/state")
    def state() -> Response:
        return jsonify(session.state())

    @app.post(f"/{token}/api/<any(change, undo, show):action>")
    def act(action: str) -> Response:
        getattr(session, action)(**_arguments(action))
        return jsonify(session.state())

    @app.post(f"/{token}/api/finish")
    def end() -> Response:
        response = jsonify({"message": finish()})
        response.call_on_close(stop)
        return response

    app.register_error_handler(Exception, _told)
    return app


class PageNotFoundError(HTTPException):
    """There is no such page."""

    code = 404
    description = "There is no such page."


_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (OutOfDateError, 409),
    (PhotographError, 404),
    (ValueError, 400),
    (OSError, 500),
)

#: What each action takes from the request.
_ARGUMENTS = {
    "change": ("version", "row", "action", "keypoints", "points"),
    "undo": ("version",),
    "show": ("version", "row", "step", "looked_at"),
}


def _told(error: Exception) -> tuple[Response, int]:
    """What the page is told of an error; one of the program shows where it is in the terminal."""
    if isinstance(error, HTTPException):
        return jsonify({"error": error.description}), error.code or 500
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return jsonify({"error": str(error)}), status
    traceback.print_exception(error)
    return jsonify({"error": "An error of the program: see the terminal."}), 500


def _check_request(origin: str, token: str) -> None:
    """Refuse what does not come from the page: other names of this machine, other pages."""
    given = request.path.split("/", 2)[1]
    known = hmac.compare_digest(given.encode(), token.encode())
    foreign = request.headers.get("Origin", origin) != origin
    unsaid = request.method not in ("GET", "HEAD") and "Origin" not in request.headers
    if request.host != origin.removeprefix("http://") or not known or foreign or unsaid:
        raise Forbidden("Open the page by the address that sklearn-kpd review has printed last.")


def _arguments(action: str) -> dict[str, Any]:
    """What the page has sent; only what is known is taken."""
    sent = request.get_json()
    if not isinstance(sent, dict):
        raise ValueError("an object is needed")
    return {name: sent.get(name) for name in _ARGUMENTS[action]}
