import threading
import time

import keras
import numpy as np
import pytest

from sklearn_kpd._inference import predictor as module
from sklearn_kpd._inference.predictor import Predictor
from sklearn_kpd.networks import SpatialSoftArgmax


def bright_spot(n_schemes):
    """A network that finds the brightest row and column, each scheme a tenth of a unit off."""
    images = keras.Input((8, 8, 1))
    places = (np.arange(8, dtype=np.float32) - 3.5) / 4
    x = keras.ops.sum(keras.ops.sum(images, axis=(1, 3)) * places, axis=1) / 255
    y = keras.ops.sum(keras.ops.sum(images, axis=(2, 3)) * places, axis=1) / 255
    point = keras.ops.stack([x, y], axis=1)
    return keras.Model(
        images, keras.ops.concatenate([point + 0.1 * k for k in range(n_schemes)], axis=1)
    )


def spots():
    images = np.zeros((64, 8, 8, 1), np.uint8)
    rows = np.arange(64)
    images[rows, rows // 8, rows % 8] = 255
    return images, np.stack([rows % 8, rows // 8], axis=1).astype(float)


def make(n_schemes=1, schemes=(0, 0), tta=None):
    return Predictor(
        bright_spot(n_schemes), (8, 8), n_schemes, np.array(schemes), np.array([0]), tta
    )


@pytest.mark.parametrize("batch_size", [1, 7, 64, 1000])
@pytest.mark.parametrize("tta", [None, "flip"])
def test_pixels_come_by_batches_of_any_size(batch_size, tta):
    images, points = spots()
    found = make(tta=tta).pixels(images, 1.0, batch_size=batch_size)
    np.testing.assert_allclose(found, points, atol=1e-4)
    rows = np.array([5, 3, 63])
    found = make(tta=tta).pixels(images, 1.0, rows=rows, batch_size=batch_size)
    np.testing.assert_allclose(found, points[rows], atol=1e-4)
    found = make(tta=tta).pixels(images / 255, 255.0, batch_size=batch_size)
    np.testing.assert_allclose(found, points, atol=1e-4)


@pytest.mark.parametrize("batch_size", [3, 64])
@pytest.mark.parametrize("tta", [None, "flip"])
def test_each_image_by_its_scheme(batch_size, tta):
    images, points = spots()
    schemes = np.arange(64)[:, np.newaxis] % 3
    found = make(3, schemes, tta).pixels(images, 1.0, batch_size=batch_size)
    off = (
        0.4 * schemes * (np.array([0, 1]) if tta else 1)
    )  # in x, a mirror image is off the other way
    np.testing.assert_allclose(found, points + off, atol=1e-4)


def test_each_output_by_its_scheme():
    images, points = spots()
    found = make(2, (0, 1)).pixels(images, 1.0, batch_size=64)
    np.testing.assert_allclose(found, points + [0, 0.4], atol=1e-4)


def test_the_spread_is_that_of_moved_copies():
    images, _ = spots()
    pixels, spread = make().pixels_and_spread(images, 1.0, batch_size=10)
    assert pixels.shape == spread.shape == (64, 2)
    assert (spread >= 0).all()
    np.testing.assert_array_equal(pixels, make().pixels(images, 1.0, batch_size=64))


def reaching(n_schemes):
    """A network whose heatmaps are the image, one a scheme, and the image turned to its side."""
    images = keras.Input((8, 8, 1))
    heatmaps = [images, keras.ops.transpose(images, (0, 2, 1, 3))][:n_schemes]
    return keras.Model(images, SpatialSoftArgmax()(keras.ops.concatenate(heatmaps, axis=3)))


@pytest.mark.parametrize("tta", [None, "flip", "moves"])
def test_the_spread_is_that_of_the_places_in_the_heatmaps(tta):
    images = np.zeros((3, 8, 8, 1), np.uint8)
    images[0, 4, 4] = 255  # one place alone
    images[1, 4, [2, 6]] = 255  # two places of one row, 4 px apart
    images[2, [1, 7], 4] = 255  # two of one column, 6 px apart
    wanted = np.array([[0, 0], [2, 0], [0, 3]])

    def found(n_schemes, schemes):
        predictor = Predictor(
            reaching(n_schemes), (8, 8), n_schemes, np.array(schemes), np.array([0]), tta,
            spread="heatmaps",
        )  # fmt: skip
        pixels, spread = predictor.pixels_and_spread(images, 1.0, batch_size=2)
        np.testing.assert_array_equal(pixels, predictor.pixels(images, 1.0, batch_size=2))
        return spread

    np.testing.assert_allclose(found(1, (0, 0)), wanted, atol=1e-3)
    np.testing.assert_allclose(found(2, (1, 1)), wanted[:, ::-1], atol=1e-3)
    np.testing.assert_allclose(found(2, (0, 1)), wanted[:, [0, 0]], atol=1e-3)


def test_no_more_pixels_at_once_than_the_bound(monkeypatch):
    sizes = []
    infer = module.infer
    monkeypatch.setattr(module, "infer", lambda m, x: sizes.append(len(x)) or infer(m, x))
    monkeypatch.setattr("sklearn_kpd.images._MAX_PIXELS", 20 * 64)
    images, _ = spots()
    make().pixels(images, 1.0, batch_size=50)
    assert sizes == [20, 20, 20, 4]
    monkeypatch.setattr("sklearn_kpd.images._MAX_PIXELS", 1)
    sizes.clear()
    make().pixels(images[:3], 1.0, batch_size=50)
    assert sizes == [1, 1, 1]


class Slow:
    """Images that say which part is read, and wait until they are told to go on."""

    shape = (6, 8, 8, 1)

    def __init__(self):
        self.read, self.may_go_on = [], threading.Event()

    def __len__(self):
        return 6

    def __getitem__(self, part):
        self.read.append(part.start)
        if part.start == 2:
            assert self.may_go_on.wait(30)
        if part.start == 4:
            raise OSError("disk gone")
        return np.zeros((2, 8, 8, 1), np.uint8)


def test_the_next_batch_is_read_while_the_network_works(monkeypatch):
    images = Slow()

    def find(predictor, batch):
        while images.read[-1] == 0:  # the second batch is on its way before the first is done
            time.sleep(0.001)
        images.may_go_on.set()
        return np.zeros((len(batch), 2))

    monkeypatch.setattr(module, "_find", find)
    with pytest.raises(OSError, match="disk gone"):
        make().pixels(images, 1.0, batch_size=2)
    assert images.read == [0, 2, 4]


def test_a_mirror_image_is_read_where_its_labels_stood_in_training():
    """Rows of the left profile have left eye and nose, those of the right one the right eye."""
    left, nose, right = 0, 1, 2
    permutation = np.array([right, nose, left])
    schemes = np.repeat([0, 0, 1], 2)  # of left eye, nose, right eye
    predictor = Predictor(None, (8, 8), 2, schemes, permutation, "flip", mirrored_outputs=True)
    np.testing.assert_array_equal(predictor.output_sets(False), schemes)
    # the left eye of a left profile, mirrored, stands in the column of the right eye
    np.testing.assert_array_equal(predictor.output_sets(True), 2 + np.repeat([1, 0, 0], 2))
    by_image = np.array([[0], [1]])
    predictor = Predictor(None, (8, 8), 2, by_image, permutation, "flip", mirrored_outputs=True)
    np.testing.assert_array_equal(predictor.output_sets(True), 2 + by_image)
