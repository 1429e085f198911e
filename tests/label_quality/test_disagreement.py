"""Labels of copies are compared with one another."""

import numpy as np
import pytest

from sklearn_kpd.label_quality._disagreement import disagreement
from sklearn_kpd.label_quality._evidence import Evidence


def evidence(residuals):
    shape = residuals.shape[:2]
    return Evidence(residuals, np.ones(shape), 10.0, np.ones(shape), np.ones(shape))


@pytest.mark.parametrize("size", [3, 5, 40])
def test_the_one_that_differs_from_the_others_is_named(size):
    rng = np.random.default_rng(0)
    residuals = np.full((size, 2, 2), 3.0) + rng.normal(size=(size, 2, 2)) * 0.1
    residuals[1, 0] += 20
    p_values = disagreement(evidence(residuals), np.zeros(size, int))
    assert p_values[1, 0] < 1e-6
    assert np.delete(p_values.ravel(), 2).min() > 0.3


def test_of_two_the_one_farther_from_its_prediction_is_named():
    residuals = np.zeros((2, 1, 2))
    residuals[0], residuals[1] = [9, 0], [-1, 0]
    p_values = disagreement(evidence(residuals), np.zeros(2, int))
    assert p_values[0, 0] < 0.01
    assert p_values[1, 0] == 1


def test_a_hard_image_that_was_labelled_alike_twice_is_no_disagreement():
    residuals = np.full((2, 3, 2), 40.0)
    assert (disagreement(evidence(residuals), np.zeros(2, int)) == 1).all()


def test_what_has_no_other_label_is_not_judged():
    residuals = np.zeros((4, 1, 2))
    residuals[1] = np.nan
    p_values = disagreement(evidence(residuals), np.array([0, 0, 1, 2]))
    assert np.isnan(p_values).all()


def test_many_labels_tell_how_much_annotators_differ():
    rng = np.random.default_rng(0)
    residuals = rng.normal(size=(400, 5, 2)) * 4  # they scatter by 4 pixels
    p_values = disagreement(evidence(residuals), np.repeat(np.arange(200), 2))
    judged = p_values[p_values < 1]
    assert (judged < 0.01).mean() < 0.03
