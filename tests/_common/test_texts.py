"""Names in files of text."""

import os
import re

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sklearn_kpd._common.texts import (
    path_of_text,
    paths_column,
    shielded,
    shielded_path,
    text_of_path,
    unshielded,
    unshielded_path,
)

FORMULAS = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "＝1", "-", "+a"]
NUMBERS = ["-5", "+5", "-5.", "-.5", "-5.25e-3", "5"]
TEXTS = st.text(st.sampled_from("'=-+@./15e \t\rnx＝"), max_size=8)
PAIRS = [(shielded, unshielded), (shielded_path, unshielded_path)]


@pytest.mark.parametrize("there", [shielded, shielded_path])
def test_no_text_begins_as_a_formula_does(there):
    for text in FORMULAS:
        assert re.match(r"['.]", there(text)), text
        assert there(text).endswith(text)
    for text in [*NUMBERS, "nose", "", "a=1", "photos/-1.jpg", "C:\\=1.jpg"]:
        assert there(text) == text


@pytest.mark.parametrize(("there", "back"), PAIRS)
@given(text=TEXTS)
@example(text="'=1")
@example(text="./=1")
@example(text="'-5")
def test_what_is_read_is_what_was_written(there, back, text):
    assert back(there(text)) == text


@given(path=TEXTS)
def test_a_path_stays_the_path(path):
    assert os.path.normpath(shielded_path(path)) == os.path.normpath(path)


@given(name=st.binary(max_size=12))
@example(name=b"100%41 \xff\xc3\xa9")
def test_every_name_of_a_file_has_a_text(name):
    path = os.fsdecode(name)
    text = text_of_path(path)
    assert text.encode().decode() == text
    if text != path:
        assert path_of_text(text) == path


def test_a_column_holds_names_that_are_no_text():
    paths = ["a.jpg", os.fsdecode(b"\xff.jpg")]
    assert paths_column(paths).tolist() == paths
    assert paths_column(paths[:1]).dtype == pd.Series(paths[:1]).dtype
    assert paths_column(["a.jpg", None]).isna().tolist() == [False, True]
