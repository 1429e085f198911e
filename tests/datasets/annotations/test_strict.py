import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_kpd.datasets.annotations import _strict
from sklearn_kpd.exceptions import AnnotationError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1,\n "a": 2}', "the key 'a' twice"),
        ('{"a": 1', r"line 1, column 8"),
        ('{"a":\n [1, }', r"line 2, column 6"),
        ("[" * 100000, "too deeply"),
        ("1" * 10000, "too long"),
        (r'["\ud800"]', "a text is none"),
        (b"\xff\xfe\xff", "UTF-8"),
        (b'{"a": "\xe9"}', "UTF-8"),
    ],
)
def test_broken_json(tmp_path, text, message):
    path = tmp_path / "file.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(AnnotationError, match=rf"file\.json.*{message}"):
        _strict.read_json(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_encodings(tmp_path, encoding):
    path = tmp_path / "file.json"
    path.write_bytes('{"é": 1}'.encode(encoding))
    assert _strict.read_json(path) == {"é": 1}
    assert _strict.outline(path.read_bytes()).keys == {"é": "1"}


def test_characters_in_two_halves(tmp_path):
    path = tmp_path / "file.json"
    path.write_text(json.dumps({"\U0001f431": 1}))
    assert _strict.read_json(path) == {"\U0001f431": 1}


LAUGHS = '<!DOCTYPE a [<!ENTITY b "ha">' + "".join(
    f'<!ENTITY {chr(k + 1)} "&{chr(k)};&{chr(k)};">' for k in range(ord("b"), ord("y"))
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{LAUGHS}]><a>&y;</a>", "line 1: a document type"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "document type"),
        ("<a>&b;</a>", "no XML"),
        ("<a><b></a>", "no XML"),
        ("", "no XML"),
        ("<a/><b/>", "no XML"),
        ('<?xml version="1.0" encoding="klingon"?><a/>', "no XML"),
        (b"\xff\xff", "no XML"),
    ],
)
def test_broken_or_dangerous_xml(tmp_path, text, message):
    path = tmp_path / "file.xml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(AnnotationError, match=rf"file\.xml.*{message}"):
        _strict.read_xml(path)


@pytest.mark.parametrize("value", [True, None, "1", [], float("nan"), float("inf"), 1e8, 10**400])
def test_no_numbers(value):
    with pytest.raises(AnnotationError, match="^here: "):
        _strict.number(value, "here")


@given(st.text())
def test_text_is_a_number_or_an_error(text):
    try:
        value = _strict.number_from_text(text, "here")
    except AnnotationError:
        return
    assert value == float(text)


@given(st.binary(max_size=200))
def test_the_outline_of_anything(head):
    assert _strict.outline(head).kind in ("", "{", "[")
    assert isinstance(_strict.root_tag(head), str)


@given(st.dictionaries(st.text(), st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10,
)))  # fmt: skip
def test_the_outline_has_the_keys(content):
    for value in (content, [content]):
        found = _strict.outline(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
        assert len(found.keys) == len({json.dumps(key)[1:-1] for key in content})


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ([[1, 2], [2, 3]], [("a", "b"), ("b", "c")]),
        ([[0, 1], [1, 2]], [("a", "b"), ("b", "c")]),
        ([[1, 2]], [("a", "b")]),
        ([], []),
        ([[1, 4]], []),
        ([[0, 3]], []),
    ],
)
def test_edges(edges, expected):
    pairs, left_out = _strict.edges_from_indices(edges, "abc", "here")
    assert pairs == expected
    assert bool(left_out) == (bool(edges) and not expected)
