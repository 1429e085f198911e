"""The service of the examples, over an exported model."""

import asyncio
import importlib.util
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.helpers import tiny_regressor

pytest.importorskip("starlette", reason="needs starlette")
pytest.importorskip("onnxruntime", reason="needs onnxruntime")
pytest.importorskip("tf2onnx", reason="needs tf2onnx")

FOLDER = Path(__file__).parents[1] / "examples" / "serving"


def imported(name):
    spec = importlib.util.spec_from_file_location(f"serving_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


service = imported("service")


def ask(app, method, path, chunks=(b"",)):
    """Status and content of an answer: what a server would ask an application."""
    scope = {
        "type": "http", "method": method, "path": path, "headers": [], "query_string": b"",
        "http_version": "1.1", "scheme": "http", "server": ("test", 80), "client": ("test", 1),
    }  # fmt: skip
    left, sent = list(chunks), []

    async def receive():
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    body = b"".join(message.get("body", b"") for message in sent)
    assert dict(sent[0]["headers"])[b"content-type"] == b"application/json"
    return sent[0]["status"], json.loads(body), len(left)


def encoded(image, format="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def grey(faces, tmp_path_factory):
    """A regressor, and the service of what it exports."""
    path = tmp_path_factory.mktemp("serving") / "grey.onnx"
    regressor = tiny_regressor(epochs=1).fit(*faces)
    regressor.export(path)
    return regressor, service.create_app(str(path))


@pytest.fixture(scope="module")
def colour(faces, tmp_path_factory):
    path = tmp_path_factory.mktemp("serving") / "colour.onnx"
    X, y = faces
    # the colours differ, so that their order counts
    images = X * np.array([1, 0.5, 0.25])
    regressor = tiny_regressor(epochs=1).fit(images.astype(np.uint8), y)
    regressor.export(path)
    return regressor, service.create_app(str(path))


def places(answer):
    return np.array([[point["x"], point["y"]] for point in answer["keypoints"]]).ravel()


def test_gives_what_predict_gives(grey, faces):
    regressor, app = grey
    assert ask(app, "GET", "/health")[:2] == (200, {"width": 96, "height": 96, "channels": 1})
    face = faces[0][0]
    body = encoded(Image.fromarray(face[..., 0]))
    expected = regressor.predict(face[np.newaxis])[0]
    for chunks in ([body], [body[:100], body[100:]]):
        status, answer, _ = ask(app, "POST", "/keypoints", chunks)
        assert (status, answer["width"], answer["height"]) == (200, 96, 96)
        np.testing.assert_allclose(places(answer), expected, atol=2e-3)


def test_larger_images_get_keypoints_in_their_own_pixels(grey, faces):
    _, app = grey
    small = Image.fromarray(faces[0][0, ..., 0])
    large = small.resize((288, 288), Image.Resampling.NEAREST)
    found = places(ask(app, "POST", "/keypoints", [encoded(small)])[1])
    answer = ask(app, "POST", "/keypoints", [encoded(large)])[1]
    assert (answer["width"], answer["height"]) == (288, 288)
    np.testing.assert_allclose(places(answer), (found + 0.5) * 3 - 0.5, atol=1)


def test_colours_and_turned_photographs_are_as_a_viewer_shows_them(colour):
    regressor, app = colour
    levels = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    picture = Image.fromarray(levels)
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    for image, options in ((picture, {}), (picture, {"exif": exif}), (picture.convert("L"), {})):
        body = encoded(image, **options)
        shown = ImageOps.exif_transpose(Image.open(io.BytesIO(body))).convert("RGB")
        answer = ask(app, "POST", "/keypoints", [body])[1]
        expected = regressor.predict(np.asarray(shown)[np.newaxis])[0]
        np.testing.assert_allclose(places(answer), expected, atol=2e-3)


WRONG = {
    "nothing": (415, lambda: b""),
    "text": (415, lambda: b"no image"),
    "another format": (415, lambda: encoded(Image.new("L", (96, 96)), "BMP")),
    "16 bits": (415, lambda: encoded(Image.fromarray(np.full((96, 96), 999, np.uint16)))),
    "cut off": (400, lambda: encoded(Image.effect_noise((96, 96), 50))[:3000]),
    "cut-off JPEG": (400, lambda: encoded(Image.effect_noise((96, 96), 50), "JPEG")[:1500]),
    "many pixels": (413, lambda: encoded(Image.new("1", (6000, 6000)))),
    "very many pixels": (413, lambda: encoded(Image.new("1", (20000, 20000)))),
    "other proportions": (422, lambda: encoded(Image.new("L", (96, 110)))),
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_answered_is_an_error_as_json(grey, case):
    expected, make = WRONG[case]
    status, answer, _ = ask(grey[1], "POST", "/keypoints", [make()])
    assert status == expected, answer
    assert list(answer) == ["error"]
    assert "\n" not in answer["error"]


def test_no_more_is_read_than_is_allowed(grey):
    chunks = [bytes(2**20)] * 30
    status, answer, n_left = ask(grey[1], "POST", "/keypoints", chunks)
    assert (status, list(answer)) == (413, ["error"])
    assert n_left == 30 - service.MAX_BYTES // 2**20 - 1


def test_other_paths_and_methods_are_errors_as_json(grey):
    assert ask(grey[1], "GET", "/")[:2] == (404, {"error": "Not Found"})
    assert ask(grey[1], "GET", "/keypoints")[:2] == (405, {"error": "Method Not Allowed"})
