"""BoxFinder: a network that learns where the object lies."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score

import sklearn_kpd
from sklearn_kpd.photographs import BoxFinder
from sklearn_kpd.photographs.box_finder import _edge_middles, _known_boxes
from tests.helpers import make_photographs, tiny_network

BOX = ["left", "top", "right", "bottom"]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    return make_photographs(tmp_path_factory.mktemp("photographs"), 60)


@pytest.fixture(scope="module")
def fitted(photographs):
    return tiny().fit(*photographs)


def tiny(**parameters):
    return BoxFinder(tiny_network, **{"size": 48, "epochs": 2, "random_state": 0, **parameters})


def test_it_learns_where_the_object_lies(photographs, tmp_path):
    X, _ = make_photographs(tmp_path, 150, random_state=1)
    finder = BoxFinder("cnn", size=48, epochs=12, random_state=0).fit(X)
    # an average box would have about 0.35
    assert finder.score(*photographs) > 0.5


def test_predict_gives_the_table_with_boxes(photographs, fitted):
    X, _ = photographs
    more = X.assign(name="Ann").iloc[::-1]
    found = fitted.predict(more)
    assert found.columns.tolist() == more.columns.tolist()
    assert found.index.tolist() == more.index.tolist()
    assert (found["right"] > found["left"]).all()
    assert (found["bottom"] > found["top"]).all()
    # neither boxes that are there nor the form of X play a part
    paths = X["path"].tolist()
    again = fitted.predict(paths)
    assert again.columns.tolist() == ["path", *BOX]
    np.testing.assert_array_equal(again[BOX], found[BOX].iloc[::-1])
    assert more[BOX].equals(X[BOX].iloc[::-1])  # X is not changed


def test_boxes_come_from_keypoints_where_there_are_none(photographs):
    X, y = photographs
    X, y = X.iloc[:4].copy(), y.iloc[:4].copy()
    X.loc[1:, BOX] = np.nan
    y.iloc[2, 4:] = np.nan
    y.iloc[3] = np.nan
    boxes = _known_boxes(X, y, margin=0.5)
    np.testing.assert_array_equal(boxes[0], X[BOX].iloc[0])
    points = y.to_numpy().reshape(4, -1, 2)
    for row in (1, 2):
        low, high = np.nanmin(points[row], axis=0), np.nanmax(points[row], axis=0) + 1
        np.testing.assert_allclose(boxes[row, :2], low - (high - low) / 2)
        np.testing.assert_allclose(boxes[row, 2:], high + (high - low) / 2)
    assert np.isnan(boxes[3]).all()


def test_edges_are_half_a_pixel_beside_the_middles_of_pixels():
    middles = _edge_middles(np.array([[0.0, 0.0, 10.0, 20.0]]))
    assert middles.iloc[0].tolist() == [-0.5, 9.5, 4.5, -0.5, 9.5, 9.5, 4.5, 19.5]


def test_rows_without_anything_are_left_out(photographs):
    X, y = photographs
    X, y = X.copy(), y.copy()
    X.loc[10:20, BOX] = np.nan
    y.loc[10:20] = np.nan
    some = tiny(epochs=1).fit(X, y)
    kept = np.r_[0:10, 21:60]
    others = tiny(epochs=1).fit(X.iloc[kept])
    np.testing.assert_array_equal(some.predict(X)[BOX], others.predict(X)[BOX])
    assert some.score(X, y) == pytest.approx(some.score(X.iloc[kept]))


def test_score_is_the_mean_overlap(photographs, fitted):
    X, _ = photographs
    found = fitted.predict(X)
    assert fitted.score(found) == pytest.approx(1)
    shifted = found.assign(**{c: found[c] + 1e4 for c in ("left", "right")})
    assert fitted.score(shifted) == 0


def test_scikit_learn_s_conventions(photographs, fitted, tmp_path):
    X, y = photographs
    with pytest.raises(NotFittedError):
        tiny().predict(X)
    again = clone(fitted).fit(X, y)
    np.testing.assert_array_equal(again.predict(X)[BOX], fitted.predict(X)[BOX])
    scores = cross_val_score(tiny(epochs=1), X, y, cv=2)
    assert ((scores >= 0) & (scores <= 1)).all()
    sklearn_kpd.save(fitted, tmp_path / "f.kpd")
    loaded = sklearn_kpd.load(tmp_path / "f.kpd", trusted=[tiny_network])
    np.testing.assert_array_equal(loaded.predict(X)[BOX], fitted.predict(X)[BOX])


def test_errors(photographs):
    X, y = photographs
    twice = pd.concat([X, X.iloc[[3]]])
    with pytest.raises(ValueError, match=r"X, row 60: .*0003\.jpg is in an earlier row too"):
        tiny().fit(twice)
    with pytest.raises(ValueError, match="nothing to learn"):
        tiny().fit(X["path"].tolist())
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        tiny().fit(X, y[:5])
    with pytest.raises(ValueError, match="'margin' parameter"):
        tiny(margin=-1).fit(X)
    finder = tiny()
    with pytest.raises(ValueError, match="'epochs' parameter"):
        finder.set_params(epochs=0).fit(X)
    assert not hasattr(finder, "pipeline_")
