import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.impute import KNNImputer, SimpleImputer

from sklearn_kpd.missing import POLICIES, apply_policy, check_policy

FILLING = [p for p in POLICIES if p not in ("mask", "drop")]


@pytest.fixture
def values(kaggle_like):
    return kaggle_like[1].to_numpy()


def test_mask_leaves_everything(values):
    rows, kept = apply_policy("mask", values)
    np.testing.assert_array_equal(rows, np.arange(len(values)))
    np.testing.assert_array_equal(kept, values)


def test_drop_keeps_complete_rows(values):
    rows, kept = apply_policy("drop", values)
    np.testing.assert_array_equal(rows, np.flatnonzero(~np.isnan(values).any(axis=1)))
    np.testing.assert_array_equal(kept, values[rows])
    assert 0 < len(rows) < len(values)


@pytest.mark.parametrize("missing", [*FILLING, KNNImputer(n_neighbors=2)])
def test_imputers_fill_holes_and_nothing_else(values, missing):
    rows, filled = apply_policy(missing, values)
    assert len(rows) == len(values)
    assert not np.isnan(filled).any()
    labelled = ~np.isnan(values)
    np.testing.assert_array_equal(filled[labelled], values[labelled])


def test_mean_and_median_are_those_of_the_labelled(values):
    _, mean = apply_policy("mean", values)
    _, median = apply_policy("median", values)
    hole = np.isnan(values)
    np.testing.assert_allclose(
        mean[hole], np.broadcast_to(np.nanmean(values, axis=0), values.shape)[hole]
    )
    np.testing.assert_allclose(
        median[hole], np.broadcast_to(np.nanmedian(values, axis=0), values.shape)[hole]
    )


def test_the_users_imputer_is_not_fitted(values):
    imputer = SimpleImputer()
    apply_policy(imputer, values)
    assert not hasattr(imputer, "statistics_")


@pytest.mark.parametrize("missing", ["drop", *FILLING])
def test_a_column_without_labels_is_named(values, missing):
    values = values.copy()
    values[:, 3] = np.nan
    with pytest.raises(ValueError, match=rf"missing='{missing}'.*'b'.*missing='mask'"):
        apply_policy(missing, values, ["a"] * 3 + ["b"] + ["c"] * 26)
    with pytest.raises(ValueError, match="column 3"):
        apply_policy(missing, values)


def test_drop_without_complete_rows():
    with pytest.raises(ValueError, match="there is none among the 2 training rows"):
        apply_policy("drop", np.array([[1, np.nan], [np.nan, 1]]))


@pytest.mark.parametrize("missing", POLICIES)
def test_nothing_labelled(missing):
    with pytest.raises(ValueError, match="nothing to learn"):
        apply_policy(missing, np.full((3, 2), np.nan))


def test_an_imputer_that_loses_columns_is_refused():
    imputer = SimpleImputer(add_indicator=True)
    with pytest.raises(ValueError, match="it must keep them all"):
        apply_policy(imputer, np.array([[1, np.nan], [2, 1]]))


@pytest.mark.parametrize("missing", ["forget", 3, None])
def test_unknown_policies_are_named(missing):
    with pytest.raises(ValueError, match="is no missing-label policy; it may be 'mask'"):
        check_policy(missing)


@given(hnp.arrays(float, (6, 4), elements=st.floats(0, 96) | st.just(np.nan)))
def test_drop_never_keeps_a_hole(values):
    if np.isnan(values).any(axis=1).all():
        with pytest.raises(ValueError, match="no label at all|drop"):
            apply_policy("drop", values)
    else:
        rows, kept = apply_policy("drop", values)
        assert not np.isnan(kept).any()
        np.testing.assert_array_equal(kept, values[rows])
