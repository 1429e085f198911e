"""Kaggle's files with other labels: nothing else changes, not a byte."""

import csv
import gzip
import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_kpd.label_quality._review.kaggle import changes_of, with_values, write_kaggle

FIELD = st.text('ab1.,"\n\r ', max_size=6)


def in_csv(field, quoted):
    if not quoted and not set(field) & set(',"\n\r'):
        return field
    return '"' + field.replace('"', '""') + '"'


@given(
    st.lists(st.lists(FIELD, min_size=3, max_size=3), min_size=1, max_size=5),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.dictionaries(
        st.integers(0, 4),
        st.dictionaries(st.sampled_from(["x", "y", "z, \"q\""]), st.floats(-9, 99), min_size=1),
    ),
)  # fmt: skip
def test_other_fields_and_rows_are_as_they_were(rows, end, quoted, changes):
    header = ["x", "y", 'z, "q"']
    rows = [row for row in rows if row != ["", "", ""]]
    changes = {row: values for row, values in changes.items() if row < len(rows)}
    text = "".join(
        ",".join(in_csv(field, quoted) for field in row) + end for row in [header, *rows]
    )
    found = with_values(text.encode(), changes).decode()
    expected = [
        [
            repr(changes[at][name]) if name in changes.get(at, {}) else field
            for name, field in zip(header, row, strict=True)
        ]
        for at, row in enumerate(rows)
    ]
    with io.StringIO(found, newline="") as file:
        assert list(csv.reader(file)) == [header, *expected]
    if not changes:
        assert found == text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"x,y\n1.50,2\n3,4\n", b"x,y\n1.50,2\n7.25,\n"),
        (b"x,y\r\n\r\n1.50,2\r\n3,4", b"x,y\r\n\r\n1.50,2\r\n7.25,"),
        (b"\xef\xbb\xbfx,y,I\r1,2,0 0\r3,4,1 1\r", b"\xef\xbb\xbfx,y,I\r1,2,0 0\r7.25,,1 1\r"),
        (b'"x", y ,n\n1,2,"a,""b"\n"3",4, c\n', b'"x", y ,n\n1,2,"a,""b"\n7.25,, c\n'),
        (b'n,x,y\n"a\n\nb",1,2\n"c",3,4\n', b'n,x,y\n"a\n\nb",1,2\n"c",7.25,\n'),
        (b"y,x\n1,2\n,\n5,6\n", b"y,x\n1,2\n,7.25\n5,6\n"),
    ],
)  # fmt: skip
def test_by_example(content, expected):
    assert with_values(content, {1: {"x": 7.25, "y": float("nan")}}) == expected


def test_changes_are_those_values_that_are_other():
    before = np.array([[1, np.nan, 3], [4, 5, np.nan], [7, 8, 9]])
    after = np.array([[1, np.nan, 3], [np.nan, 5, 6], [7, 8, 9]])
    changes = changes_of(before, after, ["a", "b", "c"])
    assert str(changes) == "{1: {'a': nan, 'c': 6.0}}"


CONTENT, CHANGED = b"x,y\n1,2\n3,4\n", b"x,y\n1,2\n3,0.1\n"


def test_packed_files_stay_packed_and_hold_what_they_held(tmp_path):
    source, target = tmp_path / "training.zip", tmp_path / "new.zip"
    with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("read.me", "hello")
        archive.writestr("folder/training.csv", CONTENT)
        archive.writestr("__MACOSX/training.csv", "no")
    write_kaggle(source, target, {1: {"y": 0.1}})
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target) as new:
        assert new.namelist() == old.namelist()
        assert [m.date_time for m in new.infolist()] == [m.date_time for m in old.infolist()]
        assert new.read("folder/training.csv") == CHANGED
        assert new.read("read.me") == b"hello"
        assert old.read("folder/training.csv") == CONTENT
    source, target = tmp_path / "training.csv.gz", tmp_path / "new.csv.gz"
    source.write_bytes(gzip.compress(CONTENT))
    write_kaggle(source, target, {1: {"y": 0.1}})
    assert gzip.decompress(target.read_bytes()) == CHANGED
