import os
import sys

import numpy as np
import pytest

from sklearn_kpd import AugmentTransformer
from sklearn_kpd._inference.export import in_single_precision
from tests.helpers import tiny_regressor

# What the formats are run with, and the limit of the difference, in pixels.
TOLERANCE = 1e-3


def run_onnx(path, images):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(path)
    return session.run(["keypoints"], {"images": images})[0]


def run_litert(path, images):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter(str(path))
    given = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(given, images.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(given, images)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


RUN = {".onnx": run_onnx, ".tflite": run_litert}


@pytest.fixture(scope="module")
def fitted(kaggle_like):
    """Batch normalisation, and outputs for several labelling schemes and for mirror images."""
    X, y = kaggle_like
    settings = {"network": "heatmap", "network__width": 2, "mirrored_outputs": True}
    regressor = tiny_regressor(epochs=1, **settings)
    regressor.fit(AugmentTransformer(flip=0.5).fit_transform(X, y), y)
    assert len(regressor.schemes_) > 1
    assert regressor.model_.output_shape[1] == 60 * len(regressor.schemes_)
    return regressor


@pytest.mark.parametrize("suffix", RUN)
@pytest.mark.parametrize("tta", [None, "flip"])
def test_gives_what_predict_gives(fitted, kaggle_like, tmp_path, suffix, tta):
    images = kaggle_like[0]
    fitted.set_params(tta=tta).export(tmp_path / f"model{suffix}")
    assert os.listdir(tmp_path) == [f"model{suffix}"]
    expected = fitted.predict(images)
    for n_images in (1, len(images)):
        found = RUN[suffix](tmp_path / f"model{suffix}", images[:n_images])
        np.testing.assert_allclose(found, expected[:n_images], atol=TOLERANCE)


@pytest.mark.parametrize("suffix", RUN)
def test_computes_in_single_precision(faces, tmp_path, suffix):
    images, y = faces
    settings = {"network": "cnn", "network__filters": (2, 4), "mixed_precision": "bfloat16"}
    regressor = tiny_regressor(epochs=1, **settings).fit(images, y)
    regressor.export(tmp_path / f"model{suffix}")
    found = RUN[suffix](tmp_path / f"model{suffix}", images)
    regressor.model_ = in_single_precision(regressor.model_)
    np.testing.assert_allclose(found, regressor.predict(images), atol=TOLERANCE)


@pytest.mark.parametrize("suffix", RUN)
def test_keeps_the_shape_of_y(faces, tmp_path, suffix):
    images, y = faces
    images = np.repeat(images[:, 10:, :, :], 3, axis=-1)  # neither square nor grey
    points = y.to_numpy().reshape(len(y), 15, 2)
    regressor = tiny_regressor(epochs=1).fit(images / 255, points)
    regressor.export(tmp_path / f"model{suffix}")
    found = RUN[suffix](tmp_path / f"model{suffix}", images)
    assert found.shape == points.shape
    np.testing.assert_allclose(found, regressor.predict(images / 255), atol=TOLERANCE)


def test_says_what_it_cannot_do(fitted, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"end with \.onnx or \.tflite"):
        fitted.set_params(tta=None).export(tmp_path / "model.h5")
    with pytest.raises(ValueError, match=r"set_params\(tta='flip'\)"):
        fitted.set_params(tta="moves").export(tmp_path / "model.onnx")
    with pytest.raises(ValueError, match="not fitted"):
        tiny_regressor().export(tmp_path / "model.onnx")
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ImportError, match=r"needs tf2onnx: pip install"):
        fitted.set_params(tta=None).export(tmp_path / "model.onnx")
    assert not os.listdir(tmp_path)
