import copy
import json

import numpy as np
import pytest

from sklearn_kpd.datasets import load_annotations
from sklearn_kpd.exceptions import AnnotationError
from tests.datasets.annotations.real_files import real


def shape(label, kind, *points, group=None, **fields):
    return {"label": label, "shape_type": kind, "points": points, "group_id": group, **fields}


CONTENT = {
    "version": "5.5.0",
    "shapes": [
        shape("cat", "rectangle", [50, 60], [10, 20], group=1),
        shape("nose", "point", [12.5, 30], group=1),
        shape("tail", "point", [55, 62], group=1, description="Hidden", flags=[]),
        shape("nose", "point", [70, 71], group=2, flags={"occluded": True, "blurred": True}),
        shape("tail", "point", [72, 73], group=2, flags={"occluded": False}),
        shape("nose", "point", [5, 6], difficult=True),
        shape("sun", "circle", [1, 2], [3, 4]),
        shape("dog", "polygon", [80, 80], [90, 80], [85, 90]),
    ],
    "imagePath": "..\\images\\cat.jpg",
    "imageData": None,
    "imageHeight": 100,
    "imageWidth": 200,
}


def load(folder, content=CONTENT, name="cat.json"):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    return load_annotations(path)


def test_groups(tmp_path):
    found = load(tmp_path)
    rows = {box: k for k, box in enumerate(found.data["left"].fillna(0))}
    cat = found.target.loc[rows[10]]
    assert cat.tolist() == [12.5, 30, 55, 62]
    assert found.data.loc[rows[10]].tolist()[1:] == [10, 20, 50, 60]
    assert found.visibility.to_numpy().tolist() == [[1, 0], [2, 1], [1, 2]]
    assert found.category.tolist() == [None, "cat", None]
    assert found.left_out["reason"].tolist() == [
        "a 'circle' has no keypoints",
        "'dog' has no keypoints",
    ]


def test_the_image_beside(tmp_path, picture):
    path = picture("images/cat.jpg", width=200, height=100)
    found = load(tmp_path, name="json/cat.json")
    assert found.data["path"].unique().tolist() == [str(path)]


def test_a_polygon_holds_what_is_inside_of_it(tmp_path):
    content = {**CONTENT, "shapes": [
        shape("nose", "point", [83, 84]),
        shape("nose", "point", [11, 11]),
        shape("dog", "polygon", [80, 80], [90, 80], [85, 90]),
        shape("cat", "rectangle", [10, 10], [20, 20]),
    ]}  # fmt: skip
    found = load(tmp_path, content)
    assert found.category.tolist() == ["dog", "cat"]
    assert found.target.to_numpy().tolist() == [[83, 84], [11, 11]]
    content["shapes"][0]["points"] = [[81, 89]]  # in the box around the polygon alone
    with pytest.raises(AnnotationError, match=r"shapes\[1\]: the keypoint 'nose'.*several"):
        load(tmp_path, content)


@pytest.mark.parametrize(
    ("at", "change", "message"),
    [
        (1, {"label": "tail"}, r"shapes\[2\]: the keypoint 'tail' is there twice"),
        (1, {"label": " "}, r"shapes\[1\]: a point has"),
        (1, {"label": 3}, r"shapes\[1\]: 'label'"),
        (1, {"points": [[1, 2], [3, 4]]}, r"shapes\[1\]: a point has"),
        (1, {"points": [[1]]}, r"shapes\[1\]: a point is \[x, y\]"),
        (1, {"points": [[1, "2"]]}, r"shapes\[1\]: '2'"),
        (1, {"group_id": [1]}, r"shapes\[1\]: 'group_id'"),
        (7, {"group_id": 1}, r"shapes\[7\]: the group 1 has points and 2 outlines"),
    ],
)
def test_damage_is_an_error_with_its_place(tmp_path, at, change, message):
    content = copy.deepcopy(CONTENT)
    content["shapes"][at].update(change)
    with pytest.raises(AnnotationError, match=rf"cat\.json, {message}"):
        load(tmp_path, content)


def test_a_folder_of_files(tmp_path):
    load(tmp_path, {**CONTENT, "shapes": CONTENT["shapes"][:2]}, "a.json")
    load(tmp_path, {**CONTENT, "shapes": CONTENT["shapes"][3:5], "imagePath": "b.jpg"}, "b.json")
    with pytest.raises(AnnotationError, match="no object"):
        load(tmp_path, {**CONTENT, "shapes": []}, "c.json")
    (tmp_path / "notes.txt").write_text("nothing")
    found = load_annotations(tmp_path)
    assert found.keypoint_names == ["nose", "tail"]
    np.testing.assert_array_equal(found.target, [[12.5, 30, np.nan, np.nan], [70, 71, 72, 73]])
    assert found.left_out["reason"].tolist() == [
        "none of its shapes is a point",
        "its format is not known",
    ]


def test_real_xanylabeling():
    found = load_annotations(real("labelme/xanylabeling"))
    person = found.target.loc[0]
    assert person[["nose_x", "nose_y", "left_eye_x", "left_eye_y"]].tolist() == [
        263,
        299,
        270,
        292,
    ]
    assert person[["left_shoulder_x", "left_shoulder_y"]].tolist() == [303, 337]
    assert len(found.keypoint_names) == 16
    assert "right_ear" not in found.keypoint_names
    assert found.category.tolist() == ["person"]
    np.testing.assert_allclose(
        found.data.iloc[0, 1:].tolist(), [202.577, 262.778, 321.338, 627.060], atol=1e-3
    )


def test_real_dog_and_cat():
    found = load_annotations(real("labelme/dog_cat/json"))
    dog, cat = (found.category.tolist().index(kind) for kind in ("dog", "cat"))
    columns = ["eye_left_x", "eye_left_y", "eye_right_x", "eye_right_y"]
    np.testing.assert_allclose(
        found.target.loc[cat, columns], [452.987730, 140.104294, 415.564417, 151.760736]
    )
    np.testing.assert_allclose(
        found.target.loc[dog, columns], [np.nan, np.nan, 288.570552, 124.766871]
    )
    with pytest.raises(AnnotationError, match="may be coco or labelme.*format="):
        load_annotations(real("labelme/dog_cat"))
    assert len(load_annotations(real("labelme/dog_cat"), format="labelme").data) == 2


def test_real_two_people():
    found = load_annotations(real("labelme/handmade_two_people"))
    columns = ["nose_x", "nose_y", "left_eye_x", "left_eye_y"]
    assert found.target[columns].to_numpy().tolist() == [[99, 144, 104, 141], [343, 164, 348, 160]]
    hidden = found.visibility.loc[0]
    assert set(hidden.index[hidden == 1]) == {"left_hip", "right_hip", "right_ankle"}
    assert found.missing_images == []


def test_real_primitives_and_polygons():
    found = load_annotations(real("labelme/primitives"))
    assert found.target.to_numpy().tolist() == [[345, 174]]
    assert len(found.left_out) == 7
    with pytest.raises(AnnotationError, match="no object with keypoints"):
        load_annotations(real("labelme/embedded_image/apc2016_obj3.json"))
