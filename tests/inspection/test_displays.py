import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

from sklearn_kpd import AugmentTransformer
from sklearn_kpd.inspection import (
    AugmentationDisplay,
    CumulativeErrorDisplay,
    HistoryDisplay,
    KeypointDisplay,
    KeypointErrorDisplay,
    MissingLabelDisplay,
)
from sklearn_kpd.keypoints import columns_from_names
from tests.helpers import tiny_regressor


def offsets(axes):
    return [np.asarray(c.get_offsets()) for c in axes.collections]


def test_true_and_predicted_points_are_told_apart_and_missing_ones_left_out(faces):
    X, y = faces
    holes = y.copy()
    holes.iloc[0, :10] = np.nan
    display = KeypointDisplay.from_predictions(X, holes, y + 1, n_faces=4, order="first")
    assert len(display.axes_) == 4
    true, predicted = display.axes_[0].collections
    assert offsets(display.axes_[0])[0].shape == (10, 2)
    assert offsets(display.axes_[0])[1].shape == (15, 2)
    np.testing.assert_allclose(offsets(display.axes_[1])[0].ravel(), y.iloc[1])
    assert true.get_paths()[0].vertices.shape != predicted.get_paths()[0].vertices.shape
    assert not np.allclose(true.get_edgecolor(), predicted.get_edgecolor())
    np.testing.assert_allclose(display.errors_, 1)


def test_order(faces):
    X, y = faces
    pred = y.to_numpy().copy()
    pred[7] += 9
    pred[3] += 5
    worst = KeypointDisplay.from_predictions(X, y, pred, n_faces=2)
    assert worst.indices.tolist() == [7, 3]
    a, b, c = (
        KeypointDisplay.from_predictions(X, y, pred, n_faces=5, order="random", random_state=s)
        for s in (0, 0, 1)
    )
    assert a.indices.tolist() == b.indices.tolist() != c.indices.tolist()
    assert len(set(a.indices)) == 5
    unlabelled = y * np.nan
    unlabelled.iloc[5] = y.iloc[5]
    first = KeypointDisplay.from_predictions(X, unlabelled, pred, n_faces=3)
    assert first.indices[0] == 5
    with pytest.raises(ValueError, match="it may be 'worst', 'random' or 'first'"):
        KeypointDisplay.from_predictions(X, y, pred, order="best")


def test_without_labels_and_with_more_faces_than_there_are(faces):
    X, y = faces
    display = KeypointDisplay.from_predictions(X[:3], None, y[:3].to_numpy())
    assert display.errors_ is None
    assert len(display.axes_) == 3
    assert len(display.axes_[0].collections) == 1


@pytest.mark.parametrize(
    "form",
    [
        lambda X: X[..., 0],
        lambda X: X.reshape(len(X), -1),
        lambda X: X / 255,
        lambda X: np.repeat(X, 3, axis=3),
    ],
)
def test_forms_of_images(faces, form):
    X, y = faces
    display = KeypointDisplay.from_predictions(form(X), y, y, n_faces=1, order="first")
    shown = np.asarray(display.axes_[0].images[0].get_array())
    shown = shown[..., 0] if shown.ndim == 3 else shown
    np.testing.assert_array_equal(shown, X[0, ..., 0])


def test_from_estimator_and_users_axes(faces):
    X, y = faces
    pipe = Pipeline([("augment", AugmentTransformer(rotation=5)), ("regressor", tiny_regressor())])
    pipe.fit(X, y)
    figure, ax = plt.subplots(2, 2)
    display = KeypointDisplay.from_estimator(pipe, X, y, n_faces=3, ax=ax)
    assert display.figure_ is figure
    assert len(display.axes_) == 3
    with pytest.raises(ValueError, match="4 axes, but there are 5 faces"):
        KeypointDisplay.from_estimator(pipe, X, y, n_faces=5, ax=ax)


def test_data_that_do_not_fit(faces):
    X, y = faces
    with pytest.raises(ValueError, match="they must fit together"):
        KeypointDisplay.from_predictions(X, y, y[:5])
    with pytest.raises(ValueError, match="they must fit together"):
        KeypointDisplay.from_predictions(X, y.iloc[:, :4], y.to_numpy())
    with pytest.raises(ValueError, match="one too many"):
        KeypointDisplay.from_predictions(X, y.iloc[:, :4], y)


def test_tables_meet_by_names(faces):
    X, y = faces
    other = y[y.columns[::-1]] + 1
    assert (KeypointDisplay.from_predictions(X, y, other).errors_.round(6) == 1).all()
    np.testing.assert_allclose(KeypointErrorDisplay.from_predictions(X, y, other).errors, 1)
    expected = CumulativeErrorDisplay.from_predictions(y, y.to_numpy() + 1)
    found = CumulativeErrorDisplay.from_predictions(y, other)
    np.testing.assert_allclose(found.errors, expected.errors)


def test_an_estimator_meets_labels_in_another_order(faces):
    X, y = faces
    fitted, other = tiny_regressor(epochs=1).fit(X, y), y[y.columns[::-1]]
    for display in (KeypointDisplay, KeypointErrorDisplay, CumulativeErrorDisplay):
        expected, found = (display.from_estimator(fitted, X, labels) for labels in (y, other))
        errors = "errors_" if display is KeypointDisplay else "errors"
        np.testing.assert_allclose(
            np.sort(getattr(found, errors)), np.sort(getattr(expected, errors)), rtol=1e-6
        )


