import cv2
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import GroupKFold, cross_val_score

from sklearn_kpd import metrics, model_selection
from sklearn_kpd.images import as_images
from sklearn_kpd.model_selection import duplicate_groups, labelling_schemes
from tests.helpers import tiny_regressor


def test_duplicates_share_a_group(faces):
    X, _ = faces
    rng = np.random.default_rng(0)
    noisy = np.clip(X[:5] + rng.normal(0, 3, X[:5].shape), 0, 255).astype(np.uint8)
    darker = (X[5:10] * 0.8).astype(np.uint8)
    small = np.stack([cv2.resize(x, (48, 48), interpolation=cv2.INTER_AREA) for x in X[10:15]])
    back = np.stack([cv2.resize(x, (96, 96)) for x in small])[..., np.newaxis]
    groups = duplicate_groups(np.concatenate([X, noisy, darker, back]))
    assert len(groups) == 55
    np.testing.assert_array_equal(groups[40:], groups[:15])
    assert len(np.unique(groups[:40])) >= 38


@pytest.mark.parametrize("form", ["flat", "3-D", "0..1", "frame", "float 0..255"])
def test_any_form_of_images(faces, form):
    X = np.concatenate([faces[0][:6], faces[0][:2]])
    forms = {
        "flat": X.reshape(8, -1),
        "3-D": X[..., 0],
        "0..1": X / 255,
        "frame": pd.DataFrame(X.reshape(8, -1)),
        "float 0..255": X.astype(float),
    }
    np.testing.assert_array_equal(duplicate_groups(forms[form]), duplicate_groups(X))
    assert duplicate_groups(X)[6] == duplicate_groups(X)[0]


def test_groups_are_chains_and_distance_0_is_the_same_hash(faces):
    X, _ = faces
    assert (duplicate_groups(X, max_distance=63) == 0).all()
    assert len(np.unique(duplicate_groups(X, max_distance=0))) >= 39
    assert duplicate_groups(np.zeros((3, 8, 8), np.uint8)).tolist() == [0, 0, 0]
    for wrong in (-1, 64, True, 2.5, "6"):
        with pytest.raises(ValueError, match="max_distance"):
            duplicate_groups(X, max_distance=wrong)


@pytest.mark.parametrize("max_distance", [0, 12, 20])
def test_groups_are_the_same_a_few_pairs_at_a_time(monkeypatch, max_distance):
    X = np.random.default_rng(0).integers(0, 256, (200, 8, 8), dtype=np.uint8)
    X[50:60] = X[:10]
    groups = duplicate_groups(X, max_distance=max_distance)
    monkeypatch.setattr(model_selection, "_PAIRS_AT_A_TIME", 500)
    np.testing.assert_array_equal(duplicate_groups(X, max_distance=max_distance), groups)
    signs = model_selection.image_signs(as_images(X))
    near = (signs @ signs.T) >= 63 - 2 * max_distance
    expected = connected_components(coo_matrix(near), directed=False)[1]
    np.testing.assert_array_equal(groups, expected)


def test_groups_keep_duplicates_in_one_fold(faces):
    X, y = faces
    X, y = np.concatenate([X, X]), np.concatenate([y, y])
    groups = duplicate_groups(X)
    for train, test in GroupKFold(4).split(X, y, groups):
        assert not set(groups[train]) & set(groups[test])
    scores = cross_val_score(
        tiny_regressor(), X, y, groups=groups, cv=GroupKFold(2),
        scoring=metrics.neg_mean_squared_error,
    )  # fmt: skip
    assert np.isfinite(scores).all()


def test_labelling_schemes_of_kaggle_like_labels(kaggle_like):
    _, y = kaggle_like
    schemes = labelling_schemes(y)
    complete = y.notna().all(axis=1).to_numpy()
    assert (schemes[complete] == 0).all()
    assert (schemes[~complete] > 0).mean() > 0.8
    assert (labelling_schemes(y.fillna(0)) == 0).all()
    assert (labelling_schemes(y.to_numpy().reshape(60, 15, 2)) == schemes).all()
