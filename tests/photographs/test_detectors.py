"""Detectors, and of boxes that overlap the surest."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_kpd.photographs._detectors import get_detector, overlaps, suppress

boxes = st.lists(
    st.tuples(st.floats(0, 50), st.floats(0, 50), st.floats(1, 50), st.floats(1, 50)),
    min_size=1, max_size=12,
).map(lambda rows: np.array([(x, y, x + w, y + h) for x, y, w, h in rows]))  # fmt: skip


@given(boxes)
def test_those_that_stay_do_not_overlap_and_those_that_go_do(found):
    kept = suppress(found)
    shared = overlaps(found[kept][:, None], found[kept])
    assert (shared[~np.eye(len(kept), dtype=bool)] <= 0.3).all()
    for gone in set(range(len(found))) - {*kept}:
        surer = [k for k in kept if k < gone]  # the first is the surest
        assert (overlaps(found[gone], found[surer]) > 0.3).any()


@given(boxes, st.randoms())
def test_scores_decide_and_not_the_order(found, random):
    scores = np.arange(len(found)) / 10
    order = list(range(len(found)))
    random.shuffle(order)
    kept = suppress(found[order], scores[order])
    assert [order[k] for k in kept] == suppress(found, scores).tolist()
    assert kept[0] == order.index(len(found) - 1)


def test_overlaps():
    a = np.array([0.0, 0, 10, 10])
    others = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [2, 2, 4, 4]])
    np.testing.assert_allclose(overlaps(a, others), [1, 50 / 150, 0, 0.04])


def test_unknown_and_absent_detectors(monkeypatch):
    with pytest.raises(ValueError, match="detector='yolo' is unknown; it may be None, 'mtcnn'"):
        get_detector("yolo")
    monkeypatch.setitem(sys.modules, "mtcnn", None)
    with pytest.raises(ImportError, match=r"pip install 'sklearn-kpd\[faces\]'"):
        get_detector("mtcnn")


def test_mtcnn():
    pytest.importorskip("mtcnn")
    from skimage import data

    ((left, top, right, bottom, score),) = get_detector("mtcnn")(data.astronaut())
    assert left < 220 < right
    assert top < 110 < bottom
    assert score > 0.9


def test_a_photograph_smaller_than_any_face_has_none():
    assert list(get_detector(None)(np.zeros((20, 300, 3), np.uint8))) == []
