import csv
import json
import os
import re
import string
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sklearn_kpd.datasets import load_annotations, save_annotations
from sklearn_kpd.keypoints import columns_from_names

FORMATS = ["coco", "dlib", "cvat", "label_studio", "deeplabcut", "csv"]
SUFFIX = {"coco": ".json", "label_studio": ".json", "deeplabcut": ".csv", "csv": ".csv"}

#: Formats that keep so much.
WITH_BOX = ["coco", "cvat", "label_studio", "csv"]
WITH_HIDDEN = ["coco", "cvat", "csv"]


def save(folder, format, X, y, **parameters):
    path = folder / ("annotations" + SUFFIX.get(format, ".xml"))
    save_annotations(X, y, path, format, **parameters)
    return path


@pytest.fixture
def folder(tmp_path, picture):
    """A folder as DeepLabCut has it, with two images of 500 × 333."""
    for name in ("a.png", "b c.png"):
        picture(f"labeled-data/film/{name}", width=500, height=333)
    return tmp_path / "labeled-data/film"


def example(folder):
    X = pd.DataFrame(
        {
            "path": [str(folder / name) for name in ("a.png", "a.png", "b c.png")],
            "left": [1.5, 20.3, 7],
            "top": [2, 3, 4.7],
            "right": [300.1, 50, 60],
            "bottom": [200.3, 99, 88],
        }
    )
    y = pd.DataFrame(
        [
            [99.1234567890123, 144.2, 1 / 3, 141, np.nan, np.nan],
            [np.nan, np.nan, 0, 0, 30.25, 12],
            [-3.5, 7, 499.9, 332.1, 2 / 3, 0.1],
        ],
        columns=columns_from_names(["nose", "left eye", "ünï"]),
    )
    visibility = pd.DataFrame(
        [[2, 1, 0], [0, 2, 2], [1, 1, 2]], columns=["nose", "left eye", "ünï"]
    )
    return X, y, visibility


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_written_is_read(folder, format):
    X, y, visibility = example(folder)
    path = save(folder, format, X, y, visibility=visibility, category="cat")
    found = load_annotations(path)
    assert found.missing_images == []
    assert found.data["path"].tolist() == X["path"].tolist()
    target = found.target[y.columns]
    if format == "dlib":
        np.testing.assert_array_equal(target, y.round())
        assert found.data.iloc[0, 1:].tolist() == [2, 2, 300, 200]
    elif format == "label_studio":  # percents
        np.testing.assert_allclose(target, y, rtol=1e-15)
    else:
        pd.testing.assert_frame_equal(target, y, check_exact=True)
    if format in WITH_BOX:
        pd.testing.assert_frame_equal(found.data, X, check_exact=True, check_dtype=False)
        assert found.category.tolist() == ["cat"] * 3
    if format in WITH_HIDDEN:
        np.testing.assert_array_equal(found.visibility[visibility.columns], visibility)


names = st.text(string.ascii_letters + "_ -é:.", min_size=1, max_size=8).map(str.strip).filter(
    lambda name: name and not name.lower().endswith(("x", "y", "v")) and name[0].isalpha()
)  # fmt: skip
pixels = st.floats(-1.5, 450, allow_nan=False, allow_subnormal=False)


@st.composite
def labels(draw):
    k = draw(st.lists(names, min_size=1, max_size=4, unique_by=str.lower))
    n = draw(st.integers(1, 4))
    values = draw(
        st.lists(
            st.none() | st.tuples(pixels, pixels), min_size=n * len(k), max_size=n * len(k)
        ).filter(any)
    )
    y = np.array([value or (np.nan, np.nan) for value in values]).reshape(n, 2 * len(k))
    return pd.DataFrame(y, columns=columns_from_names(k))


@pytest.mark.parametrize("format", [*WITH_BOX, "deeplabcut"])
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(y=labels())
def test_any_labels_come_back(folder, format, y):
    y = y[y.notna().any(axis=1)].reset_index(drop=True)  # what only DeepLabCut leaves out
    files = [str(folder / name) for name in ("a.png", "b c.png")]
    X = pd.DataFrame({"path": sorted(files[k % 2] for k in range(len(y)))})
    X[["left", "top"]] = 1.0
    X[["right", "bottom"]] = 460.5
    found = load_annotations(save(folder, format, X, y))
    target = found.target.reindex(columns=y.columns)
    if format == "label_studio":  # percents
        np.testing.assert_allclose(target, y, rtol=1e-15)
    else:
        np.testing.assert_array_equal(target, y)


