"""The file of issues: read, and refused by an error of ours."""

from pathlib import Path

import numpy as np
import pytest

from sklearn_kpd.label_quality._review.issues import read_issues
from tests.label_quality.review.helpers import LABELS, NAMES, issues_of

PREDICTED = LABELS + 1.5
ROWS = [
    (2, "moved", ["nose"]),
    (1, "swapped", ["left_eye", "right_eye"]),
    (2, "outside", ["nose"]),
]


def read(table, labels=LABELS, names=NAMES):
    content = table if isinstance(table, bytes) else table.to_csv(index=False).encode()
    return read_issues(content, Path("issues.csv"), labels, names)


@pytest.fixture
def table():
    return issues_of(LABELS, ROWS, NAMES, PREDICTED)


def test_a_row_comes_once_with_all_its_issues(table):
    first, second = read(table)
    assert (first.row, second.row) == (2, 1)
    assert [issue.kind for issue in first.issues] == ["moved", "outside"]
    assert first.issues[0].keypoints == (2,)
    assert first.issues[0].distance == pytest.approx(1.5 * 2**0.5)
    assert second.issues[0].keypoints == (0, 1)
    np.testing.assert_allclose(second.predicted, PREDICTED[1])


def test_none(table):
    assert read(table[:0]) == []


def test_names_that_are_numbers_or_have_commas():
    names = ["0", "a, b", "a"]
    table = issues_of(LABELS, [(0, "moved", ["a", "a, b", "0"])], names, PREDICTED)
    assert read(table, names=names)[0].issues[0].keypoints == (2, 1, 0)


def test_empty_numbers_are_unknown(table):
    table = table.astype({"p_value": object})
    table.loc[0, ["p_value", "labelled_x", "labelled_y"]] = np.nan
    assert np.isnan(read(table)[0].issues[0].p_value)


def damaged(column, value, at=1):
    def damage(table):
        table = table.astype({column: object})
        table.loc[at, column] = value
        return table

    return damage


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda table: table.drop(columns="kind"), "column 'kind' is missing"),
        (lambda table: table.drop(columns="row"), "column 'row' is missing"),
        (lambda table: table.drop(columns="predicted_nose_y"), "'predicted_nose_y' is missing"),
        (lambda table: b"", "no table of issues in CSV"),
        (lambda table: b"\xff\xfe\x00", "no table of issues in CSV"),
        (lambda table: b"a,b\n1\n1,2,3,4\n", "no table of issues in CSV"),
        (damaged("row", 4), "row 2: the row 4 is none of this data, which has the rows 0 to 3"),
        (damaged("row", -1), "the row -1 is none"),
        (damaged("row", 1.5), "the row 1.5 is none"),
        (damaged("row", ""), "the row nan is none"),
        (damaged("row", "first"), "column 'row' holds 'first', no number"),
        (damaged("distance", "inf"), "column 'distance' holds 'inf'"),
        (damaged("predicted_nose_x", "?"), "row 2: the column 'predicted_nose_x' holds '\\?'"),
        (damaged("keypoint", "ear"), "row 2: the keypoint 'ear' is none of this data"),
        (damaged("keypoint", ""), "the keypoint '' is none"),
        (damaged("labelled_x", 7.0), "is none of row 1 of this data"),
    ],
)
def test_what_is_wrong_is_named(table, damage, reason):
    with pytest.raises(ValueError, match=rf"^issues.csv.*{reason}") as caught:
        read(damage(table))
    assert "\n" not in str(caught.value)
