import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sklearn_kpd.conformal import conformal_quantile, keypoint_scores, labels_needed
from sklearn_kpd.conformal._scores import (
    largest_radius,
    quantile_ranks,
    reaches,
    regions_of,
    row_maxima,
    scales_of,
)

coverages = st.sampled_from([0.05, 0.1, 0.3, 0.5, 0.55, 0.7, 0.8, 0.9, 0.95, 0.99])
# ties too
scores = arrays(
    np.float64,
    st.tuples(st.integers(1, 24), st.integers(1, 3)),
    elements=st.one_of(st.integers(0, 5).map(float), st.floats(0, 1e6), st.just(np.nan)),
)


@settings(deadline=None)
@given(scores, coverages, st.booleans())
def test_each_of_exchangeable_rows_is_held_as_often_as_promised(scores, coverage, joint):
    # Of n + 1 rows each is the new one equally often: that is what exchangeable means.
    scores = row_maxima(scores) if joint else scores
    held = np.array(
        [
            row <= conformal_quantile(np.delete(scores, i, axis=0), coverage)
            for i, row in enumerate(scores)
        ]
    )
    labelled = ~np.isnan(scores)
    assert (held.sum(axis=0) >= coverage * labelled.sum(axis=0) - 1e-9).all()


@given(st.integers(0, 500), coverages)
def test_the_quantile_is_the_smallest_that_keeps_the_promise(n, coverage):
    (rank,) = quantile_ranks([n], coverage)
    assert rank / (n + 1) >= coverage - 1e-12
    assert (rank - 1) / (n + 1) < coverage


@given(coverages)
def test_labels_needed(coverage):
    n = labels_needed(coverage)
    assert np.isfinite(conformal_quantile(np.arange(n), coverage))
    assert np.isinf(conformal_quantile(np.arange(n - 1), coverage))


@pytest.mark.parametrize(
    ("coverage", "n", "rank"),
    [(0.9, 9, 9), (0.9, 10, 10), (0.8, 4, 4), (0.7, 9, 7), (0.55, 99, 55)],
)
def test_ranks_do_not_suffer_from_rounding(coverage, n, rank):
    assert quantile_ranks(n, coverage) == rank
    assert conformal_quantile(np.arange(1, n + 1), coverage) == rank


def test_without_a_label_the_region_is_everything():
    assert conformal_quantile(np.full((3, 2), np.nan), 0.1).tolist() == [np.inf, np.inf]
    assert conformal_quantile(np.empty((0, 2)), 0.1).tolist() == [np.inf, np.inf]


def test_scores_by_hand():
    true = np.array([[[3.0, 4.0], [np.nan, 1.0]]])
    pred, std = np.zeros((1, 2, 2)), np.array([[[1.0, 7.0], [1.0, 1.0]]])
    expected = {"distance": 5.0, "scaled": 1.0, "mahalanobis": math.hypot(3, 4 / 7)}
    for name, value in expected.items():
        scales = scales_of(name, None if name == "distance" else std, pred.shape)
        found = keypoint_scores(true, pred, scales)
        assert found[0, 0] == pytest.approx(value)
        assert np.isnan(found[0, 1])


def test_row_maxima():
    found = row_maxima(np.array([[1.0, 3.0], [np.nan, 2.0], [np.nan, np.nan]]))
    np.testing.assert_array_equal(found, [[3.0], [2.0], [np.nan]])


def test_ellipses_by_hand():
    scales = np.array([[[1.0, 2.0]]])
    (matrix,) = regions_of("mahalanobis", np.array([[3.0]]), scales)[0]
    np.testing.assert_array_equal(matrix, [[9, 0], [0, 36]])
    assert largest_radius(matrix[np.newaxis, np.newaxis]).item() == 6
    infinite = regions_of("mahalanobis", np.array([[np.inf]]), scales)
    assert not np.isnan(infinite).any()
    assert largest_radius(infinite).item() == np.inf


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.sampled_from(["distance", "scaled", "mahalanobis"]), coverages)
def test_regions_of_folds_hold_all_that_cv_plus_holds(seed, score, coverage):
    rng = np.random.default_rng(seed)
    n_folds, n, k = 3, 2, 2
    points = rng.normal(size=(n_folds, n, k, 2))
    std = rng.gamma(2, size=points.shape) + 0.1
    scales = scales_of(score, None if score == "distance" else std, points.shape)
    folds = np.repeat(np.arange(n_folds), 8)
    scores = rng.gamma(2, size=(len(folds), k))
    centres, centre_scales, (reach,) = reaches(scores, folds, points, scales, [coverage])
    rank = quantile_ranks(len(folds), coverage)
    for z in rng.normal(scale=4, size=(40, 1, 2)):
        # by the definition: z is in if few enough calibration rows were less odd than it
        own = keypoint_scores(z, points, scales)
        odder = (own[folds] > scores[:, np.newaxis]).sum(axis=0) >= rank
        beyond = keypoint_scores(z, centres, centre_scales) > reach
        assert (odder | ~beyond).all()
