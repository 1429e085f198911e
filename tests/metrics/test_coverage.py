import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from sklearn_kpd.keypoints import columns_from_names
from sklearn_kpd.metrics import coverage_score, make_coverage_scorer
from sklearn_kpd.metrics._coverage import clopper_pearson

NAN = np.nan
TRUE = np.array([[3.0, 4.0, 0.0, 9.0], [3.0, 4.0, NAN, NAN], [NAN, NAN, NAN, NAN]])
PRED = np.zeros((3, 4))
RADII = np.tile([5.0, 8.0], (3, 1))


def test_by_hand():
    assert coverage_score(TRUE, PRED, RADII) == pytest.approx(2 / 3)
    assert coverage_score(TRUE, PRED, RADII, joint=True) == 1 / 2
    assert coverage_score(TRUE, PRED, RADII, by_keypoint=True).tolist() == [1, 0]
    assert coverage_score(TRUE, PRED, np.full((3, 2), np.inf), joint=True) == 1


def test_a_keypoint_without_a_label():
    true = np.where([True, True, False, False], TRUE, NAN)
    coverage, interval = coverage_score(true, PRED, RADII, by_keypoint=True, return_interval=True)
    np.testing.assert_array_equal(coverage, [1, NAN])
    assert interval[:, 1].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("matrix", "point", "inside"),
    [
        ([[25, 0], [0, 1]], (5.0, 0.0), True), ([[25, 0], [0, 1]], (5.01, 0.0), False),
        ([[25, 0], [0, 1]], (0.0, 1.01), False), ([[25, 0], [0, 1]], (3.0, 0.8), True),
        # turned by 45 degrees: semi-axes 2 and 1
        ([[2.5, 1.5], [1.5, 2.5]], (1.41, 1.41), True),
        ([[2.5, 1.5], [1.5, 2.5]], (1.41, -1.41), False),
        ([[np.inf, 0], [0, np.inf]], (1e6, 1e6), True),
    ],
)  # fmt: skip
def test_ellipses(matrix, point, inside):
    regions = np.array(matrix, float)[np.newaxis, np.newaxis]
    assert coverage_score([point], [(0.0, 0.0)], regions) == inside


def test_tables_meet_by_names():
    names = columns_from_names(["nose", "chin"])
    true, pred = pd.DataFrame(TRUE, columns=names), pd.DataFrame(PRED, columns=names)
    expected = coverage_score(TRUE, PRED, RADII, by_keypoint=True)
    found = coverage_score(true[names[::-1]], pred, RADII, by_keypoint=True)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("hits", "count"), [(0, 10), (3, 10), (10, 10), (290, 330)])
def test_intervals_are_exact(hits, count):
    low, high = clopper_pearson(hits, count, 0.9)
    if hits:
        assert binom.sf(hits - 1, count, low) == pytest.approx(0.05)
    if hits < count:
        assert binom.cdf(hits, count, high) == pytest.approx(0.05)
    assert low <= hits / count <= high


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((TRUE * NAN, PRED, RADII), "no labelled keypoint"),
        ((TRUE, PRED * NAN, RADII), "a keypoint that was refused"),
        ((TRUE, PRED[:, :2], RADII), r"y_pred \(3, 2\)"),
        ((TRUE, PRED, RADII.T), r"must be \(3, 2\), radii"),
        ((TRUE, PRED, RADII * NAN), "is no region"),
        ((TRUE, PRED, -RADII), "is no region"),
    ],
)
def test_what_cannot_be_measured(arguments, message):
    with pytest.raises(ValueError, match=message):
        coverage_score(*arguments)


def test_objects_and_keypoints_at_once():
    with pytest.raises(ValueError, match="joint=True counts whole objects"):
        coverage_score(TRUE, PRED, RADII, joint=True, by_keypoint=True)


def test_a_scorer_says_what_it_is():
    assert (
        repr(make_coverage_scorer(joint=True)) == "make_coverage_scorer(coverage=0.9, joint=True)"
    )
