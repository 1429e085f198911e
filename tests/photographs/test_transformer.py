"""CropTransformer as an estimator."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

import sklearn_kpd
from sklearn_kpd import CropTransformer
from sklearn_kpd.exceptions import BrokenFileError, PhotographError
from tests.persistence.fuzz import put_together, take_apart

IMAGES = [np.full((40, 60), 90, np.uint8), np.full((50, 30, 3), 180, np.uint8)]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"size": 0}, "'size' parameter"), ({"size": (48,)}, "whole number of pixels"),
        ({"size": (48, 0)}, "whole number of pixels"), ({"size": (48.5, 3)}, "whole number"),
        ({"size": "96"}, "'size' parameter"), ({"margin": -0.5}, "'margin' parameter"),
        ({"margin": "wide"}, "'margin' parameter"), ({"color": "bgr"}, "'color' parameter"),
        ({"border": "wrap"}, "'border' parameter"), ({"border": 256}, "'border' parameter"),
        ({"keep_aspect": 3}, "'keep_aspect' parameter"),
    ],
)  # fmt: skip
def test_parameters_are_checked_at_fit(parameters, message):
    transformer = CropTransformer(**parameters)
    with pytest.raises(ValueError, match=message):
        transformer.fit(IMAGES)
    assert not hasattr(transformer, "frame_")


@pytest.mark.parametrize(
    ("size", "frame"),
    [(48, (48, 48)), ((32, 64), (32, 64)), ([32, 64], (32, 64)), (np.int64(5), (5, 5))],
)
def test_frame(size, frame):
    transformer = CropTransformer(size).fit(IMAGES)
    assert transformer.frame_ == frame
    assert transformer.transform(IMAGES).shape == (2, *frame, 1)
    assert {type(side) for side in transformer.frame_} == {int}


@pytest.mark.parametrize(("color", "n_channels"), [("gray", 1), ("rgb", 3)])
def test_colors_of_crops(color, n_channels):
    pixels = CropTransformer(32, color=color).fit_transform(IMAGES).pixels()
    assert pixels.shape == (2, 32, 32, n_channels)
    assert (pixels[0] == 90).all()
    assert (pixels[1] == 180).all()


def test_the_form_of_x_may_change_after_fit(tmp_path):
    transformer = CropTransformer(32).fit(IMAGES)
    path = tmp_path / "a.png"
    import cv2

    cv2.imwrite(str(path), IMAGES[0])
    for X in ([path], pd.DataFrame({"path": [str(path)]}), pd.DataFrame({"image": IMAGES[:1]})):
        assert (transformer.transform(X).pixels() == 90).all()


def test_absent_photographs_are_named_before_any_is_read():
    transformer = CropTransformer().fit(IMAGES)
    with pytest.raises(PhotographError, match=r"1 of 2 photographs are not there: row 1: gone"):
        transformer.transform([IMAGES[0], "gone.jpg"])


@pytest.mark.parametrize("fitted", [True, False])
@pytest.mark.parametrize("way", ["clone", "pickle", "joblib", "save"])
def test_it_is_kept(tmp_path, way, fitted):
    transformer = CropTransformer((32, 48), margin=0.1, color="rgb", border=9.0)
    if fitted:
        transformer.fit(IMAGES)
    if way == "clone":
        again = clone(transformer)
        assert not hasattr(again, "frame_")
    elif way == "pickle":
        again = pickle.loads(pickle.dumps(transformer))
    elif way == "joblib":
        joblib.dump(transformer, tmp_path / "t.joblib")
        again = joblib.load(tmp_path / "t.joblib")
    else:
        sklearn_kpd.save(transformer, tmp_path / "t.kpd")
        again = sklearn_kpd.load(tmp_path / "t.kpd")
    assert again.get_params() == transformer.get_params()
    if fitted and way != "clone":
        assert vars(again) == vars(transformer)
        np.testing.assert_array_equal(
            again.transform(IMAGES).pixels(), transformer.transform(IMAGES).pixels()
        )


@pytest.mark.parametrize("frame", [None, 48, [32, 48], {"type": "tuple", "items": [32]},
                                   {"type": "tuple", "items": [32, -48]}])  # fmt: skip
def test_a_file_with_another_frame_is_refused(tmp_path, frame):
    path = tmp_path / "t.kpd"
    sklearn_kpd.save(CropTransformer((32, 48)).fit(IMAGES), path)
    manifest, parts = take_apart(path.read_bytes())
    manifest["estimator"]["attributes"]["frame_"] = frame
    path.write_bytes(put_together(manifest, parts))
    with pytest.raises(BrokenFileError, match="frame_ does not fit"):
        sklearn_kpd.load(path)
