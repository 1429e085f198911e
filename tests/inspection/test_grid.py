import numpy as np

from sklearn_kpd.inspection import KeypointDisplay, KeypointErrorDisplay
from sklearn_kpd.inspection import _grid as grid


def test_only_the_faces_that_are_shown_are_converted(faces, monkeypatch):
    X, y = faces
    converted = []

    def counted(batch, gain):
        converted.append(len(batch))
        return levels(batch, gain)

    levels = grid.to_grey_levels
    monkeypatch.setattr(grid, "to_grey_levels", counted)
    display = KeypointDisplay.from_predictions(X / 255, y, y + 1, n_faces=2, order="first")
    assert converted == [2]
    np.testing.assert_array_equal(display.images, X[:2])


def test_a_dark_face_is_shown_by_the_range_of_all(faces):
    X, y = faces
    X = X.astype(np.float32)
    X[0] /= 255
    display = KeypointDisplay.from_predictions(X, y, y, n_faces=1, order="first")
    assert display.images.max() <= 1


def test_the_mean_face_is_made_in_pieces(faces, monkeypatch):
    X, y = faces
    monkeypatch.setattr("sklearn_kpd.images._ROWS_AT_A_TIME", 7)
    for form in (X, X / 255, X.reshape(len(X), -1)):
        display = KeypointErrorDisplay.from_predictions(form, y, y)
        np.testing.assert_allclose(display.image, X.mean(axis=0), atol=0.51)
