import copy
import json

import numpy as np
import pytest

from sklearn_kpd.datasets import load_annotations
from sklearn_kpd.exceptions import AnnotationError
from tests.datasets.annotations.real_files import real

CONTENT = {
    "info": {},
    "categories": {
        "label": {"labels": [{"name": "cat"}, {"name": "dot"}]},
        "points": {"items": [{"label_id": 0, "labels": ["b", "a"], "joints": [[1, 2]]}]},
    },
    "items": [
        {
            "id": "x",
            "annotations": [
                {"type": "bbox", "group": 4, "label_id": 0, "bbox": [1, 2, 3, 4]},
                {"type": "skeleton", "group": 4, "label_id": 0, "points": [1, 2, 1, 9, 9, 0]},
                {"type": "points", "label_id": 0, "points": [5, 6, 7, 8], "visibility": [2, 1]},
                {"type": "caption", "caption": "hello"},
            ],
            "image": {"path": "x.jpg", "size": [10, 6]},
        },
        {"id": "y", "annotations": []},
    ],
}


def load(tmp_path, content=CONTENT):
    path = tmp_path / "default.json"
    path.write_text(json.dumps(content))
    return load_annotations(path)


def test_skeletons_and_points(tmp_path):
    found = load(tmp_path)
    assert found.keypoint_names == ["b", "a"]
    np.testing.assert_array_equal(found.target, [[1, 2, np.nan, np.nan], [5, 6, 7, 8]])
    assert found.visibility.to_numpy().tolist() == [[1, 0], [2, 1]]
    np.testing.assert_array_equal(found.data.iloc[:, 1:], [[1, 2, 4, 6], [np.nan] * 4])
    assert found.skeleton == [("b", "a")]
    assert found.left_out["reason"].tolist() == [
        "a caption has no keypoints",
        "it has no annotation",
    ]


@pytest.mark.parametrize(
    ("at", "key", "value", "message"),
    [
        (1, "label_id", 9, "annotations.1.*no label with the label_id 9"),
        (1, "points", [1, 2], "annotations.1.*no list of points"),
        (1, "points", [1, 2, 3, 4, 5, 0], "point 0: the visibility is 3"),
        (1, "points", [1, None, 2, 4, 5, 0], "point 0: None"),
        (2, "visibility", [2], "'visibility' must have 2"),
        (1, "type", 3, "annotations.1.*'type'"),
        (0, "bbox", [1, 2], "annotations.0.*four numbers"),
        (0, "group", {"x": 1}, "annotations.0.*group: "),
        (1, "group", "x", "annotations.1.*group: 'x'"),
    ],
)
def test_damage_is_an_error_with_its_place(tmp_path, at, key, value, message):
    content = copy.deepcopy(CONTENT)
    content["items"][0]["annotations"][at][key] = value
    with pytest.raises(AnnotationError, match=rf"default\.json, items\[0\] \(id 'x'\).*{message}"):
        load(tmp_path, content)


def test_names_that_do_not_fit_are_numbers(tmp_path):
    content = copy.deepcopy(CONTENT)
    content["categories"]["points"]["items"][0]["labels"] = ["only"]
    found = load(tmp_path, content)
    assert found.keypoint_names == ["0", "1"]
    assert "do not fit" in " ".join(found.left_out["reason"])
    content["items"][0]["annotations"][2].update(points=[5, 6], visibility=[2])
    with pytest.raises(AnnotationError, match="'cat' has 2 points, and 1: no keypoints"):
        load(tmp_path, content)


def test_real_skeleton():
    found = load_annotations(real("datumaro_json/with_skeleton/annotations/default.json"))
    assert found.keypoint_names == ["point1-label", "point3-label", "point2-label"]
    assert found.target.to_numpy().tolist() == [[0.9, 3.53, 2.45, 7.6, 5.2, 2.5]]
    assert found.skeleton == [("point3-label", "point2-label"), ("point1-label", "point3-label")]
    assert found.missing_images == []


def test_real_points():
    found = load_annotations(real("datumaro_json/diverse/annotations/train.json"))
    assert found.target.to_numpy().tolist() == [[1, 2, 2, 0, 1, 1]]
    assert found.visibility.to_numpy().tolist() == [[2, 2, 2]]


def test_real_labels_alone():
    with pytest.raises(AnnotationError, match=r"no object with keypoints \(left out: a label"):
        load_annotations(real("datumaro_json/legacy/annotations/train.json"))
