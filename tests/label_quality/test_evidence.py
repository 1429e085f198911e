"""P-values of right labels are uniform, those of wrong ones are not, and move nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from sklearn_kpd.label_quality._evidence import fit_degrees, tail, unit, weigh


def student(rng, shape, degrees):
    normal = rng.normal(size=(*shape, 2))
    return normal / np.sqrt(rng.chisquare(degrees, shape) / degrees)[..., np.newaxis]


def right_labels(rng, n=2000, k=8, degrees=6):
    """Labels and predictions whose distances have heavy tails, by keypoint and by scheme."""
    found = rng.uniform(0, 96, (n, k, 2))
    schemes = np.arange(n) % 2
    usual = np.linspace(0.5, 2, k)[np.newaxis, :, np.newaxis] * (1 + schemes)[:, None, None]
    habit = np.where(schemes == 0, 0.0, 3.0)[:, np.newaxis, np.newaxis]
    return found + habit + usual * student(rng, (n, k), degrees), found, schemes


@pytest.mark.parametrize("degrees", [3, 6, 15, 60])
def test_degrees_are_found_again(degrees):
    distances = np.hypot(*student(np.random.default_rng(0), (200_000,), degrees).T)
    distances *= np.sqrt(2 * np.log(2)) / np.median(distances)
    assert fit_degrees(distances) == pytest.approx(degrees, rel=0.25)


@given(st.floats(2, 100), st.floats(0, 30))
def test_tail_is_a_probability_that_falls(degrees, distance):
    assert 0 < tail(np.float64(distance), degrees) <= 1
    assert tail(np.float64(distance + 1), degrees) < tail(np.float64(distance), degrees)


@given(st.floats(2, 100))
def test_unit_brings_the_median_to_that_of_a_normal_distribution(degrees):
    median = np.sqrt(2 * np.log(2)) / unit(degrees)
    assert tail(np.float64(median), degrees) == pytest.approx(0.5)


@pytest.mark.parametrize("spoilt", [0, 0.1])
def test_right_labels_are_as_unlikely_as_chance_has_it(spoilt):
    rng = np.random.default_rng(1)
    labels, found, schemes = right_labels(rng)
    wrong = rng.random(labels.shape[:2]) < spoilt
    labels[wrong] += 40
    # an object with several wrong labels is suspicious as a whole
    counted = ~wrong & (wrong.sum(axis=1, keepdims=True) < 2)
    p_values = weigh(labels, found, None, schemes).p_values[counted]
    # the smaller of two counts twice: at most as many as promised, and not far fewer
    for level in (0.01, 0.001):
        assert level / 4 < (p_values <= level).mean() < 1.5 * level


def test_the_list_holds_its_false_discovery_rate():
    rng = np.random.default_rng(2)
    labels, found, schemes = right_labels(rng, n=4000)
    wrong = rng.random(labels.shape[:2]) < 0.03
    labels[wrong] += rng.choice([-25, 25], (wrong.sum(), 2))
    listed = false_discovery_control(weigh(labels, found, None, schemes).p_values) <= 0.05
    assert wrong[listed].mean() > 0.93
    assert listed[wrong].mean() > 0.6


def test_the_habit_of_a_scheme_is_no_evidence():
    rng = np.random.default_rng(3)
    labels, found, schemes = right_labels(rng)
    moved = labels + np.where(schemes == 0, 0.0, 50.0)[:, np.newaxis, np.newaxis]
    np.testing.assert_allclose(
        weigh(labels, found, None, schemes).p_values, weigh(moved, found, None, schemes).p_values
    )


def test_where_the_network_is_unsure_the_same_distance_is_less_unlikely():
    rng = np.random.default_rng(4)
    labels, found, schemes = right_labels(rng)
    std = np.where(rng.random(labels.shape[:2]) < 0.5, 0.5, 4.0)[..., np.newaxis] * np.ones(2)
    labels = found + std * rng.normal(size=labels.shape)
    std *= 7  # up to a factor
    labels[0], labels[1] = found[0] + [5, 0], found[1] + [5, 0]
    std[0], std[1] = 3.5, 28
    with_std = weigh(labels, found, std, schemes).p_values
    assert with_std[0].max() < 1e-6
    assert with_std[1].min() > 0.01


def test_an_object_is_suspicious_that_is_a_little_off_everywhere():
    rng = np.random.default_rng(5)
    found = rng.uniform(0, 96, (1000, 15, 2))
    labels = found + rng.normal(size=found.shape)
    labels[0] = found[0] + [3.5, 0]
    evidence = weigh(labels, found, None, np.zeros(1000, int))
    assert evidence.p_values[0].max() < 1e-5


def test_keypoints_with_few_labels_or_none_are_weighed_too():
    rng = np.random.default_rng(6)
    labels, found, schemes = right_labels(rng, n=200)
    labels[3:, 0] = np.nan
    labels[:, 1] = np.nan
    labels[5] = np.nan
    p_values = weigh(labels, found, None, schemes).p_values
    np.testing.assert_array_equal(np.isnan(p_values), np.isnan(labels).any(axis=2))


def test_labels_that_equal_the_predictions_are_not_suspicious():
    found = np.random.default_rng(7).uniform(0, 96, (50, 4, 2))
    labels = found.copy()
    labels[0, 0] += 10
    p_values = weigh(labels, found, None, np.zeros(50, int)).p_values
    assert p_values[0, 0] < 1e-6
    assert p_values[1:].min() > 0.05
