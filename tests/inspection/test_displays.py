import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from sklearn_kpd import AugmentTransformer
from sklearn_kpd.inspection import AugmentationDisplay, HistoryDisplay, KeypointDisplay
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
    a, b = (
        KeypointDisplay.from_predictions(X, y, pred, n_faces=5, order="random", random_state=s)
        for s in (0, 0)
    )
    assert a.indices.tolist() == b.indices.tolist()
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
    pipe = Pipeline([("augment", AugmentTransformer(rotation=5)), ("cnn", tiny_regressor())])
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
        KeypointDisplay.from_predictions(X, y.iloc[:, :4], y)


def test_history(faces):
    X, y = faces
    pipe = Pipeline([("augment", AugmentTransformer()), ("cnn", tiny_regressor(epochs=3))])
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
