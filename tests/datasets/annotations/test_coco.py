import copy
import json

import numpy as np
import pytest

from sklearn_kpd.datasets import load_annotations
from sklearn_kpd.exceptions import AnnotationError
from tests.datasets.annotations.real_files import real

CONTENT = {
    "images": [
        {"id": 7, "file_name": "train/1.jpg", "width": 100, "height": 80},
        {"id": 8, "file_name": "val/1.jpg"},
    ],
    "categories": [
        {
            "id": 1,
            "name": "cat",
            "keypoints": ["nose", "left eye", "tail "],
            "skeleton": [[1, 2], [2, 3]],
        }
    ],
    "annotations": [
        {
            "id": 1,
            "image_id": 7,
            "category_id": 1,
            "bbox": [10, 20, 30, 40],
            "keypoints": [12.5, 7, 2, 0, 0, 2, 50, 60, 0],
            "num_keypoints": 99,
        },
        {"id": 1, "image_id": 8, "category_id": 1, "keypoints": [-1, -1, 0, 1, 2, 1, 99.9, -3, 2]},
        {"id": 3, "image_id": 8, "category_id": 1, "bbox": [0, 0, 0, 0]},
    ],
}


def load(tmp_path, content=CONTENT, **parameters):
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(content))
    return load_annotations(path, **parameters)


def changed(place, value):
    """The content with one thing in another way; None takes it away."""
    content = copy.deepcopy(CONTENT)
    *way, last = place
    inner = content
    for key in way:
        inner = inner[key]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return content


def test_points_boxes_and_visibility(tmp_path):
    found = load(tmp_path)
    assert found.keypoint_names == ["nose", "left eye", "tail"]
    assert found.target.columns[2] == "left eye_x"
    np.testing.assert_array_equal(
        found.target,
        [[12.5, 7, 0, 0, np.nan, np.nan], [np.nan, np.nan, 1, 2, 99.9, -3], [np.nan] * 6],
    )
    assert found.visibility.to_numpy().tolist() == [[2, 2, 0], [0, 1, 2], [0, 0, 0]]
    assert (found.visibility.dtypes == np.int8).all()
    assert found.data["path"].tolist() == ["train/1.jpg", "val/1.jpg", "val/1.jpg"]
    assert found.missing_images == ["train/1.jpg", "val/1.jpg"]
    np.testing.assert_array_equal(
        found.data.iloc[:, 1:], [[10, 20, 40, 60], [np.nan] * 4, [np.nan] * 4]
    )
    assert found.skeleton == [("nose", "left eye"), ("left eye", "tail")]
    assert found.category.tolist() == ["cat"] * 3
    assert not {"flip_pairs", "frame", "track"} & set(found)


def test_ids_as_text_are_the_ids(tmp_path):
    found = load(tmp_path, changed(("annotations", 0, "image_id"), "7"))
    assert found.data["path"][0] == "train/1.jpg"


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (("annotations", 0, "iscrowd"), 1, "crowd"),
        (("annotations", 0, "image_id"), 999, "no image has the id 999"),
    ],
)
def test_what_is_no_object_is_told(tmp_path, place, value, reason):
    found = load(tmp_path, changed(place, value))
    assert len(found.data) == 2
    where, told = found.left_out.iloc[0]
    assert "coco.json, annotations[0] (id 1)" in where
    assert reason in told