@pytest.mark.parametrize("format", WITH_BOX)
def test_points_near_the_corner_are_pixels_too(folder, format):
    y = pd.DataFrame([[0.5, 1.0, 0.25, 0.0]], columns=columns_from_names(["a", "b"]))
    path = save(folder, format, [folder / "a.png"], y)
    np.testing.assert_allclose(load_annotations(path).target, y, rtol=1e-15)


def test_photographs_that_are_not_there_keep_their_names(tmp_path):
    X = pd.DataFrame({"path": ["film/a.png", "C:\\film\\b.png"]})
    y = np.array([[1.5, 2.5], [30.0, 4.0]])
    for format in ("coco", "cvat", "csv"):
        found = load_annotations(save(tmp_path, format, X, y))
        assert [name.replace("\\", "/") for name in found.data["path"]] == [
            "film/a.png", "C:/film/b.png"
        ]  # fmt: skip
        assert found.keypoint_names == ["0"]
        assert found.data["left"].isna().all()


def test_images_beside_are_named_as_seen_from_the_file(folder):
    X, y, _ = example(folder)
    path = save(folder.parent, "coco", X, y)
    names = [image["file_name"] for image in json.loads(path.read_text())["images"]]
    assert names == ["film/a.png", "film/b c.png"]


def test_paths_alone_are_enough(folder):
    path = save(folder, "coco", [folder / "a.png"], [[1.0, 2.0]])
    assert load_annotations(path).data["path"].tolist() == [str(folder / "a.png")]


def test_what_the_formats_demand_of_coco(folder):
    X, y, visibility = example(folder)
    content = json.loads(save(folder, "coco", X, y, visibility=visibility).read_text())
    first = content["annotations"][0]
    assert first["keypoints"] == [99.1234567890123, 144.2, 2, 1 / 3, 141, 1, 0, 0, 0]
    assert first["num_keypoints"] == 2
    assert content["images"][0]["width"] == 500
    assert content["categories"][0]["keypoints"] == ["nose", "left eye", "ünï"]


def test_what_deeplabcut_demands(folder):
    X, y, _ = example(folder)
    frame = pd.read_csv(save(folder, "deeplabcut", X, y), header=[0, 1, 2, 3], index_col=[0, 1, 2])
    assert frame.columns.names == ["scorer", "individuals", "bodyparts", "coords"]
    assert frame.index.tolist() == [
        ("labeled-data", "film", "a.png"),
        ("labeled-data", "film", "b c.png"),
    ]
    one = pd.read_csv(
        save(folder, "deeplabcut", X[1:], y[1:]), header=[0, 1, 2], index_col=[0, 1, 2]
    )
    assert one.columns.names == ["scorer", "bodyparts", "coords"]
    assert one.dtypes.eq(float).all()


def test_what_label_studio_demands(folder):
    X, y, _ = example(folder)
    task = json.loads(save(folder, "label_studio", X, y).read_text())[0]
    results = task["predictions"][0]["result"]
    assert {result["to_name"] for result in results} == {"image"}
    assert {result["from_name"] for result in results} == {"bbox", "keypoints"}
    ids = [result["id"] for result in results]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("format", "change", "message"),
    [
        ("voc", {}, "format='voc' is unknown; it may be one of coco"),
        ("coco", {"y": np.zeros((2, 6))}, "X has 3 rows, y has 2"),
        ("coco", {"y": np.full((3, 6), np.inf)}, "infinity"),
        ("coco", {"y": [[1, np.nan]] * 3}, "Row 0 of y has only one coordinate of '0'"),
        ("coco", {"visibility": np.zeros((3, 2))}, r"visibility has the shape \(3, 2\)"),
        ("coco", {"X": pd.DataFrame({"file": ["a"] * 3})}, "no column 'path'; it has file"),
        ("coco", {"X": pd.DataFrame({"path": ["a"] * 3, "left": 1})}, "but not all"),
        ("coco", {"X": ["a", "b", ""]}, "Row 2 of X names no photograph"),
        ("coco", {"X": ["a", "b", 3]}, "Row 2 of X names no photograph: 3"),
        ("dlib", {"X": ["a.jpg"] * 3}, "dlib needs a box.*a.jpg"),
        ("label_studio", {"X": ["a.jpg"] * 3}, "percents of the image, but a.jpg is not there"),
        ("deeplabcut", {"X": ["a.jpg"] * 3}, "a.jpg is in no folder"),
    ],
)
def test_what_cannot_be_written(folder, format, change, message):
    X, y, _ = example(folder)
    path = folder / "annotations"
    path.write_text("before")
    with pytest.raises(ValueError, match=message):
        save_annotations(change.pop("X", X), change.pop("y", y), path, format, **change)
    assert path.read_text() == "before"
    assert len(list(folder.iterdir())) == 3


