import joblib
import numpy as np
import pytest
import tensorflow as tf

from sklearn_kpd import KeypointRegressor, networks
from sklearn_kpd.keypoints import from_units


@pytest.mark.parametrize("name", networks.NETWORKS)
@pytest.mark.parametrize("image_shape", [(96, 96, 1), (40, 60, 3), (1, 10, 1)])
def test_every_network_takes_every_size(name, image_shape):
    if name == "backbone" and min(image_shape[:2]) < 32:
        pytest.skip("models of keras.applications take no such images: test_backbone.py")
    model = networks.get(name)(image_shape, 8)
    images = np.random.default_rng(0).integers(256, size=(2, *image_shape), dtype=np.uint8)
    assert model(images).shape == (2, 8)


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_layers_are_named_alike_whatever_was_built_before(name):
    # TensorFlow sums gradients in the order of the names.
    first, second = (networks.NETWORKS[name]((96, 96, 1), 30) for _ in range(2))
    assert [layer.name for layer in first.layers] == [layer.name for layer in second.layers]
    assert [w.path for w in first.weights] == [w.path for w in second.weights]


@pytest.mark.parametrize("size", [(24, 24), (16, 24), (24, 10)])
def test_soft_argmax_of_a_sharp_peak_is_its_place(size):
    height, width = size
    rng = np.random.default_rng(0)
    rows, columns = rng.integers(height, size=(2, 3)), rng.integers(width, size=(2, 3))
    maps = np.zeros((2, height, width, 3), np.float32)
    for i in range(2):
        for k in range(3):
            maps[i, rows[i, k], columns[i, k], k] = 50
    units = np.asarray(networks.SpatialSoftArgmax()(maps))
    places = np.stack([columns, rows], axis=-1).reshape(2, 6)
    np.testing.assert_allclose(from_units(units, size), places, atol=1e-3)


def test_soft_argmax_lies_between_pixels_and_has_a_gradient():
    maps = np.zeros((1, 8, 8, 1), np.float32)
    maps[0, 3, [2, 3], 0] = 30
    heatmaps = tf.convert_to_tensor(maps)
    with tf.GradientTape() as tape:
        tape.watch(heatmaps)
        units = networks.SpatialSoftArgmax()(heatmaps)
        x = units[0, 0]
    np.testing.assert_allclose(from_units(np.asarray(units), (8, 8)), [[2.5, 3]], atol=1e-4)
    gradient = np.asarray(tape.gradient(x, heatmaps))[0, ..., 0]
    # more heat to the right moves the point there: by a quarter of a pixel, 1/16 of a unit
    np.testing.assert_allclose(gradient[3, [2, 3]], [-0.0625, 0.0625], rtol=1e-3)
    assert np.abs(np.delete(gradient, 3, axis=0)).max() < 1e-6


def test_heatmaps_are_for_points():
    with pytest.raises(ValueError, match="an x and a y for each keypoint"):
        networks.heatmap((96, 96, 1), 1)


def test_the_heatmap_network_is_kept(faces, tmp_path):
    X, y = faces
    regressor = KeypointRegressor(
        "heatmap", network__width=4, epochs=1, verbose=0, random_state=0
    ).fit(X[:8], y[:8])
    joblib.dump(regressor, tmp_path / "m.joblib")
    loaded = joblib.load(tmp_path / "m.joblib")
    np.testing.assert_array_equal(loaded.predict(X), regressor.predict(X))


def test_options_of_the_cnn():
    model = networks.cnn((32, 32, 1), 4, filters=(4, 8), units=(16, 8), dropout=0.5)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds.count("Conv2D") == 2
    assert kinds.count("Dense") == 3
    assert kinds.count("Dropout") == 2


def test_callables_pass_and_unknown_names_do_not():
    assert networks.get(len) is len
    with pytest.raises(
        ValueError, match="network='resnet' is unknown; it may be 'backbone', 'cnn'"
    ):
        networks.get("resnet")
