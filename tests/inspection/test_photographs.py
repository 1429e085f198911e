"""Displays of photographs: whole ones, and what is cut out of them."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from sklearn_kpd import AugmentTransformer, CropTransformer
from sklearn_kpd.exceptions import PhotographError
from sklearn_kpd.inspection import (
    AugmentationDisplay,
    KeypointDisplay,
    KeypointErrorDisplay,
    PhotographDisplay,
    evaluation_report,
)
from tests.helpers import centroids, dots, make_photographs, tiny_regressor

BOX = ["left", "top", "right", "bottom"]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    return make_photographs(tmp_path_factory.mktemp("photographs"), 24)


@pytest.fixture(scope="module")
def fitted(photographs):
    return Pipeline([
        ("crop", CropTransformer(size=48)),
        ("augment", AugmentTransformer(rotation=20, flip=0.5)),
        ("regressor", tiny_regressor(epochs=1)),
    ]).fit(*photographs)  # fmt: skip


def offsets(ax, label):
    (found,) = [c for c in ax.collections if c.get_label() == label]
    return np.asarray(found.get_offsets())


def lines(ax):
    return [s for c in ax.collections if hasattr(c, "get_segments") for s in c.get_segments()]


def test_all_objects_of_a_photograph_are_in_one_picture(photographs):
    X, y = photographs
    X = X.copy()
    X.loc[[1, 3], "path"] = X["path"].iloc[0]  # rows 0, 1 and 3 are of one photograph
    X.loc[3, BOX] = np.nan
    y = y.copy()
    y.iloc[1, :4] = np.nan
    display = PhotographDisplay.from_predictions(X, y, y + 2, n_photographs=2)
    assert display.titles == ["0000.jpg", "0002.jpg"]
    first, second = display.axes_
    assert [len(ax.patches) for ax in (first, second)] == [2, 1]
    assert offsets(first, "true").shape == (3 * 15 - 2, 2)
    assert offsets(first, "predicted").shape == (3 * 15 - 2, 2)
    np.testing.assert_allclose(offsets(second, "true").ravel(), y.iloc[2])
    np.testing.assert_allclose(offsets(second, "predicted"), offsets(second, "true") + 2)
    patch, box = second.patches[0], X[BOX].iloc[2]
    # edges of a slice lie half a pixel before the middles of pixels
    assert patch.get_xy() == (box["left"] - 0.5, box["top"] - 0.5)
    assert (patch.get_width(), patch.get_height()) == (
        box["right"] - box["left"], box["bottom"] - box["top"],
    )  # fmt: skip
    legend = display.figure_.legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["box", "true", "predicted"]


def test_points_lie_on_what_they_mark_also_where_the_picture_is_reduced(tmp_path):
    point = np.array([1203.0, 402.0])
    picture = dots(point.reshape(1, 1, 2), (1500, 2000), radius=20.0)[0, 0, ..., 0]
    Image.fromarray(picture).save(tmp_path / "a.jpg", quality=95)
    display = PhotographDisplay.from_predictions([tmp_path / "a.jpg"], point[None], columns=1)
    (shown,) = display.axes_[0].get_images()
    height, width = shown.get_array().shape[:2]
    assert max(height, width) <= 800
    left, right, bottom, top = shown.get_extent()
    at = centroids(np.asarray(shown.get_array())[None])[0]
    found = (
        left + (at[0] + 0.5) / width * (right - left),
        top + (at[1] + 0.5) / height * (bottom - top),
    )
    np.testing.assert_allclose(found, point, atol=1)
    np.testing.assert_allclose(offsets(display.axes_[0], "true"), point[None])


@pytest.mark.parametrize(
    "skeleton", [[(0, 1), (10, 14)], [("left_eye_center", "right_eye_center"), ("nose_tip", 14)]]
)
def test_a_skeleton_joins_keypoints_by_name_or_by_number(photographs, skeleton):
    X, y = photographs
    y = y.copy()
    y.iloc[0, 0] = np.nan  # the left eye is not labelled
    display = PhotographDisplay.from_predictions(X, y, n_photographs=2, skeleton=skeleton)
    assert display.skeleton == [(0, 1), (10, 14)]
    assert len(lines(display.axes_[0])) == 1
    assert len(lines(display.axes_[1])) == 2
    points = y.iloc[1].to_numpy().reshape(-1, 2)
    np.testing.assert_allclose(lines(display.axes_[1])[0], points[[0, 1]])
    # it joins what was predicted, where there is that
    display = PhotographDisplay.from_predictions(X, y, y + 5, skeleton=skeleton)
    np.testing.assert_allclose(lines(display.axes_[1])[0], points[[0, 1]] + 5)


@pytest.mark.parametrize(
    ("skeleton", "message"),
    [
        ([("left_eye_center", "tail")], "joins 'tail', which is none of the 15 keypoints"),
        ([(0, 15)], "joins 15, which is none of the 15"),
        ([(0, -1)], "joins -1"),
        ([(0, 1, 2)], r"holds \(0, 1, 2\)"),
        (["ab"], "holds 'ab'"),
    ],
)
def test_skeletons_that_are_none(photographs, skeleton, message):
    with pytest.raises(ValueError, match=message):
        PhotographDisplay.from_predictions(*photographs, skeleton=skeleton)


def test_errors(photographs, tmp_path):
    X, y = photographs
    with pytest.raises(ValueError, match="X has 24 rows, y_true keypoints of the shape"):
        PhotographDisplay.from_predictions(X, y[:3])
    with pytest.raises(ValueError, match="neither y_true nor y_pred"):
        PhotographDisplay.from_predictions(X, skeleton=[(0, 1)])
    with pytest.raises(PhotographError, match="no such file"):
        PhotographDisplay.from_predictions([tmp_path / "gone.jpg"])
    _, axes = plt.subplots(1, 2)
    with pytest.raises(ValueError, match="ax holds 2 axes, but there are 6 photographs"):
        PhotographDisplay.from_predictions(X, ax=axes)


def test_boxes_alone_and_axes_of_the_user(photographs):
    X, _ = photographs
    figure, axes = plt.subplots(1, 2)
    display = PhotographDisplay.from_predictions(X, n_photographs=2, ax=axes)
    assert display.figure_ is figure
    assert [len(ax.patches) for ax in axes] == [1, 1]
    assert not figure.legends
    plain = PhotographDisplay.from_predictions(X["path"].tolist(), n_photographs=1)
    assert not plain.axes_[0].patches
    assert not plain.figure_.legends


def test_only_what_is_shown_is_predicted(photographs, fitted):
    X, y = photographs
    X = pd.concat([X, X.iloc[[0]]], ignore_index=True)
    y = pd.concat([y, y.iloc[[0]]], ignore_index=True)
    asked = []

    class Spy:
        steps = fitted.steps

        def predict(self, X):
            asked.append(len(X))
            return fitted.predict(X)

    display = PhotographDisplay.from_estimator(Spy(), X, y, n_photographs=3)
    assert asked == [4]  # the first photograph has two rows
    predicted = fitted.predict(X).reshape(25, -1, 2)
    np.testing.assert_allclose(
        offsets(display.axes_[0], "predicted"), predicted[[0, 24]].reshape(-1, 2), atol=1e-4
    )
    PhotographDisplay.from_estimator(fitted, X["path"].tolist(), n_photographs=1)


def test_names_meet(photographs, fitted):
    X, y = photographs
    order = np.arange(30).reshape(15, 2)[::-1].ravel()
    mixed = y.iloc[:, order]
    a = PhotographDisplay.from_estimator(fitted, X, y, n_photographs=1)
    b = PhotographDisplay.from_estimator(fitted, X, mixed, n_photographs=1)
    np.testing.assert_allclose(a.points_pred[0], b.points_pred[0][:, ::-1])


@pytest.mark.parametrize("form", ["table", "crops", "search"])
def test_faces_are_shown_as_they_were_cut_out(photographs, fitted, form):
    X, y = photographs
    estimator, shown = fitted, X
    crops = fitted[0].transform(X)
    if form == "search":
        estimator = GridSearchCV(fitted, {}, cv=2)
        estimator.best_estimator_ = fitted
        estimator.predict = fitted.predict
    if form == "crops":
        estimator, shown = fitted[-1], crops
    display = KeypointDisplay.from_estimator(estimator, shown, y, n_faces=5, order="first")
    np.testing.assert_array_equal(display.images, crops.pixels(np.arange(5)))
    inside = crops.to_crop(y.to_numpy()).reshape(24, -1, 2)
    np.testing.assert_allclose(display.points_true, inside[:5])
    predicted = crops.to_crop(fitted.predict(X)).reshape(24, -1, 2)
    np.testing.assert_allclose(display.points_pred, predicted[:5], atol=1e-4)
    assert display.points_true.min() > 0
    assert display.points_true.max() < 48
    errors = KeypointErrorDisplay.from_estimator(estimator, shown, y)
    assert errors.image.shape == (48, 48, 1)
    np.testing.assert_allclose(
        errors.errors, np.sqrt(((predicted - inside) ** 2).mean(axis=(0, 2))), rtol=1e-4
    )
    np.testing.assert_allclose(errors.points, inside.mean(axis=0))


def test_a_table_alone_is_cut_out_as_by_default(photographs):
    X, y = photographs
    display = KeypointDisplay.from_predictions(X, y, y + 1, n_faces=2)
    assert display.images.shape == (2, 96, 96, 3)
    scale = 96 / (1.4 * (X["right"] - X["left"]).to_numpy())
    np.testing.assert_allclose(display.errors_, scale[display.indices])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        KeypointDisplay.from_predictions(X, y[:3], y)


def test_draws_are_what_training_sees(photographs, fitted):
    X, y = photographs
    display = AugmentationDisplay.from_transformer(
        fitted, X, y, n_faces=3, n_draws=4, random_state=0
    )
    assert display.images.shape == (3, 5, 48, 48, 1)
    crops = fitted[0].transform(X)
    np.testing.assert_array_equal(display.images[:, 0], crops.pixels([0, 1, 2]))
    inside = crops.to_crop(y.to_numpy()).reshape(24, -1, 2)[:3]
    np.testing.assert_allclose(display.points[:, 0], inside)
    assert not np.allclose(display.points[0, 1], display.points[0, 2])
    again = AugmentationDisplay.from_transformer(
        fitted[1], crops, y, n_faces=3, n_draws=4, random_state=0
    )
    np.testing.assert_array_equal(again.images, display.images)
    assert set(display.sides) == {"left", "middle", "right"}


def test_a_report_on_photographs(photographs, fitted):
    X, y = photographs
    page = evaluation_report(X, y, fitted.predict(X), n_faces=3, random_state=0)
    assert page.startswith("<!DOCTYPE html>")
    assert page.count("data:image/png;base64,") == 4


def test_colours_are_seen_on_bright_and_on_dark_ground():
    for level in (0, 255):
        image = np.full((100, 100), level, np.uint8)
        X = pd.DataFrame({"image": [image]}).assign(left=20, top=20, right=80, bottom=80)
        y = np.array([[40.0, 40.0, 60.0, 60.0]])
        display = PhotographDisplay.from_predictions(X, y, y + 5, columns=1)
        display.figure_.canvas.draw()
        pixels = np.asarray(display.figure_.canvas.buffer_rgba())[..., :3].astype(int)
        # circles, crosses and box differ from the ground, and from each other
        for color in ("#00e676", "#ff1744", "#ffea00"):
            wanted = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)])
            assert (np.abs(pixels - wanted).max(axis=2) < 60).sum() > 20
