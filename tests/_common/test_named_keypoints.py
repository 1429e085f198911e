"""The sets of keypoints that are known by name, against tables and faces of others."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from sklearn_kpd import AugmentTransformer, keypoints
from sklearn_kpd.keypoints import NAMED_KEYPOINTS, flip_permutation, named_keypoints

DATA = Path(__file__).parents[2] / "../shared/data"

# The mirror images of all points, as the tables of the data sets have them (0-based).
IBUG_MIRROR = [
    *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31,
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65,
]  # fmt: skip
WFLW_MIRROR = [
    *range(32, -1, -1), 46, 45, 44, 43, 42, 50, 49, 48, 47, 37, 36, 35, 34, 33, 41, 40, 39, 38,
    51, 52, 53, 54, 59, 58, 57, 56, 55, 72, 71, 70, 69, 68, 75, 74, 73, 64, 63, 62, 61, 60, 67,
    66, 65, 82, 81, 80, 79, 78, 77, 76, 87, 86, 85, 84, 83, 92, 91, 90, 89, 88, 95, 94, 93, 97, 96,
]  # fmt: skip
COCO_MIRROR = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
KAGGLE_MIRROR = [1, 0, 4, 5, 2, 3, 8, 9, 6, 7, 10, 12, 11, 13, 14]


@pytest.mark.parametrize(
    ("name", "mirrored"),
    [("ibug68", IBUG_MIRROR), ("wflw98", WFLW_MIRROR), ("coco17", COCO_MIRROR),
     ("kaggle15", KAGGLE_MIRROR)],
)  # fmt: skip
def test_the_pairs_are_those_of_the_tables(name, mirrored):
    names = named_keypoints(name)
    assert len(set(names)) == len(names) == len(mirrored) == int(name[-2:])
    permutation = flip_permutation(len(names), flip_pairs=name)
    np.testing.assert_array_equal(permutation, mirrored)
    np.testing.assert_array_equal(permutation, flip_permutation(len(names), names))
    np.testing.assert_array_equal(permutation[permutation], np.arange(len(names)))


def test_corners_of_the_eyes_have_the_names_that_the_metrics_look_for():
    for names, right, left in ((keypoints.IBUG_68, 36, 45), (keypoints.WFLW_98, 60, 72)):
        assert names[right] == "right_eye_outer_corner"
        assert names[left] == "left_eye_outer_corner"


def test_wrong_sets_are_errors():
    with pytest.raises(ValueError, match="'ibug86' is no set of keypoints .*'ibug68'"):
        named_keypoints("ibug86")
    with pytest.raises(ValueError, match="'ibug68' has 68 keypoints, but y has 15"):
        flip_permutation(15, flip_pairs="ibug68")
    with pytest.raises(ValueError, match="flip_pairs"):
        AugmentTransformer(flip_pairs="ibug86").fit(np.zeros((2, 8, 8)), np.zeros((2, 4)))


@pytest.mark.parametrize("pattern", ["{}", "p{}", "landmark_{:02d}"])
def test_points_that_are_numbered_have_to_be_in_order(pattern):
    names = [pattern.format(i) for i in range(68)]
    np.testing.assert_array_equal(flip_permutation(68, names, "ibug68"), IBUG_MIRROR)
    by_text = sorted(names)
    if by_text != names:
        with pytest.raises(ValueError, match="the numbers in the names .* do not rise"):
            flip_permutation(68, by_text, "ibug68")
    with pytest.raises(ValueError, match="do not rise"):
        flip_permutation(68, names[::-1], "ibug68")


@pytest.mark.parametrize("name", NAMED_KEYPOINTS)
def test_names_of_the_set_in_another_order_go_by_themselves(name):
    names = sorted(named_keypoints(name))
    np.testing.assert_array_equal(
        flip_permutation(len(names), names, name), flip_permutation(len(names), names)
    )


def ibug_faces():
    faces = []
    for path in (DATA / "photos").glob("*.xml"):
        for box in ElementTree.parse(path).iter("box"):
            parts = {int(p.get("name")): (float(p.get("x")), float(p.get("y")))
                     for p in box.iter("part")}  # fmt: skip
            if len(parts) == 68:
                faces.append([parts[i] for i in range(68)])
    return faces


def wflw_faces():
    return [
        np.array(line.split()[:196], dtype=float).reshape(98, 2)
        for path in (DATA / "annotations/wflw_txt").glob("*list_98pt_rect_attr*.txt")
        for line in path.read_text().splitlines()
    ]


@pytest.mark.parametrize(("name", "read"), [("ibug68", ibug_faces), ("wflw98", wflw_faces)])
def test_real_faces_are_their_mirror_image_once_left_and_right_are_swapped(name, read):
    faces = np.array(read())
    if not len(faces):
        pytest.skip("the annotated faces are not there")
    # each face upright, about its centre and of one size
    names = named_keypoints(name)
    right, left = (names.index(f"{side}_eye_outer_corner") for side in ("right", "left"))
    across = faces[:, left] - faces[:, right]
    angle = -np.arctan2(across[:, 1], across[:, 0])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    faces = np.einsum("ijn,nkj->nki", turn, faces - faces.mean(axis=1, keepdims=True))
    faces /= np.linalg.norm(faces, axis=(1, 2), keepdims=True)
    mean = faces.mean(axis=0)
    permutation = flip_permutation(len(names), flip_pairs=name)
    mirrored = mean * [-1, 1]
    swapped, as_it_was = (
        np.linalg.norm(points - mean, axis=1) for points in (mirrored[permutation], mirrored)
    )
    assert np.linalg.norm(swapped) < 0.2 * np.linalg.norm(as_it_was)
    paired = permutation != np.arange(len(names))
    # a few faces that look aside blur what lies at the middle
    assert (swapped[paired] < as_it_was[paired]).mean() > 0.95
    # the subject's left side is to the right in the image, where the names say it
    sides = [n.startswith("left") or "_left" in n for n in NAMED_KEYPOINTS[name]]
    others = [n.startswith("right") or "_right" in n for n in NAMED_KEYPOINTS[name]]
    assert mean[sides, 0].min() > mean[others, 0].max()
