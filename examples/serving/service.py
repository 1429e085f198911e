"""A small service: an image in, keypoints as JSON out, by an exported ONNX file.

It needs neither TensorFlow nor sklearn_kpd: starlette, onnxruntime, pillow, numpy, and a server
such as uvicorn. See README.md.
"""

import io
import os
import threading
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image, ImageOps, UnidentifiedImageError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

MAX_BYTES = 10 * 2**20
MAX_PIXELS = 25_000_000
# How much wider or higher than what the model was trained on an image may be.
MAX_STRETCH = 0.05
# Modes of Pillow with 8 bits a channel or fewer; what has more would be clipped to 255.
MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"}


class Model:
    """An exported file, which looks at one image at a time: more cores are for more processes.

    Parameters
    ----------
    path : str
        What `KeypointRegressor.export` has written, ``.onnx``.
    """

    def __init__(self, path: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(path, options)
        self.turn = threading.Lock()
        self.height, self.width, self.n_channels = self._session.get_inputs()[0].shape[1:]

    def find(self, image: Image.Image) -> np.ndarray:
        """Keypoints in pixels of the image, (k, 2)."""
        mode = "L" if self.n_channels == 1 else "RGB"
        small = image.convert(mode).resize((self.width, self.height), Image.Resampling.BILINEAR)
        pixels = np.asarray(small).reshape(1, self.height, self.width, self.n_channels)
        (found,) = self._session.run(["keypoints"], {"images": pixels})
        scale = np.array([image.width / self.width, image.height / self.height])
        # (0, 0) is the centre of the first pixel
        return (found.reshape(-1, 2) + 0.5) * scale - 0.5


def create_app(path: str | None = None) -> Starlette:
    """Make the service.

    Parameters
    ----------
    path : str, default=None
        The exported file; by default what the environment calls ``KEYPOINT_MODEL``.

    Returns
    -------
    Starlette
        For any ASGI server. ``GET /health`` tells the size that the model takes, ``POST
        /keypoints`` takes the bytes of a PNG or JPEG.
    """
    model = Model(os.environ["KEYPOINT_MODEL"] if path is None else path)

    async def health(request: Request) -> JSONResponse:
        return JSONResponse(
            {"width": model.width, "height": model.height, "channels": model.n_channels}
        )

    async def keypoints(request: Request) -> JSONResponse:
        body = await read_body(request)
        return JSONResponse(await run_in_threadpool(in_turn, model, body))

    routes = [Route("/health", health), Route("/keypoints", keypoints, methods=["POST"])]
    return Starlette(routes=routes, exception_handlers={HTTPException: error_as_json})


async def read_body(request: Request) -> bytes:
    """Read what was sent; no more of it than is allowed, whatever its header says."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise HTTPException(413, f"the image has more than {MAX_BYTES:,} bytes")
    return bytes(body)


def in_turn(model: Model, body: bytes) -> dict[str, Any]:
    """Bound what is decoded at once, and keep to one core."""
    with model.turn:
        return answer(model, body)


def answer(model: Model, body: bytes) -> dict[str, Any]:
    """Decode an image and find its keypoints."""
    image = decode(body)
    stretch = image.width * model.height / (image.height * model.width)
    if abs(np.log(stretch)) > np.log1p(MAX_STRETCH):
        raise HTTPException(
            422,
            f"the image has {image.width} x {image.height} pixels, and the model was trained on "
            f"{model.width} x {model.height}: cut out the object as for the training",
        )
    found = model.find(image)
    return {
        "width": image.width,
        "height": image.height,
        "keypoints": [{"x": float(x), "y": float(y)} for x, y in found.round(3)],
    }


def decode(body: bytes) -> Image.Image:
    """Decode a PNG or JPEG, as a viewer shows it; what its header says is looked at first."""
    try:
        image = Image.open(io.BytesIO(body), formats=["PNG", "JPEG"])
    except UnidentifiedImageError as error:
        raise HTTPException(415, "the body is no PNG or JPEG") from error
    except Image.DecompressionBombError as error:
        raise HTTPException(413, f"the image has more than {MAX_PIXELS:,} pixels") from error
    except Exception as error:  # a damaged file makes Pillow raise nearly anything
        raise HTTPException(400, "the image is damaged") from error
    if image.width * image.height > MAX_PIXELS:
        raise HTTPException(413, f"the image has more than {MAX_PIXELS:,} pixels")
    if image.mode not in MODES:
        raise HTTPException(415, f"the image has pixels of the mode {image.mode}, not of 8 bits")
    try:
        return ImageOps.exif_transpose(image)
    except Exception as error:
        raise HTTPException(400, "the image is damaged") from error


async def error_as_json(request: Request, error: Exception) -> JSONResponse:
    """Answer an error in the form of all answers."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)
