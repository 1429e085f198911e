import copy
import json

import numpy as np
import pytest

from sklearn_kpd.datasets import load_annotations
from sklearn_kpd.exceptions import AnnotationError
from tests.datasets.annotations.real_files import real


def result(key, kind, label, **value):
    parent = value.pop("parent", None)
    item = {"id": key, "type": f"{kind}labels", "original_width": 200, "original_height": 50}
    item["value"] = {**value, f"{kind}labels": [label]}
    return {**item, "parentID": parent} if parent else item


CONTENT = [
    {
        "id": 1,
        "data": {"image": "/data/upload/18/0a1b2c3d-cat.jpg"},
        "annotations": [
            {
                "result": [
                    result("A", "rectangle", "cat", x=10, y=20, width=30, height=40, rotation=0),
                    result("B", "rectangle", "cat", x=50, y=20, width=50, height=40, rotation=0),
                    result("C", "rectangle", "cat", x=0, y=0, width=5, height=5, rotation=0),
                    result("n1", "keypoint", "nose", x=12.5, y=30, width=1, parent="A"),
                    result("n2", "keypoint", "nose", x=60, y=30, width=1),
                    result("t2", "keypoint", "tail", x=70, y=40, width=1),
                    {"type": "relation", "from_id": "B", "to_id": "n2"},
                    {"type": "relation", "from_id": "t2", "to_id": "B"},
                    {"type": "relation", "from_id": "B", "to_id": "B"},
                    {"id": "n1", "type": "choices"},
                ]
            }
        ],
    },
    {"id": 2, "data": {"image": "/data/local-files/?d=a%20b.jpg"}, "annotations": []},
]
RESULTS = CONTENT[0]["annotations"][0]["result"]


def load(tmp_path, content=CONTENT):
    path = tmp_path / "project.json"
    path.write_text(json.dumps(content))
    return load_annotations(path)


def test_points_by_parent_and_by_relation(tmp_path):
    found = load(tmp_path)
    np.testing.assert_array_equal(
        found.target, [[25, 15, np.nan, np.nan], [120, 15, 140, 20], [np.nan] * 4]
    )
    assert found.data["left"].tolist() == [20, 100, 0]
    assert found.data["bottom"].tolist() == [30, 30, 2.5]
    assert found.data["path"].unique().tolist() == ["/data/upload/18/0a1b2c3d-cat.jpg"]
    assert found.left_out["reason"].tolist() == [
        "'choices' has no keypoints",
        "it has no annotation",
    ]


def test_an_upload_is_found_without_its_prefix(tmp_path, picture):
    picture("cat.jpg", width=200, height=50)
    found = load(tmp_path)
    assert found.data["path"].unique().tolist() == [str(tmp_path / "cat.jpg")]
    assert found.missing_images == []


@pytest.mark.parametrize(
    ("at", "change", "message"),
    [
        (3, {"parentID": "gone"}, "result 3: the keypoint 'nose' belongs to a region 'gone'"),
        (3, {"id": "A"}, "result 3: another result has the id 'A'"),
        (3, {"original_width": 0}, "result 3: the image has height 50 and width 0"),
        (3, {"original_width": 100}, "result 3: results of one image give it different sizes"),
        (3, {"image_rotation": 90}, "result 3: the image was turned"),
        (3, {"value": {"x": "1", "y": 1, "keypointlabels": ["nose"]}}, "result 3: '1'"),
        (3, {"value": {"x": 1, "y": 1, "keypointlabels": []}}, "result 3: one label is needed"),
        (5, {"value": {"x": 1, "y": 1, "keypointlabels": ["nose"]}}, "result 5.*'nose'.*twice"),
        (6, {"to_id": "n1"}, "result 3: the keypoint 'nose' belongs to two regions"),
    ],
)
def test_damage_is_an_error_with_its_place(tmp_path, at, change, message):
    content = copy.deepcopy(CONTENT)
    content[0]["annotations"][0]["result"][at].update(change)
    with pytest.raises(AnnotationError, match=rf"project\.json, task 0 \(id 1\), {message}"):
        load(tmp_path, content)


