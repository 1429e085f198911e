import json

import pytest

from sklearn_kpd.datasets.annotations import openpose
from sklearn_kpd.exceptions import AnnotationError
from tests.datasets.annotations.real_files import read, real


def test_real_people():
    found = read(openpose, real("mediapipe_openpose/openpose_multi/cam01.0050.json"))
    first, second, _ = found.objects
    assert first.points["0"] == pytest.approx((53.857, 493.682), abs=1e-3)
    assert second.points["0"] == (762.901, 610.485)
    assert len(first.points) == 21
    assert sum(min(point) < 0 for point in first.points.values()) == 5
    assert {item.track for item in found.objects} == {None}
    assert found.names == {None: tuple(map(str, range(25)))}
    assert first.image == "cam01.0050"


@pytest.mark.parametrize(
    ("name", "n_people", "nose"),
    [
        ("openpose_multi/cam01.0058.json", 3, (773.38, 626.093)),
        ("openpose_single/cam01.0010.json", 2, (584.118, 447.471)),
    ],
)
def test_real_frames(name, n_people, nose):
    found = read(openpose, real(f"mediapipe_openpose/{name}"))
    assert len(found.objects) == n_people
    assert found.objects[0].points["0"] == nose


def write(folder, *people):
    path = folder / "film_000000000012_keypoints.json"
    path.write_text(json.dumps({"version": 1.3, "people": people}))
    return path


def person(*numbers, **others):
    return {"person_id": [-1], "pose_keypoints_2d": list(numbers), **others}


def test_people(tmp_path):
    path = write(
        tmp_path,
        person(1.5, 2, 0.9, 0, 0, 0, hand_left_keypoints_2d=[7, 8, 0.5]),
        person(0, 0, 0.1, 3, 4, 1, person_id=[3], hand_left_keypoints_2d=[]),
    )
    found = read(openpose, path)
    first, second = found.objects
    assert first.points == {"0": (1.5, 2), "hand_left_0": (7, 8)}
    assert second.points == {"0": (0, 0), "1": (3, 4)}
    assert (first.track, second.track) == (None, "3")
    assert first.image == "film_000000000012"
    assert found.names == {None: ("0", "1", "hand_left_0")}


def test_nobody(tmp_path):
    found = read(openpose, write(tmp_path))
    assert found.objects == []
    assert not found.names_are_all


@pytest.mark.parametrize(
    ("people", "message"),
    [
        ([person(1, 2)], "person 0: 2 numbers in pose_keypoints_2d"),
        ([person(1, 2, 1), person(1, 2, 1, 3, 4, 1)], "person 1: 2 points .* others have 1"),
        ([person(1, 2, 0)], r"point 0: \(1, 2\) with the confidence 0"),
        ([person(1, None, 1)], "person 0, pose_keypoints_2d: None"),
        ([person(1, 1e999, 1)], "person 0, pose_keypoints_2d: inf"),
        ([person(1, 2, 1, person_id="x")], "person_id is 'x'"),
        ([{"person_id": [-1]}], "'pose_keypoints_2d' is missing"),
    ],
)
def test_damage_is_named(tmp_path, people, message):
    with pytest.raises(AnnotationError, match=message):
        read(openpose, write(tmp_path, *people))
