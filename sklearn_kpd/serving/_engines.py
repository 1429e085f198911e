"""What runs exported files: ONNX Runtime and LiteRT, each imported when it is needed."""

import importlib.util
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from joblib import cpu_count

from sklearn_kpd._common.files import open_regular
from sklearn_kpd.exceptions import BrokenFileError
from sklearn_kpd.images import Array, ImageShape

_Shape = tuple[int | None, ...]


class Engine(NamedTuple):
    """A file that was opened.

    Attributes
    ----------
    find : callable
        From a batch of images, uint8, to keypoints, float32; for any number of threads.
    inputs, outputs : dict of str to (str, tuple of int or None)
        Type and shape of each by its name; None where any size will do.
    """

    find: Callable[[Array], Array]
    inputs: dict[str, tuple[str, _Shape]]
    outputs: dict[str, tuple[str, _Shape]]

    def shapes(self) -> tuple[ImageShape, tuple[int, ...]]:
        """Shapes of an image and of its keypoints.

        Raises
        ------
        ValueError
            If this is nothing that was exported.
        """
        if self.inputs.keys() != {"images"} or self.outputs.keys() != {"keypoints"}:
            raise ValueError(
                f"it goes from {', '.join(self.inputs) or 'nothing'} to "
                f"{', '.join(self.outputs) or 'nothing'}, not from images to keypoints"
            )
        (given, image_shape), (returned, y_shape) = (
            self.inputs["images"],
            self.outputs["keypoints"],
        )
        any_number = image_shape[:1] == y_shape[:1] == (None,)
        if not any_number or None in (*image_shape[1:], *y_shape[1:]) or len(image_shape) != 4:
            raise ValueError(f"its images are {image_shape} and its keypoints {y_shape}")
        if (given, returned) != ("uint8", "float32"):
            raise ValueError(f"its images are {given} and its keypoints {returned}")
        return image_shape[1:], y_shape[1:]  # type: ignore[return-value]


def open_engine(path: str, n_threads: int) -> tuple[Engine, ImageShape, tuple[int, ...]]:
    """Open an exported file.

    Parameters
    ----------
    path : str
        Ends with ``.onnx`` or ``.tflite``.
    n_threads : int
        Threads that work on a batch.

    Returns
    -------
    engine : Engine
        What runs it.
    image_shape, keypoints_shape : tuple of int
        Shapes of an image and of its keypoints.

    Raises
    ------
    BrokenFileError
        If the file is damaged, or is no export.
    ValueError
        For another ending.
    OSError
        If the file cannot be opened, or is no regular file.
    ImportError
        If the engine is not installed.
    """
    ending = Path(path).suffix
    if ending not in ENGINES:
        raise ValueError(f"path={path!r} has to end with {' or '.join(ENGINES)}, as exports do.")
    package, opened = ENGINES[ending]
    open_regular(path).close()
    if importlib.util.find_spec(package) is None:
        raise ImportError(
            f"Running {ending} needs {package.replace('_', '-')}: "
            "pip install 'sklearn-kpd[serving]'."
        )
    try:
        engine = opened(path, n_threads)
        return engine, *engine.shapes()
    except Exception as error:  # of bytes that are no model, an engine raises nearly anything
        raise BrokenFileError(
            f"{path} is no file that KeypointRegressor.export has written, or is damaged: {error}"
        ) from error


def n_cores() -> int:
    """Cores that this process may use: joblib tells its workers by this name of the environment.

    Examples
    --------
    >>> from sklearn_kpd.serving._engines import n_cores
    >>> n_cores() >= 1
    True
    """
    told = os.environ.get("OMP_NUM_THREADS", "")
    return int(told) if told.isdecimal() and int(told) else cpu_count()


def _open_onnx(path: str, n_threads: int) -> Engine:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    # The fallback prints, and tries the same once more.
    session = onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"], enable_fallback=False
    )

    def find(images: Array) -> Array:
        return session.run(["keypoints"], {"images": images})[0]

    return Engine(find, *map(_onnx_form, (session.get_inputs(), session.get_outputs())))


def _onnx_form(tensors: Any) -> dict[str, tuple[str, _Shape]]:
    kinds = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}
    return {
        tensor.name: (
            kinds.get(tensor.type, tensor.type),
            tuple(size if isinstance(size, int) else None for size in tensor.shape),
        )
        for tensor in tensors
    }


def _open_litert(path: str, n_threads: int) -> Engine:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path, num_threads=n_threads)
    given, returned = interpreter.get_input_details(), interpreter.get_output_details()
    names = interpreter.get_signature_list().get("serving_default", {})
    turn = threading.Lock()  # an interpreter holds the batch at hand
    n_images = 0

    def find(images: Array) -> Array:
        nonlocal n_images
        with turn:
            if len(images) != n_images:
                n_images = 0  # until it holds so many
                interpreter.resize_tensor_input(given[0]["index"], images.shape)
                interpreter.allocate_tensors()
                n_images = len(images)
            interpreter.set_tensor(given[0]["index"], images)
            interpreter.invoke()
            return interpreter.get_tensor(returned[0]["index"])

    return Engine(
        find,
        _litert_form(names.get("inputs", ()), given),
        _litert_form(names.get("outputs", ()), returned),
    )


def _litert_form(names: Any, details: Any) -> dict[str, tuple[str, _Shape]]:
    return {
        name: (
            tensor["dtype"].__name__,
            tuple(None if size < 0 else int(size) for size in tensor["shape_signature"]),
        )
        for name, tensor in zip(names, details, strict=True)
    }


#: By the ending of the file: the package, and what opens a file with so many threads.
ENGINES: dict[str, tuple[str, Callable[[str, int], Engine]]] = {
    ".onnx": ("onnxruntime", _open_onnx),
    ".tflite": ("ai_edge_litert", _open_litert),
}