def test_points_of_nobody_in_particular(tmp_path):
    content = copy.deepcopy(CONTENT)
    results = content[0]["annotations"][0]["result"]
    del results[3]["parentID"], results[6:9]
    found = load(tmp_path, content)  # each in one box
    assert found.target["nose_x"].tolist()[:2] == [25, 120]
    results[3]["value"].update(x=90, y=90)
    with pytest.raises(
        AnnotationError, match="result 4: the keypoint 'nose' is there for several"
    ):
        load(tmp_path, content)


def test_two_annotators(tmp_path):
    content = copy.deepcopy(CONTENT)
    content[0]["annotations"].append({"result": RESULTS[:1], "was_cancelled": True})
    assert len(load(tmp_path, content).data) == 3
    content[0]["annotations"].append({"result": RESULTS[:4]})
    with pytest.raises(AnnotationError, match=r"task 0 \(id 1\): 2 annotations"):
        load(tmp_path, content)
    content[0]["annotations"][-1]["ground_truth"] = True
    assert load(tmp_path, content).target["nose_x"].tolist()[0] == 25


def test_a_turned_box_is_the_box_around_it(tmp_path):
    content = copy.deepcopy(CONTENT)
    content[0]["annotations"][0]["result"][0]["value"]["rotation"] = 90
    found = load(tmp_path, content)
    np.testing.assert_allclose(found.data.iloc[0, 1:].tolist(), [0, 10, 20, 70], atol=1e-9)


def test_predictions_are_read_where_nothing_is_annotated(tmp_path):
    content = copy.deepcopy(CONTENT)
    content[0]["predictions"] = content[0]["annotations"]
    assert len(load(tmp_path, content).data) == 3
    content[0]["annotations"] = []
    assert len(load(tmp_path, content).data) == 3


EXPECTED = {
    "nose": (139.2, 68.366),
    "left_eye": (126.119, 53.557),
    "right_eye": (152.281, 56.026),
}


@pytest.mark.parametrize(
    "name", ["data_keypoints.json", "export_by_sdk/json_min/result.json",
             "export_by_sdk/csv/result.csv"],
)  # fmt: skip
def test_real_keypoints(name):
    found = load_annotations(real(f"label_studio/{name}"))
    assert found.keypoint_names == list(EXPECTED)
    np.testing.assert_allclose(found.target, [np.ravel(list(EXPECTED.values()))], atol=1e-3)
    box = [83.915, 13.328, 83.915 + 102.179, 13.328 + 88.604]
    np.testing.assert_allclose(found.data.iloc[0, 1:].tolist(), box, atol=1e-3)


def test_real_two_people():
    found = load_annotations(real("label_studio/handmade_two_people.json"))
    points = found.target[["nose_x", "nose_y", "left_eye_x", "left_eye_y"]]
    np.testing.assert_allclose(points, [[99, 144, 104, 141], [343, 164, 348, 160]], rtol=1e-12)
    assert found.target["left_ear_x"].isna().tolist() == [True, False]
    assert len(found.left_out) == 1
    images = real("coco/coco_val")
    found = load_annotations(real("label_studio/handmade_two_people.json"), images=images)
    assert found.data["path"].str.endswith("coco_val/000000040083.jpg").all()
    assert found.missing_images == []


def test_real_mixed_shapes():
    found = load_annotations(real("label_studio/mixed_shapes.json"))
    point = found.target.loc[0, ["keypoint_label1_x", "keypoint_label1_y"]].tolist()
    np.testing.assert_allclose(point, [112.976, 101.674], atol=1e-3)


def test_real_boxes_alone():
    with pytest.raises(AnnotationError, match="no object with keypoints"):
        load_annotations(real("label_studio/rotated_boxes_no_keypoints.json"))
