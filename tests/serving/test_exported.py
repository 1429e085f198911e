"""Exported files in the engines that run them."""

import os
import pickle
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

from sklearn_kpd import CropTransformer
from sklearn_kpd.exceptions import BrokenFileError
from sklearn_kpd.serving import ExportedModel, _engines
from tests.helpers import make_photographs, tiny_regressor

pytest.importorskip("onnxruntime", reason="needs onnxruntime")
pytest.importorskip("ai_edge_litert", reason="needs ai-edge-litert")
pytest.importorskip("tf2onnx", reason="needs tf2onnx")

SUFFIXES = [".onnx", ".tflite"]
# Between engines, in pixels.
TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("exports")


@pytest.fixture(scope="module")
def fitted(faces, folder):
    """What predicts keypoints of grey faces as y had them, exported as `grey`."""
    regressor = tiny_regressor(epochs=1).fit(*faces)
    for suffix in SUFFIXES:
        regressor.export(folder / f"grey{suffix}")
    return regressor


@pytest.fixture(scope="module", params=SUFFIXES)
def model(request, fitted, folder):
    return ExportedModel(folder / f"grey{request.param}")


@pytest.mark.parametrize("n_images", [1, 40, 150])
def test_finds_what_predict_finds(model, fitted, faces, n_images):
    images = np.tile(faces[0], (4, 1, 1, 1))[:n_images]
    found = model.predict(images)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, fitted.predict(images), atol=TOLERANCE)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_keypoints_have_the_shape_of_y(faces, tmp_path, suffix):
    images, y = np.repeat(faces[0][:, 10:], 3, axis=-1), faces[1].to_numpy()
    points = y.reshape(len(y), 15, 2)
    regressor = tiny_regressor(epochs=1).fit(images, points)
    regressor.export(tmp_path / f"model{suffix}")
    model = ExportedModel(tmp_path / f"model{suffix}")
    assert (model.image_shape, model.keypoints_shape) == ((86, 96, 3), (15, 2))
    np.testing.assert_allclose(model.predict(images), regressor.predict(images), atol=TOLERANCE)
    single = tiny_regressor(epochs=1).fit(images, y[:, 0])
    single.export(tmp_path / f"single{suffix}")
    found = ExportedModel(tmp_path / f"single{suffix}").predict(images)
    np.testing.assert_allclose(found, single.predict(images), atol=TOLERANCE)


FORMS = {
    "three dimensions": lambda X: X[..., 0],
    "flat": lambda X: X.reshape(len(X), -1),
    "a table of flat images": lambda X: pd.DataFrame(X.reshape(len(X), -1)),
    "a list": list,
    "a series": lambda X: pd.Series(list(X)),
    "every second column of wider images": lambda X: np.repeat(X, 2, axis=2)[:, :, ::2],
    "int64": lambda X: X.astype(np.int64),
    "floats in 0..1": lambda X: X / 255,
    "single precision": lambda X: (X / 255).astype(np.float32),
    "floats in 0..255": lambda X: X.astype(float),
    "a little beyond 0..1": lambda X: np.where(X == 255, 1.1, X / 255),
}


@pytest.mark.parametrize("form", FORMS)
def test_images_in_every_form(model, faces, form):
    images = faces[0].copy()
    images[:, :2] = 255
    np.testing.assert_array_equal(model.predict(FORMS[form](images)), model.predict(images))


def test_black_and_white(model, faces):
    white = faces[0] > 127
    np.testing.assert_array_equal(model.predict(white), model.predict(255 * white.astype("uint8")))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: X[:, :90], "X holds images of 90x96x1 .* but ExportedModel was fitted on"),
        (lambda X: np.repeat(X, 3, axis=-1), "make them grey"),
        (lambda X: X[0], "X is one image"),
        (lambda X: X[:0], "0 sample"),
        (lambda X: X[:, :, :, 0, None, None], "its shape is"),
        (lambda X: X.reshape(len(X), -1)[:, 1:], "has 9215 columns"),
        (lambda X: X.astype(int) * 257, "grey levels in 0..255"),
        (lambda X: X / 255 * 2 - 1, "must lie in 0..1 or 0..255"),
        (lambda X: np.where(X > 9, np.nan, X), "contains NaN"),
        (lambda X: ["face.png"], "X is text"),
        (lambda X: None, "NoneType|Expected 2D"),
    ],
)
def test_what_is_no_image_of_the_file_is_refused(model, faces, change, message):
    with pytest.raises(ValueError, match=message):
        model.predict(change(faces[0]))


def test_a_memory_map_is_read_a_batch_at_a_time(model, tmp_path, faces):
    images = np.memmap(tmp_path / "images", np.uint8, "w+", shape=(3000, 96, 96, 1))
    images[-40:] = faces[0]
    model.predict(images[:64])  # an engine keeps what a batch needs
    tracemalloc.start()
    found = model.predict(images)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5e6 < images.nbytes
    np.testing.assert_allclose(found[-40:], model.predict(faces[0]), atol=TOLERANCE)


def test_several_threads_get_each_their_own(model, faces):
    expected = model.predict(faces[0])

    def several(start):
        return [model.predict(faces[0][start : start + n]) for n in (1, 5, 2)] * 20

    with ThreadPoolExecutor(8) as pool:
        for start, found in enumerate(pool.map(several, range(16))):
            for n, part in zip((1, 5, 2) * 20, found, strict=False):
                np.testing.assert_allclose(part, expected[start : start + n], atol=TOLERANCE)


