import contextlib
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_kpd._training.data import (
    LabelledImages,
    Run,
    label_shares,
    make_split,
    split_rows,
    validated_rows,
)

SHARES = st.floats(0, 0.95)
SEEDS = st.integers(0, 2**31 - 1)


@given(st.integers(1, 200), SHARES, SEEDS)
def test_every_row_is_on_one_side_and_one_is_trained_on(n_rows, share, seed):
    training, validation = split_rows(n_rows, share, seed)
    np.testing.assert_array_equal(np.sort([*training, *validation]), np.arange(n_rows))
    assert len(training)
    assert len(validation) == min(int(n_rows * share), n_rows - 1)


@given(st.lists(st.integers(0, 8), min_size=2, max_size=100), st.floats(0.01, 0.95), SEEDS)
def test_groups_stay_on_one_side(groups, share, seed):
    groups = np.array(groups)
    if len(np.unique(groups)) == 1:
        with pytest.raises(ValueError, match="one group for all rows"):
            split_rows(len(groups), share, seed, groups=groups)
        return
    training, validation = split_rows(len(groups), share, seed, groups=groups)
    np.testing.assert_array_equal(np.sort([*training, *validation]), np.arange(len(groups)))
    assert not set(groups[training]) & set(groups[validation])
    assert len(training)
    assert len(validation)
    # no more than the share, but for the one group that is held out in any case
    assert len(validation) <= share * len(groups) or len(set(groups[validation])) == 1


def test_groups_of_single_rows_split_as_rows_do():
    for seed in range(5):
        for mine, rows in zip(
            split_rows(40, 0.3, seed, groups=np.arange(40)), split_rows(40, 0.3, seed), strict=True
        ):
            np.testing.assert_array_equal(mine, rows)


@given(st.integers(2, 100), st.floats(0.1, 0.9), SEEDS, st.data())
def test_weights_leave_rows_out_and_move_none_to_the_other_side(n_rows, share, seed, data):
    weights = np.array(
        data.draw(st.lists(st.sampled_from([0.0, 1.0, 2.5]), min_size=n_rows, max_size=n_rows))
    )
    if not weights.any():
        with pytest.raises(ValueError, match="sample_weight is 0"):
            split_rows(n_rows, share, seed, sample_weight=weights)
        return
    training, validation = split_rows(n_rows, share, seed, sample_weight=weights)
    np.testing.assert_array_equal(np.sort([*training, *validation]), np.flatnonzero(weights))
    order = np.random.default_rng(seed).permutation(n_rows)
    place = np.argsort(order)
    if len(validation):
        assert place[validation].max() < place[training].min()


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=30))
def test_shares_go_by_the_number_of_labels(labelled):
    labelled = np.array(labelled)
    if labelled.any():
        shares = label_shares(np.where(labelled, 1.0, np.nan))
        np.testing.assert_allclose(shares * labelled.sum(), labelled.sum(axis=1))


@given(st.lists(st.sampled_from([0, 1, 4]), min_size=4, max_size=60), SHARES, SEEDS)
@pytest.mark.parametrize("missing", ["mask", "mean"])
def test_rows_without_labels_are_on_neither_side(missing, counts, share, seed):
    labelled = np.arange(4) < np.array(counts)[:, np.newaxis]
    values = np.where(labelled, np.arange(len(counts))[:, np.newaxis], np.nan)
    data = LabelledImages(np.zeros((len(counts), 2, 2, 1)), 1.0, values)
    with warnings.catch_warnings(), contextlib.suppress(ValueError):  # a column without labels
        warnings.filterwarnings("ignore", "column .* has no label")
        split = make_split(data, share, seed, missing)
        check_split(split, values, share, missing)


def check_split(split, values, share, missing):
    labelled = ~np.isnan(values)
    some = labelled.any(axis=1)
    np.testing.assert_array_equal(np.sort([*split.rows, *split.validation]), np.flatnonzero(some))
    np.testing.assert_array_equal(split.unlabelled, np.flatnonzero(~some))
    assert len(split.validation) == min(int(some.sum() * share), some.sum() - 1)
    known = labelled[split.rows]
    np.testing.assert_array_equal(split.values[known], values[split.rows][known])
    assert np.isnan(split.values).any() == (missing == "mask" and not known.all())


@given(st.lists(st.sampled_from([0, 1, 4]), max_size=60), SEEDS)
def test_what_is_dropped_is_not_validated_on_either(counts, seed):
    labelled = np.arange(4) < np.array(counts, int).reshape(-1, 1)
    values = np.where(labelled, 1.0, np.nan)
    rows = np.flatnonzero(np.random.default_rng(seed).random(len(counts)) < 0.5)
    for missing in ("mask", "knn"):
        some = validated_rows(values, rows, missing)
        np.testing.assert_array_equal(some, rows[labelled[rows].any(axis=1)])
    complete = rows[labelled[rows].all(axis=1)]
    told = contextlib.nullcontext()
    if len(rows) and not len(complete):
        told = pytest.warns(UserWarning, match="nothing is validated")
    with told:
        np.testing.assert_array_equal(validated_rows(values, rows, "drop"), complete)


def test_unlabelled_rows_of_a_group_that_is_validated_are_left_out():
    values = np.where(np.arange(20) % 2, 1.0, np.nan)[:, np.newaxis] * np.ones(4)
    weights = np.ones(20)
    weights[0] = 0
    groups = np.arange(20) // 2
    data = LabelledImages(np.zeros((20, 2, 2, 1)), 1.0, values, None, weights, groups)
    split = make_split(data, 0.3, 0, "mask")
    assert len(split.validation) == 3
    expected = np.setdiff1d(np.arange(2, 20, 2), split.validation - 1)
    np.testing.assert_array_equal(split.unlabelled, expected)


class KeptAfter:
    """A checkpoint of three epochs."""

    seed, stopped = 7, False
    history = {"loss": [3.0, 2.0, 1.0]}


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (Run(seed=1, deterministic_seed=1, epochs=5), (1, 0, 0, 5)),
        (Run(1, 1, 5, goes_on=True, history={"loss": [1.0] * 4}), (1, 4, 4, 9)),
        (Run(1, 1, 1, whole=False, goes_on=True, history={"loss": [1.0]}), (1, 1, 1, 2)),
        (Run(1, None, 5, checkpoint=KeptAfter()), (7, 3, 0, 5)),
    ],
)
def test_a_run_knows_where_it_goes_on(run, expected):
    run = run.resumed()
    assert (run.seed, run.n_done, run.first_epoch, run.last_epoch) == expected


def test_a_run_that_was_stopped_early_has_nothing_left():
    class Stopped(KeptAfter):
        stopped = True

    run = Run(1, None, 50, checkpoint=Stopped()).resumed()
    assert run.last_epoch == run.n_done == 3


@pytest.mark.parametrize(
    ("n_rows", "n_draws"), [(1, 16), (20, 320), (400, 6400), (5000, 6400), (6401, 6401)]
)
def test_a_training_whose_length_nobody_set_shows_few_rows_several_times(n_rows, n_draws):
    run = Run(seed=0, deterministic_seed=None, epochs=None)
    assert (run.n_epochs, run.n_draws(n_rows)) == (20, n_draws)
    run = Run(seed=0, deterministic_seed=None, epochs=3)
    assert (run.n_epochs, run.n_draws(n_rows)) == (3, n_rows)