def test_an_image_without_annotations_is_told(tmp_path):
    content = changed(("images", 1), {"id": 9, "file_name": "empty.jpg"})
    content["annotations"] = content["annotations"][:1]
    found = load(tmp_path, content)
    assert found.left_out.to_numpy().tolist()[0][1] == "it has no annotation"


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("images", 1, "id"), 7, r"images\[1\].*both have the id 7"),
        (("images", 1, "file_name"), "train/1.jpg", r"images\[1\].*ids 7 and 8 are both called"),
        (("images", 1, "file_name"), 3, r"images\[1\].*'file_name'"),
        (("images", 0, "width"), 0.5, r"images\[0\], width"),
        (("images",), {}, "'images'"),
        (("annotations",), None, "'annotations'"),
        (("annotations", 0), [], r"annotations\[0\]"),
        (("annotations", 0, "image_id"), None, r"annotations\[0\].*'image_id'"),
        (("annotations", 0, "category_id"), [], r"annotations\[0\].*category_id"),
        (("annotations", 0, "keypoints"), [1, 2, 2], r"annotations\[0\].*3 numbers.*9"),
        (("annotations", 0, "keypoints"), {"nose": 1}, r"annotations\[0\].*keypoints"),
        (("annotations", 0, "keypoints", 2), True, r"annotations\[0\].*keypoint nose: v is True"),
        (("annotations", 0, "keypoints", 2), 0.7, "v is 0.7"),
        (("annotations", 0, "keypoints", 2), 3, "v is 3"),
        (("annotations", 0, "keypoints", 0), float("nan"), "keypoint nose: nan"),
        (("annotations", 0, "keypoints", 0), "12", "keypoint nose: '12'"),
        (("annotations", 0, "keypoints", 0), 1e300, r"keypoint nose: 1e\+300"),
        (("annotations", 0, "bbox"), [1, 2, 3], r"annotations\[0\].*box has four numbers"),
        (("annotations", 0, "bbox"), [1, 2, -3, 4], r"annotations\[0\].*width -3"),
        (("categories", 0, "keypoints"), ["a", "a", "b"], r"categories\[0\].*'a' is there twice"),
        (("categories", 0, "keypoints"), ["a", "", "b"], r"categories\[0\].*no name"),
        (("categories", 0, "skeleton"), [[1]], r"categories\[0\], skeleton"),
    ],
)
def test_contradictions_are_errors_with_their_place(tmp_path, place, value, message):
    with pytest.raises(AnnotationError, match=rf"coco\.json.*{message}"):
        load(tmp_path, changed(place, value), format="coco")


def test_nan_that_is_not_labelled_is_no_error(tmp_path):
    nan = float("nan")
    content = changed(("annotations", 0, "keypoints"), [nan, nan, 0, 1, 2, 2, nan, nan, 0])
    assert load(tmp_path, content).visibility.iloc[0].tolist() == [0, 2, 0]


def test_without_any_2_a_1_says_labelled(tmp_path):
    content = copy.deepcopy(CONTENT)
    content["annotations"] = content["annotations"][:1]
    content["annotations"][0]["keypoints"] = [1, 2, 1, 3, 4, 1, 0, 0, 0]
    assert load(tmp_path, content).visibility.to_numpy().tolist() == [[2, 2, 0]]


def test_categories_with_other_keypoints_must_be_chosen(tmp_path):
    content = copy.deepcopy(CONTENT)
    content["categories"].append({"id": 2, "name": "horse", "keypoints": ["nose", "hoof"]})
    content["annotations"].append(
        {"image_id": 7, "category_id": 2, "keypoints": [1, 2, 2, 3, 4, 2]}
    )
    with pytest.raises(AnnotationError, match="'cat' has nose.*'horse' has nose, hoof.*category="):
        load(tmp_path, content)
    found = load(tmp_path, content, category="horse")
    assert found.target.to_numpy().tolist() == [[1, 2, 3, 4]]
    assert found.skeleton == []
    with pytest.raises(ValueError, match="'dog' is none of.*'cat', 'horse'"):
        load(tmp_path, content, category="dog")
    content["annotations"][0]["category_id"] = 5
    with pytest.raises(AnnotationError, match="no category has the id 5"):
        load(tmp_path, content)


def test_an_unknown_category_is_clear_if_all_are_alike(tmp_path):
    found = load(tmp_path, changed(("annotations", 0, "category_id"), 5))
    assert found.category.tolist() == ["5", "cat", "cat"]
    assert found.target.iloc[0, 0] == 12.5


