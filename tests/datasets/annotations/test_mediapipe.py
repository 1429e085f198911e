import json

import pytest
from PIL import Image

from sklearn_kpd.datasets.annotations import mediapipe
from sklearn_kpd.exceptions import AnnotationError
from tests.datasets.annotations.real_files import read, real


def test_real_pose():
    names = json.loads(real("mediapipe_openpose/mediapipe/pose_landmark_names.json").read_text())
    assert list(mediapipe.POSE) == names
    found = read(mediapipe, real("mediapipe_openpose/mediapipe/pose_messagetodict.json"))
    [pose] = found.objects
    assert pose.points["nose"] == pytest.approx((364.05, 83.81), abs=0.01)
    assert pose.image_size == (425, 640)
    assert found.names == {"pose": mediapipe.POSE}


def test_real_pose_out_of_the_frame():
    path = real("mediapipe_openpose/mediapipe/pose_out_of_frame.json")
    [pose] = read(mediapipe, path).objects
    assert pose.points["left_foot_index"][1] == pytest.approx(1.030063 * 425, abs=1e-3)


def test_real_faces():
    found = read(mediapipe, real("mediapipe_openpose/mediapipe/face_mesh_478.json"))
    assert [len(item.points) for item in found.objects] == [478, 478]
    assert found.objects[0].points["0"] == pytest.approx((0.7963934 * 1024, 0.794636 * 1024))


def test_real_layout_of_tasks_has_no_image():
    path = real("mediapipe_openpose/mediapipe/pose_tasks_layout.json")
    with pytest.raises(AnnotationError, match="give its folder by images="):
        read(mediapipe, path)


LANDMARKS = [{"x": 0.25, "y": 0.5, "z": -1.0}, {"x": 1.5, "y": -0.25, "z": 0, "visibility": 0.5}]
PIXELS = {"0": (10, 10), "1": (60, -5)}
SIZE = {"image": "face.png", "image_width": 40, "image_height": 20}


@pytest.mark.parametrize(
    ("content", "category", "n_objects"),
    [
        ({"landmarks": [LANDMARKS], "worldLandmarks": [LANDMARKS]}, None, 1),
        ({"faceLandmarks": [LANDMARKS, LANDMARKS]}, "face", 2),
        ({"face_landmarks": {"landmark": LANDMARKS}}, "face", 1),
        ({"multi_face_landmarks": [{"landmark": LANDMARKS}] * 3}, "face", 3),
        ({"left_hand_landmarks": LANDMARKS}, "left_hand", 1),
    ],
)
def test_layouts(tmp_path, content, category, n_objects):
    path = tmp_path / "face.json"
    path.write_text(json.dumps(SIZE | content))
    found = read(mediapipe, path)
    assert [item.points for item in found.objects] == [PIXELS] * n_objects
    assert {item.category for item in found.objects} == {category}
    assert found.names == {category: ("0", "1")}


def test_the_size_of_the_image_with_the_same_stem(tmp_path):
    path = tmp_path / "face.json"
    path.write_text(json.dumps({"landmarks": [LANDMARKS]}))
    Image.new("RGB", (40, 20)).save(tmp_path / "face.png")
    assert read(mediapipe, path).objects[0].points == PIXELS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"landmarks": [LANDMARKS, LANDMARKS[:1]]}, "landmarks 1: 1 landmarks where others"),
        ({"landmarks": [[LANDMARKS[0], {"x": 1, "z": 0}]]}, "landmarks 0, 1, y: None"),
        ({"landmarks": [[LANDMARKS[0], {"x": 300, "y": 1}]]}, "relative to the image"),
        ({"landmarks": [LANDMARKS], "image_width": 0}, "the image has height 20 and width 0"),
        ({"landmarks": [LANDMARKS], "image": 5}, "image is 5, no path"),
        ({"landmarks": [LANDMARKS, 5]}, "landmarks 1: 5 stands where an object should"),
    ],
)
def test_damage_is_named(tmp_path, content, message):
    path = tmp_path / "face.json"
    path.write_text(json.dumps(SIZE | content))
    with pytest.raises(AnnotationError, match=message) as raised:
        read(mediapipe, path)
    assert str(raised.value).startswith(str(path))