def test_boxes_without_sense(folder):
    X, y, _ = example(folder)
    X.loc[1, "left"] = 60.0
    with pytest.raises(ValueError, match="Row 1 of X has no sensible box"):
        save(folder, "coco", X, y)
    X.loc[1, "left"] = np.nan
    with pytest.raises(ValueError, match="Row 1 of X has no sensible box"):
        save(folder, "coco", X, y)


def test_label_studio_needs_boxes_where_several_share_an_image(folder):
    X, y, _ = example(folder)
    X.loc[1, ["left", "top", "right", "bottom"]] = np.nan
    with pytest.raises(ValueError, match="one of the 2 objects on .*a.png has none"):
        save(folder, "label_studio", X, y)


@pytest.mark.parametrize("format", FORMATS)
def test_no_name_becomes_a_formula(tmp_path, picture, format):
    """None does in the tables, which spreadsheets open, and all come back."""
    folder = tmp_path / "labeled-data" / "=film"
    names = ["=1+1.png", "+1.png", "-2.png", "@x.png", " =1.png"]
    paths = [str(picture(f"labeled-data/=film/{name}", width=50, height=40)) for name in names]
    X = pd.DataFrame({"path": paths, "left": 1.0, "top": 2.0, "right": 30.0, "bottom": 33.0})
    y = pd.DataFrame(np.arange(30.0).reshape(5, 6))
    y.columns = columns_from_names(["=eye", "+nose", "-5"])
    path = save(folder, format, X, y, category="=cat")
    found = load_annotations(path)
    assert found.data["path"].tolist() == paths
    np.testing.assert_allclose(found.target[y.columns], y, rtol=1e-15)
    if format in WITH_BOX:
        assert set(found.category) == {"=cat"}
    if format in ("csv", "deeplabcut"):
        with path.open(newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert {cell for cell in cells if re.match(r"\s*[=+@-]", cell)} <= {"-5"}


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux alone")
@pytest.mark.parametrize("format", FORMATS)
def test_names_that_are_no_text(tmp_path, picture, format):
    folder = os.fsdecode(b"labeled-data/film \xfe")
    names = [os.fsdecode(b"\xff 100%41.png"), "100%41.png", "é.png"]
    paths = [str(picture(f"{folder}/{name}", width=50, height=40)) for name in names]
    X = pd.DataFrame({"path": pd.Series(paths, dtype=object)})
    X[["left", "top", "right", "bottom"]] = [1.0, 2.0, 30.0, 33.0]
    path = save(tmp_path / folder, format, X, np.arange(12.0).reshape(3, 4))
    path.read_bytes().decode()
    assert load_annotations(path).data["path"].tolist() == paths


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux alone")
def test_no_name_stands_for_two_photographs(tmp_path, picture):
    for name in (b"\xff.png", b"%FF.png"):
        picture(os.fsdecode(name), width=50, height=40)
    with pytest.raises(ValueError, match="%FF.png would stand for two photographs"):
        save(tmp_path, "coco", [tmp_path / os.fsdecode(b"\xff.png")], [[1.0, 2.0]])
    save(tmp_path, "coco", [tmp_path / "%FF.png"], [[1.0, 2.0]])