def test_sides_are_read_as_the_flip_reads_them(faces):
    X, y = faces
    names = ["LeftEye", "RightEye", "nose_l", "nose_r", "chin"]
    y = pd.DataFrame(y.to_numpy()[:, :10], columns=columns_from_names(names))
    display = AugmentationDisplay.from_transformer(AugmentTransformer(), X, y, n_draws=1)
    assert display.sides == ["left", "right", "left", "right", "middle"]


def test_history(faces):
    X, y = faces
    pipe = Pipeline([("augment", AugmentTransformer()), ("regressor", tiny_regressor(epochs=3))])
    with pytest.raises(Exception, match="not fitted"):
        HistoryDisplay.from_estimator(pipe)
    pipe.fit(X, y)
    for metric in ("rmse", "loss"):
        display = HistoryDisplay.from_estimator(pipe, metric=metric)
        training, validation = display.lines_
        np.testing.assert_array_equal(training.get_ydata(), pipe[-1].history_[metric])
        np.testing.assert_array_equal(validation.get_ydata(), pipe[-1].history_[f"val_{metric}"])
        display.figure_.canvas.draw()
    assert "pixels" in HistoryDisplay.from_estimator(pipe).ax_.get_ylabel()
    with pytest.raises(ValueError, match="metric='mae' is not in the history"):
        HistoryDisplay.from_estimator(pipe, metric="mae")


def test_augmentation(faces):
    X, y = faces
    transformer = AugmentTransformer(rotation=15, flip=0.5, random_state=0)
    display = AugmentationDisplay.from_transformer(transformer, X, y, n_faces=3, n_draws=4)
    assert display.images.shape == (3, 5, 96, 96, 1)
    np.testing.assert_array_equal(display.images[:, 0], X[:3])
    np.testing.assert_allclose(display.points[:, 0].reshape(3, -1), y[:3])
    assert len(np.unique(display.images[0].reshape(5, -1), axis=0)) == 5
    assert len(display.axes_) == 15
    assert sorted(set(display.sides)) == ["left", "middle", "right"]
    assert len(display.axes_[0].collections) == 3
    nameless = AugmentationDisplay.from_transformer(
        AugmentTransformer(rotation=5), X, y.to_numpy(), n_faces=1, n_draws=1
    )
    assert set(nameless.sides) == {"middle"}


# errors and labels


def test_cumulative_errors_of_several_estimators_in_one_plot(faces):
    _, y = faces
    first = CumulativeErrorDisplay.from_predictions(y, y + 1, name="a", threshold=0.2)
    second = CumulativeErrorDisplay.from_predictions(
        y, y + 3, name="b", threshold=0.2, ax=first.ax_, color="red"
    )
    assert second.ax_ is first.ax_
    assert second.line_.get_color() == "red"
    assert len(first.ax_.lines) == 2
    # the curve of the smaller errors lies above, and both reach all faces that are in sight
    x = np.linspace(0, 20, 50)
    a, b = (np.interp(x, *display.line_.get_data()) for display in (first, second))
    assert (a >= b).all()
    assert a[-1] == 100
    assert first.ax_.get_xlim() == (0, 20)
    labels = [text.get_text() for text in first.ax_.get_legend().get_texts()]
    assert labels[0].startswith("a (AUC = ")


def test_cumulative_errors_of_an_estimator(faces):
    X, y = faces
    fitted = tiny_regressor().fit(X, y)
    display = CumulativeErrorDisplay.from_estimator(fitted, X, y)
    assert display.name == "KeypointRegressor"
    # arrays take the names that the estimator has learnt
    again = CumulativeErrorDisplay.from_estimator(fitted, X, y.to_numpy())
    np.testing.assert_array_equal(again.errors, display.errors)


def test_errors_by_keypoint_on_the_mean_face(faces):
    X, y = faces
    holes = y.copy()
    holes.iloc[:, :2] = np.nan
    pred = y.to_numpy().copy()
    pred[:, 4] += 3
    figure, ax = plt.subplots()
    display = KeypointErrorDisplay.from_predictions(X, holes, pred, ax=ax)
    assert display.figure_ is figure
    assert np.isnan(display.errors[0])
    assert display.errors[2] == pytest.approx(3 / np.sqrt(2))
    assert len(display.discs_.get_paths()) == 14
    np.testing.assert_allclose(display.points[1:], y.mean().to_numpy().reshape(15, 2)[1:])
    np.testing.assert_array_equal(display.image, X.mean(axis=0).round())
    fitted = tiny_regressor().fit(X, y)
    KeypointErrorDisplay.from_estimator(fitted, X.reshape(40, -1), y)
    assert KeypointErrorDisplay.from_predictions(None, y, pred).ax_.yaxis_inverted()


def test_patterns_of_labels(kaggle_like):
    _, y = kaggle_like
    display = MissingLabelDisplay.from_labels(y)
    assert display.counts.sum() == len(y)
    assert (np.diff(display.counts) <= 0).all()
    complete = int(y.notna().all(axis=1).sum())
    assert complete in display.counts[display.patterns.all(axis=1)]
    labels = [tick.get_text() for tick in display.ax_.get_xticklabels()]
    assert labels[0] == "left eye center"
    few = MissingLabelDisplay.from_labels(y.to_numpy(), max_patterns=1)
    assert len(few.counts) == 1
    assert "rarer patterns" in few.ax_.get_title()
