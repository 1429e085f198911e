"""Which images come first."""

import numpy as np
import pytest
from sklearn.dummy import DummyRegressor

from sklearn_kpd.label_quality import rank_unlabelled
from sklearn_kpd.label_quality._unlabelled import _diverse
from tests.helpers import tiny_regressor


def signs(rng, n):
    return rng.choice(np.float32([-1, 1]), (n, 63))


def test_the_least_sure_comes_first():
    worth = np.array([1.0, 5.0, 3.0])
    different = signs(np.random.default_rng(0), 3)
    assert _diverse(worth, different, 3)[0][0] == 1


def test_copies_come_last():
    rng = np.random.default_rng(0)
    hashes = signs(rng, 10)
    hashes[1:4] = hashes[0]
    worth = np.full(10, 1.0)
    worth[:4] = 10
    rows, novelty = _diverse(worth, hashes, 10)
    assert rows[0] == 0
    assert set(rows[-3:]) == {1, 2, 3}
    np.testing.assert_array_equal(novelty[-3:], 0)
    assert sorted(rows) == list(range(10))


def test_as_many_as_there_are():
    rng = np.random.default_rng(0)
    assert len(_diverse(np.ones(4), signs(rng, 4), 100)[0]) == 4


@pytest.fixture(scope="module")
def fitted(faces):
    X, y = faces
    return tiny_regressor().fit(X[:30], y[:30])


def test_a_fitted_regressor_ranks_images(fitted, faces):
    X, _ = faces
    X = np.concatenate([X[30:], X[30:]])
    ranked = rank_unlabelled(fitted, X, n_images=10)
    assert ranked.columns.tolist() == ["row", "spread", "novelty"]
    assert len(set(ranked["row"] % 10)) == 10  # a copy of none
    _, y_std = fitted.predict(X, return_std=True)
    expected = np.sqrt((y_std.reshape(20, -1) ** 2).mean(axis=1))
    np.testing.assert_allclose(ranked["spread"], expected[ranked["row"]], rtol=1e-5)
    assert ranked["spread"][0] == pytest.approx(expected.max())


def test_errors(fitted, faces):
    X, _ = faces
    with pytest.raises(ValueError, match="n_images=0 must be an int, at least 1"):
        rank_unlabelled(fitted, X, n_images=0)
    dummy = DummyRegressor().fit(X.reshape(len(X), -1), np.zeros((len(X), 30)))
    with pytest.raises(ValueError, match="DummyRegressor tells no standard deviation"):
        rank_unlabelled(dummy, X)
