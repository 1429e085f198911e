import numpy as np
import pandas as pd
import pytest

from sklearn_kpd.datasets import make_faces
from sklearn_kpd.keypoints import KAGGLE_KEYPOINTS, columns_from_names


def test_form():
    X, y = make_faces(5, random_state=0)
    assert (X.shape, X.dtype) == ((5, 96, 96, 1), np.uint8)
    assert list(y.columns) == columns_from_names(KAGGLE_KEYPOINTS)
    assert y.notna().all(axis=None)


def test_the_same_seed_repeats_and_missing_labels_change_no_face():
    (X, y), (X2, y2), (X3, _) = (make_faces(5, random_state=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(X, X2)
    pd.testing.assert_frame_equal(y, y2)
    assert not np.array_equal(X, X3)
    X4, y4 = make_faces(5, missing=0.5, random_state=0)
    np.testing.assert_array_equal(X, X4)
    labelled = y4.notna().to_numpy()
    np.testing.assert_array_equal(y4.to_numpy()[labelled], y.to_numpy()[labelled])


def test_faces_are_like_faces_and_vary():
    _, y = make_faces(200, random_state=0)
    assert (y["left_eye_center_x"] > y["right_eye_center_x"]).all()  # the subject's own left
    assert (y["mouth_center_bottom_lip_y"] > y["mouth_center_top_lip_y"]).all()
    assert (y["nose_tip_y"] > y["left_eye_center_y"]).mean() > 0.98
    assert y.to_numpy().min() > -5
    assert y.to_numpy().max() < 100
    assert (y.std() > 2).all()


def test_dark_eyes_lie_at_their_keypoints():
    X, y = make_faces(100, random_state=0)
    at_eye, around = [], []
    for image, row in zip(X[..., 0].astype(float), y.to_dict("records"), strict=True):
        for side in ("left", "right"):
            x, row_y = row[f"{side}_eye_center_x"], row[f"{side}_eye_center_y"]
            i, j = round(row_y), round(x)
            at_eye.append(image[i - 1 : i + 2, j - 1 : j + 2].mean())
            around.append(image[i + 7 : i + 10, j - 4 : j + 5].mean())
    assert np.mean(at_eye) < np.mean(around) - 10


def test_missing_as_in_kaggles_file():
    _, y = make_faces(1000, missing="kaggle", random_state=0)
    labelled = y.notna().to_numpy().reshape(1000, 15, 2)
    np.testing.assert_array_equal(labelled[..., 0], labelled[..., 1])
    count = labelled[..., 0].sum(axis=1)
    assert abs((count == 15).mean() - 0.304) < 0.05
    assert abs((count == 4).mean() - 0.675) < 0.05
    assert set(np.unique(count)) <= {4, 14, 15}


def test_missing_share():
    _, y = make_faces(200, missing=0.3, random_state=0)
    assert abs(y.isna().to_numpy().mean() - 0.3) < 0.05
    assert make_faces(3, missing=0.0, random_state=0)[1].notna().all(axis=None)


@pytest.mark.parametrize("n_samples", [0, -1, 2.5, "3"])
def test_bad_n_samples(n_samples):
    with pytest.raises(ValueError, match="n_samples"):
        make_faces(n_samples)


@pytest.mark.parametrize("missing", ["some", 1.5, -0.1, [1]])
def test_bad_missing(missing):
    with pytest.raises(ValueError, match="it may be None, 'kaggle' or a share"):
        make_faces(2, missing=missing)