def test_keypoints_without_names_are_numbered(tmp_path):
    found = load(tmp_path, changed(("categories", 0, "keypoints"), []))
    assert found.keypoint_names == ["0", "1", "2"]
    found = load(tmp_path, changed(("categories",), None))
    assert found.keypoint_names == ["0", "1", "2"]


def test_a_list_of_results(tmp_path):
    items = [{"image_id": 136, "category_id": 1, "keypoints": [36, 181, 2, 20.25, 191, 0]}]
    found = load(tmp_path, items)
    assert found.target.to_numpy().tolist() == [[36, 181, 20.25, 191]]
    assert found.keypoint_names == ["0", "1"]
    with pytest.raises(AnnotationError, match="item 1: 3 numbers where the items before have 6"):
        load(tmp_path, [*items, {"image_id": 1, "keypoints": [1, 2, 3]}])


def test_coco():
    X, y = load_annotations(real("coco/coco_val/test_coco.json"), return_X_y=True)
    assert X.shape == (14, 5)
    assert y.shape == (14, 34)
    found = load_annotations(real("coco/coco_val"))
    at = {path.rsplit("/", 1)[1]: group for path, group in found.data.groupby("path")}
    person = found.target.loc[at["000000000785.jpg"].index[0]]
    assert person[:6].tolist() == [367, 81, 374, 73, 360, 75]
    assert person.notna().all()
    people = at["000000040083.jpg"].index
    assert len(people) == 3
    a, b, third = (found.target.loc[k] for k in people)
    assert a[["nose_x", "nose_y", "left_eye_x", "left_eye_y"]].tolist() == [99, 144, 104, 141]
    assert a[["left_ear_x", "left_elbow_x", "right_wrist_x"]].isna().all()
    assert b[["nose_x", "nose_y", "left_ear_x", "left_ear_y"]].tolist() == [343, 164, 359, 163]
    assert third.isna().all()
    assert found.data.loc[people[2], "left"] > 0
    hidden = found.visibility.loc[people[0]]
    assert hidden.index[hidden == 1].tolist() == ["left_hip", "right_hip", "right_ankle"]
    counts = np.bincount(found.visibility.to_numpy().ravel())
    assert counts[1:].tolist() == [17, 164]
    assert found.skeleton[0] == ("left_ankle", "left_knee")
    assert found.missing_images == []


@pytest.mark.parametrize(
    ("name", "row", "points", "n_labelled"),
    [
        ("coco/ochuman_rle/test_ochuman.json", 0, {"nose": (371.5701271, 188.8676942)}, None),
        (
            "coco/ochuman_rle/test_ochuman.json",
            2,
            {"nose": None, "right_eye": (217.017, 302.173)},
            None,
        ),
        (
            "coco/crowdpose/test_crowdpose.json",
            0,
            {"left_shoulder": None, "right_shoulder": (208, 108)},
            7,
        ),
        ("coco/onehand10k_no_num_keypoints.json", 0, {"wrist": None, "thumb1": (81, 251)}, 20),
        (
            "coco/animalkingdom_v0_minus1.json",
            0,
            {"Head_Mid_Top": (220.991453, 135.683891), "Mouth_Front_Top": None},
            6,
        ),
        (
            "coco/datumaro_person_keypoints/annotations/person_keypoints_val.json",
            0,
            {"a_1": (1, 2), "a_2": (3, 4), "a_3": (2, 3)},
            3,
        ),
        ("coco/handmade_exif/annotations.json", 0, {"nose": (99, 144)}, None),
        (
            "cvat_coco_keypoints/doors/annotations/person_keypoints_default.json",
            0,
            {"1": (1128.8, 420.03), "4": (1129.12, 964.85)},
            4,
        ),
        (
            "cvat_coco_keypoints/tiger/annotations/person_keypoints_default.json",
            0,
            {"1": (440.1, 347.25), "13": (1145.36, 473.8)},
            13,
        ),
        (
            "ap10k/test_ap10k.json",
            0,
            {"left_eye": (134, 415), "right_eye": None, "nose": (94, 475)},
            16,
        ),
        (
            "animal_pose/test_animalpose.json",
            0,
            {"L_Eye": (117, 95), "R_Eye": (85, 102), "Nose": (102, 109)},
            17,
        ),
        ("label_studio/export_by_sdk/coco/result.json", 0, {"nose": (139, 68)}, 3),
        ("coco/results_list/person_keypoints_val2014_fakekeypoints100_results.json", 0,
         {"0": (36, 181), "1": (20.25, 191)}, 17),
        ("wflw_txt/mmpose_test_wflw.json", 0, {"0": (440.696106, 132.732559)}, 98),
        ("labelme/dog_cat/coco.json", 0, {"eye_left": None, "eye_right": (288.57055, 124.766871)},
         3),
    ],
)  # fmt: skip
def test_dialects(name, row, points, n_labelled):
    found = load_annotations(real(name))
    for keypoint, point in points.items():
        values = found.target.loc[row, [f"{keypoint}_x", f"{keypoint}_y"]]
        np.testing.assert_allclose(values, point or (np.nan, np.nan), rtol=1e-5)
    if n_labelled is not None:
        assert found.visibility.iloc[row].gt(0).sum() == n_labelled


