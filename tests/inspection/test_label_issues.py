"""LabelIssueDisplay: what is drawn is what the table says."""

import io

import numpy as np
import pandas as pd
import pytest

from sklearn_kpd.datasets import make_faces
from sklearn_kpd.inspection import LabelIssueDisplay
from sklearn_kpd.label_quality import find_label_issues
from tests.helpers import make_photographs


@pytest.fixture(scope="module")
def found():
    X, y = make_faces(120, random_state=0)
    y_pred = y + np.random.default_rng(0).normal(size=y.shape)
    y.iloc[3, 20] += 20
    y.iloc[8] += np.tile([12, 0], 15)
    issues = find_label_issues(None, X, y, y_pred=y_pred, fdr=1e-3)
    assert sorted(issues["row"]) == [3, 8]
    return X, y, y_pred, issues


def test_points_and_words(found):
    X, y, y_pred, issues = found
    display = LabelIssueDisplay.from_issues(X, y, issues)
    at = issues["row"].tolist().index(3)
    np.testing.assert_array_equal(np.flatnonzero(display.suspect[at]), [10])
    assert display.suspect[1 - at].all()
    np.testing.assert_allclose(display.points_true[at].ravel(), y.iloc[3])
    np.testing.assert_allclose(display.points_pred[at].ravel(), y_pred.iloc[3])
    assert display.titles[at].startswith("row 3: moved\nnose_tip, ")
    assert display.titles[1 - at].startswith("row 8: shifted\n15 keypoints, ")
    suspects = display.axes_[at].collections[1].get_offsets()
    np.testing.assert_allclose(suspects, y.iloc[3, 20:22].to_numpy(float)[np.newaxis])


def test_a_table_that_was_written_and_read_is_the_same(found):
    X, y, _, issues = found
    read = pd.read_csv(io.StringIO(issues.to_csv(index=False)))
    display = LabelIssueDisplay.from_issues(X, y, read, n_issues=1)
    assert display.titles == LabelIssueDisplay.from_issues(X, y, issues, n_issues=1).titles


def test_labels_without_names(found):
    X, y, y_pred, _ = found
    issues = find_label_issues(None, X, y.to_numpy(), y_pred=y_pred.to_numpy(), fdr=1e-3)
    read = pd.read_csv(io.StringIO(issues[issues["row"] == 3].to_csv(index=False)))
    assert LabelIssueDisplay.from_issues(X, y.to_numpy(), read).suspect[0].tolist()[10]


def test_photographs(tmp_path):
    X, y = make_photographs(tmp_path, 12)
    y_pred = y + np.random.default_rng(0).normal(size=y.shape) * 0.5
    y = y.copy()
    y.iloc[1, 0] += 40
    issues = find_label_issues(None, X, y, y_pred=y_pred, fdr=1).head(3)
    display = LabelIssueDisplay.from_issues(X, y, issues)
    assert display.images.shape[1:3] == (96, 96)
    inside = display.points_pred[~np.isnan(display.points_pred)]
    assert (np.abs(inside) < 200).all()  # pixels of the crop


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="kind"), "issues has no column 'kind'"),
        (lambda t: t.drop(columns="predicted_nose_tip_x"), "no column 'predicted_nose_tip_x'"),
        (lambda t: t.assign(row=500), "issues names row 500, and there are 120 rows"),
    ],
)
def test_errors(found, change, message):
    X, y, _, issues = found
    with pytest.raises(ValueError, match=message):
        LabelIssueDisplay.from_issues(X, y, change(issues))