def test_pickles_are_paths(model, faces, tmp_path, monkeypatch):
    monkeypatch.chdir(os.path.dirname(model.path))
    relative = ExportedModel(os.path.basename(model.path), n_threads=1)
    content = pickle.dumps(relative)
    assert len(content) < 1000
    monkeypatch.chdir(tmp_path)
    again = pickle.loads(content)
    assert (again.path, again.n_threads) == (model.path, 1)
    np.testing.assert_allclose(again.predict(faces[0]), model.predict(faces[0]), atol=TOLERANCE)


CHILD = """
import os, sys
import numpy as np
from sklearn_kpd.serving import ExportedModel

path, images, output = sys.argv[1:]
images = np.load(images)
model = ExportedModel(path, n_threads=1)
found = model.predict(images)
assert not {"tensorflow", "keras"} & set(sys.modules)

def is_forked_well():
    several = ExportedModel(path, n_threads=2)
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    same = np.array_equal(model.predict(images), found)
    try:
        several.predict(images)
    except RuntimeError as error:
        os._exit(0 if same and "was forked" in str(error) else 1)
    os._exit(2)

assert not hasattr(os, "fork") or is_forked_well()
np.save(output, found)
"""


def test_needs_no_tensorflow_and_waits_for_no_thread_that_is_not_there(model, faces, tmp_path):
    np.save(tmp_path / "images.npy", faces[0])
    files = [model.path, tmp_path / "images.npy", tmp_path / "found.npy"]
    subprocess.run([sys.executable, "-W", "error", "-c", CHILD, *files], check=True, timeout=100)
    found = np.load(tmp_path / "found.npy")
    np.testing.assert_allclose(found, model.predict(faces[0]), atol=TOLERANCE)


def test_crops_of_photographs(tmp_path):
    X, y = make_photographs(tmp_path, 6)
    pipe = Pipeline([("crop", CropTransformer(size=48)), ("regressor", tiny_regressor(epochs=1))])
    pipe.fit(X, y)
    pipe[-1].export(tmp_path / "model.onnx")
    model = ExportedModel(tmp_path / "model.onnx")
    found = model.predict(pipe[0].transform(X))
    np.testing.assert_allclose(found, pipe.predict(X), atol=10 * TOLERANCE)
    with pytest.raises(ValueError, match="X holds images of 64x64x1"):
        model.predict(CropTransformer(size=64).fit_transform(X))


def other_onnx(path):
    import onnx

    shape, floats = [None, 96, 96, 1], onnx.TensorProto.FLOAT
    ends = [onnx.helper.make_tensor_value_info(name, floats, shape) for name in "ab"]
    node = onnx.helper.make_node("Identity", ["a"], ["b"])
    graph = onnx.helper.make_graph([node], "other", ends[:1], ends[1:])
    opsets = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), path)


def other_tflite(path):
    a = keras.Input((4,), name="a")
    model = keras.Model(a, {"b": keras.layers.Dense(1)(a)})
    model.export(str(path), format="litert", verbose=False)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_other_files_are_refused_in_one_line(fitted, folder, tmp_path, suffix):
    whole = (folder / f"grey{suffix}").read_bytes()
    path = tmp_path / f"model{suffix}"
    for content in (b"", b"no model", bytes(1000), whole[:100], whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(BrokenFileError, match="or is damaged: ") as caught:
            ExportedModel(path)
        assert len(str(caught.value).splitlines()) == 1
    {".onnx": other_onnx, ".tflite": other_tflite}[suffix](path)
    with pytest.raises(BrokenFileError, match="goes from a to b, not from images to keypoints"):
        ExportedModel(path)
    with pytest.raises(FileNotFoundError, match="nothing"):
        ExportedModel(tmp_path / f"nothing{suffix}")
    folder_of_that_name = tmp_path / f"folder{suffix}"
    folder_of_that_name.mkdir()
    with pytest.raises(OSError, match="folder"):
        ExportedModel(folder_of_that_name)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / f"pipe{suffix}")
        with pytest.raises(OSError, match="no regular file"):
            ExportedModel(tmp_path / f"pipe{suffix}")


IMAGES, KEYPOINTS = ("uint8", (None, 96, 96, 1)), ("float32", (None, 30))


@pytest.mark.parametrize(
    ("images", "keypoints", "message"),
    [
        (("float32", IMAGES[1]), KEYPOINTS, "images are float32"),
        (IMAGES, ("int64", (None, 30)), "keypoints int64"),
        (("uint8", (1, 96, 96, 1)), KEYPOINTS, r"images are \(1, 96"),
        (IMAGES, ("float32", (1, 30)), r"keypoints \(1, 30\)"),
        (("uint8", (None, None, None, 1)), KEYPOINTS, r"images are \(None, None"),
        (("uint8", (None, 96, 96)), KEYPOINTS, r"images are \(None, 96, 96\)"),
    ],
)
def test_files_of_another_form_are_no_exports(images, keypoints, message):
    engine = _engines.Engine(len, {"images": images}, {"keypoints": keypoints})
    with pytest.raises(ValueError, match=message):
        engine.shapes()


def test_other_mistakes_are_named(fitted, folder, monkeypatch):
    with pytest.raises(ValueError, match=r"has to end with \.onnx or \.tflite"):
        ExportedModel(folder / "model.kpd")
    for n_threads in (0, -1, 1.5, "2"):
        with pytest.raises(ValueError, match=f"n_threads={n_threads!r} must be a whole number"):
            ExportedModel(folder / "grey.onnx", n_threads=n_threads)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r"\.onnx needs onnxruntime: pip install"):
        ExportedModel(folder / "grey.onnx")


@pytest.mark.parametrize(("told", "n_threads"), [("3", 3), ("", 5), ("0", 5), ("4,2", 5)])
def test_threads_are_those_that_joblib_gives_a_worker(monkeypatch, told, n_threads):
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    monkeypatch.setattr(_engines, "cpu_count", lambda: 5)
    assert _engines.n_cores() == n_threads
