"""The table of issues: what is in it, in which order, for which forms of data."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import BaseEstimator, RegressorMixin

from sklearn_kpd.datasets import make_faces
from sklearn_kpd.keypoints import KAGGLE_KEYPOINTS
from sklearn_kpd.label_quality import find_label_issues

COLUMNS = [
    "row", "keypoint", "kind", "p_value", "distance",
    "labelled_x", "labelled_y", "predicted_x", "predicted_y",
]  # fmt: skip


@pytest.fixture(scope="module")
def faces():
    X, y = make_faces(300, missing="kaggle", random_state=0)
    return X, y, y.fillna(40) + np.random.default_rng(0).normal(size=y.shape)


def spoilt(y):
    y = y.copy()
    full = np.flatnonzero(y.notna().all(axis=1))[:5]
    y.iloc[full[0], 20] += 20  # the nose's tip
    y.iloc[full[1], [0, 1, 2, 3]] = y.iloc[full[1], [2, 3, 0, 1]].to_numpy()
    y.iloc[full[2]] += np.tile([9, -4], 15)
    y.iloc[full[3], 1] = -12  # above the image
    y.iloc[full[4], ::2] = 95 - y.iloc[full[4], ::2]
    return y, dict(zip(full, ["moved", "swapped", "shifted", "outside", "mirrored"], strict=True))


def test_each_kind_is_found_and_named(faces):
    X, y, y_pred = faces
    y, kinds = spoilt(y)
    issues = find_label_issues(None, X, y, y_pred=y_pred, fdr=1e-3)
    assert dict(zip(issues["row"], issues["kind"], strict=True)) == kinds
    by_kind = issues.set_index("kind")
    assert by_kind.loc["moved", "keypoint"] == "nose_tip"
    assert by_kind.loc["outside", "keypoint"] == "left_eye_center"
    assert by_kind.loc["swapped", "keypoint"] == "left_eye_center, right_eye_center"
    assert by_kind.loc["shifted", "keypoint"] == ", ".join(KAGGLE_KEYPOINTS)


def test_what_a_row_of_the_table_says(faces):
    X, y, y_pred = faces
    y, _ = spoilt(y)
    issues = find_label_issues(None, X, y, y_pred=y_pred)
    assert issues.columns.tolist() == COLUMNS + [f"predicted_{name}" for name in y.columns]
    assert issues["p_value"].is_monotonic_increasing
    moved = issues[issues["kind"] == "moved"].iloc[0]
    row = y.iloc[moved["row"]]
    found = y_pred.iloc[moved["row"]]
    assert moved[["labelled_x", "labelled_y"]].tolist() == row[20:22].tolist()
    assert moved[["predicted_x", "predicted_y"]].tolist() == found[20:22].tolist()
    assert moved["distance"] == pytest.approx(np.hypot(*(row[20:22] - found[20:22])))
    np.testing.assert_array_equal(moved.iloc[len(COLUMNS) :].astype(float), found)


def test_right_labels_make_no_list(faces):
    X, y, y_pred = faces
    issues = find_label_issues(None, X, y, y_pred=y_pred)
    assert len(issues) == 0
    assert issues.columns.tolist()[:9] == COLUMNS


def test_everything_is_listed_without_a_threshold(faces):
    X, y, y_pred = faces
    issues = find_label_issues(None, X, y, y_pred=y_pred, fdr=1)
    said = {
        (row, name)
        for row, names in zip(issues["row"], issues["keypoint"], strict=True)
        for name in names.split(", ")
    }
    assert len(said) == y.notna().to_numpy().sum() / 2


@pytest.mark.parametrize("form", ["flat", "points", "shuffled columns"])
def test_forms_of_labels(faces, form):
    X, y, y_pred = faces
    y, _ = spoilt(y)
    expected = find_label_issues(None, X, y, y_pred=y_pred)
    if form == "shuffled columns":
        names = np.random.default_rng(0).permutation(KAGGLE_KEYPOINTS)
        columns = [f"{name}_{axis}" for name in names for axis in "xy"]
        found = find_label_issues(None, X, y, y_pred=y_pred[columns])
        pd.testing.assert_frame_equal(found, expected)
        return
    shape = (len(y), 30) if form == "flat" else (len(y), 15, 2)
    found = find_label_issues(
        None, X, y.to_numpy().reshape(shape), y_pred=y_pred.to_numpy().reshape(shape)
    )
    assert found["row"].tolist() == expected["row"].tolist()
    moved = found[found["kind"] == "moved"].iloc[0]
    assert moved["keypoint"] == "10"
    assert "predicted_10_x" in found


def test_duplicates_that_disagree(faces):
    X, y, y_pred = faces
    rng = np.random.default_rng(0)
    full = np.flatnonzero(y.notna().all(axis=1))[:60]
    X = rng.integers(0, 256, X.shape, np.uint8)  # none is like another
    X = np.concatenate([X, X[full]])
    y = pd.concat([y, y.iloc[full] + rng.normal(size=(60, 30)) * 0.2], ignore_index=True)
    # both are a hard image, where the labels are 3 pixels apart
    hard = y_pred.iloc[full].copy()
    y_pred = pd.concat([y_pred, hard], ignore_index=True)
    y.iloc[full[0], 20] += 1.5
    y.iloc[300, 20] -= 2.5
    issues = find_label_issues(None, X, y, y_pred=y_pred)
    assert issues[["kind", "keypoint"]].to_numpy().tolist() == [
        ["duplicates disagree", "nose_tip"]
    ]
    assert issues.loc[0, "row"] in (full[0], 300)


def test_photographs(tmp_path):
    rng = np.random.default_rng(0)
    paths = [str(tmp_path / f"{i}.png") for i in range(60)]
    for path in paths:
        Image.fromarray(np.zeros((120, 200), np.uint8)).save(path)
    X = pd.DataFrame({"path": paths})
    points = rng.uniform(20, 100, (60, 6, 2))
    y_pred = points + rng.normal(size=points.shape)
    points[3, 2] = [210, 50]  # right of the photograph
    points[8, 1] += [0, 25]
    again = pd.concat([X, X.iloc[[5]]], ignore_index=True)
    points = np.concatenate([points, points[[5]] + 0.3])
    y_pred = np.concatenate([y_pred, y_pred[[5]]])
    issues = find_label_issues(None, again, points, y_pred=y_pred)
    assert issues.set_index("row")["kind"].to_dict() == {3: "outside", 8: "moved"}


class Mean(RegressorMixin, BaseEstimator):
    """Predicts the mean of its training labels."""

    def fit(self, X, y):
        self.mean_ = np.nanmean(y, axis=0)
        return self

    def predict(self, X):
        return np.tile(self.mean_, (len(X), 1))


def test_any_regressor_serves(faces):
    X, y, _ = faces
    y = y.copy()
    y.iloc[4, 20] += 80
    issues = find_label_issues(Mean(), X, y, cv=3, verbose=0, random_state=0)
    assert issues.loc[0, "row"] == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fdr": 0}, "fdr=0 must be a share"),
        ({"fdr": 1.5}, "fdr=1.5 must be a share"),
        ({"y_pred": np.zeros((300, 4))}, r"y_pred has the shape \(300, 4\)"),
        ({"y_pred": np.zeros((299, 30))}, r"y_pred has the shape \(299, 30\)"),
        ({"y_std": np.zeros((300, 4))}, r"y_std has the shape \(300, 4\)"),
    ],
)
def test_errors(faces, options, message):
    X, y, y_pred = faces
    with pytest.raises(ValueError, match=message):
        find_label_issues(None, X, y, **{"y_pred": y_pred, **options})


def test_no_labels(faces):
    X, y, y_pred = faces
    with pytest.raises(ValueError, match="No label has a prediction"):
        find_label_issues(None, X, y * np.nan, y_pred=y_pred)


def test_single_coordinates_are_no_points(faces):
    X, y, y_pred = faces
    with pytest.raises(ValueError, match="an x and a y each"):
        find_label_issues(None, X, y.iloc[:, 0], y_pred=y_pred.iloc[:, 0])
