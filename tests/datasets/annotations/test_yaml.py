import pytest

from sklearn_kpd.datasets.annotations._yaml import read_yaml
from sklearn_kpd.exceptions import AnnotationError

DATA = r"""
# a comment
---
path: C:\data\my set  # with a blank
train: images/train
val:   'images/val # no comment'
test:
empty: ""
kpt_shape: [2, 3]
flip_idx: [1,
           0]
names:
  0: left eye
  1: "right: eye"
list:
- one
- [2, x y]
nested:
  - 3
  - {a: 1, b: [true, ~]}
address: http://a.b/c
negative: -7
decimal: 0.5
"""

EXPECTED = {
    "path": "C:\\data\\my set",
    "train": "images/train",
    "val": "images/val # no comment",
    "test": None,
    "empty": "",
    "kpt_shape": [2, 3],
    "flip_idx": [1, 0],
    "names": {"0": "left eye", "1": "right: eye"},
    "list": ["one", [2, "x y"]],
    "nested": [3, {"a": 1, "b": [True, None]}],
    "address": "http://a.b/c",
    "negative": -7,
    "decimal": "0.5",
}


def write(folder, text):
    path = folder / "data.yaml"
    path.write_text(text, newline="")
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_descriptions_hold(tmp_path, end):
    assert read_yaml(write(tmp_path, DATA.replace("\n", end))) == EXPECTED


def test_an_empty_file(tmp_path):
    assert read_yaml(write(tmp_path, "# nothing\n\n")) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: https: //x", "line 2: a colon and a blank"),
        ("a: 1\na: 2", "line 2: 'a' is there a second time"),
        ("a:\n  b: 1\n c: 2", "line 3: indented"),
        ("a: 1\n  b: 2", "line 2: indented more"),
        (" a: 1\nb: 2", "line 2: indented less"),
        ("a:\n\tb: 1", "line 2: a tab"),
        ("a: [1, 2", "line 1: a comma or ']' is missing"),
        ("a: [1 2] 3", "line 1: '3' after a list"),
        ("a: {1}", "line 1"),
        ("a: {b: 1, b: 2}", "line 1"),
        ("a: [1 {2]", "line 1"),
        ("a: &x 1", "line 1: '&x 1' is YAML of a kind"),
        ("a: |\n  text", "line 1"),
        ("a: 'open", "line 1"),
        ("no mapping", "line 1"),
        ("- 1", "a mapping"),
        ("a: " + "[" * 500, "nested too deeply"),
        ("".join(" " * n + f"a{n}:\n" for n in range(60)), "nested too deeply"),
    ],
)
def test_what_is_no_yaml(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(AnnotationError, match=message) as raised:
        read_yaml(path)
    assert str(raised.value).startswith(str(path))