def test_counts_of_real_files():
    doors = load_annotations(
        real("cvat_coco_keypoints/doors/annotations/person_keypoints_default.json")
    )
    assert len(doors.data) == 642
    assert (doors.left_out["reason"] == "it has no annotation").sum() == 2
    two = doors.target[doors.data["path"] == "0000263.jpg"]
    assert len(two) == 2
    assert two.iloc[0, :2].tolist() == [1367.87, 433.39]
    one = doors.target[doors.data["path"] == "0002204.jpg"]
    assert one.iloc[0, :4].tolist() == [1144.08, 466.85, 1719.38, 453.08]
    crowd = load_annotations(real("coco/crowdpose/test_crowdpose.json"))
    assert crowd.skeleton == []  # it names keypoints that are not there
    assert crowd.left_out["reason"].tolist() == ["it joins the keypoint 17, of 14"]
    animal = load_annotations(real("coco/animalkingdom_v0_minus1.json"))
    assert animal.skeleton[0] == ("Eye_Left", "Head_Mid_Top")  # counted from 0
    hand = load_annotations(real("coco/onehand10k_no_num_keypoints.json"))
    assert hand.visibility.iloc[0].isin([0, 2]).all()
    of_33 = hand.data["path"].str.endswith("33.jpg")
    assert hand.visibility[of_33].gt(0).sum(axis=1).tolist() == [7]


def test_real_traps():
    path = real("coco/handmade_traps/annotations.json")
    with pytest.raises(AnnotationError, match=r"images\[1\].*both have the id 5"):
        load_annotations(path)


def test_real_traps_without_the_doubled_image(tmp_path):
    content = json.loads(real("coco/handmade_traps/annotations.json").read_text())
    del content["images"][1]
    with pytest.raises(AnnotationError, match="v is True"):
        load(tmp_path, content, category="person")
    content["annotations"] = [a for a in content["annotations"] if a["id"] != 8]
    with pytest.raises(AnnotationError, match="'person' has nose, left eye"):
        load(tmp_path, content)
    found = load(tmp_path, content, category="person")
    np.testing.assert_array_equal(
        found.target.iloc[1], [12.5, 7, *[np.nan] * 2, 0, 0, *[np.nan] * 2, 99.9, -3.5]
    )
    assert found.visibility.iloc[1].tolist() == [2, 0, 2, 0, 1]
    assert found.target.iloc[2:].isna().all(axis=None)
    reasons = " ".join(found.left_out["reason"])
    assert "crowd" in reasons
    assert "no image has the id 999" in reasons
    assert "its category is 'horse'" in reasons
    horse = load(tmp_path, content, category="horse")
    assert horse.data["path"].tolist() == ["train/1.jpg"]
    assert horse.target.to_numpy().tolist() == [[9, 9, 1, 1]]
