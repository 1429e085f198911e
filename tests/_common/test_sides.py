import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_kpd._common.named_keypoints import NAMED_KEYPOINTS
from sklearn_kpd._common.sides import mirror_pairs, sides

SPELLINGS = [
    ("L_Eye", "R_Eye"),
    ("LeftEye", "RightEye"),
    ("leftEye", "rightEye"),
    ("eyeLeft", "eyeRight"),
    ("left eye", "right eye"),
    ("lefteye", "righteye"),
    ("LEFTEYE", "RIGHTEYE"),
    ("eyeleft", "eyeright"),
    ("Left front leg: paw", "Right front leg: paw"),
    ("LBlade", "RBlade"),
    ("LFrontRoof", "RFrontRoof"),
    ("eye_l", "eye_r"),
    ("eye.L", "eye.R"),
    ("eyeL", "eyeR"),
    ("LEFT_EYE", "RIGHT_EYE"),
    ("lEye", "rEye"),
    ("L-Wrist", "R-Wrist"),
    ("left-ear", "right-ear"),
    ("L_F_Elbow", "R_F_Elbow"),
    ("mouth_left_corner", "mouth_right_corner"),
    ("mouthleftcorner", "mouthrightcorner"),
    ("left_eye_right_corner", "right_eye_left_corner"),
    ("left_eye_r", "right_eye_l"),
    ("upper_lip_l", "upper_lip_r"),
    ("paw1L", "paw1R"),
    ("L1", "R1"),
    ("left", "right"),
    ("LBigToe", "RBigToe"),
    # in two spellings
    ("left_eye", "RightEye"),
    ("L_eye", "right_eye"),
    # one letter of a word
    ("leye", "reye"),
    ("Leye", "Reye"),
    ("LEYE", "REYE"),
    ("lt_eye", "rt_eye"),
    ("FL_paw", "FR_paw"),
    ("LFPaw", "RFPaw"),
]
NO_SIDES = [
    "nose", "lip", "lower_lip", "upper", "bright", "cleft", "upright", "leftover", "nose_ridge",
    "rear", "tail", "p0", "00", "landmark3", "chin", "roof", "L", "R", "glabella", "œil",
]  # fmt: skip


@pytest.mark.parametrize(("left", "right"), SPELLINGS)
def test_sides_as_people_write_them(left, right):
    assert mirror_pairs([*NO_SIDES, left, right]) == [(len(NO_SIDES), len(NO_SIDES) + 1)]
    assert mirror_pairs([right, "nose", left]) == [(2, 0)]
    assert sides([right, "nose", left]) == ["right", "middle", "left"]


@pytest.mark.parametrize("name", NO_SIDES)
def test_words_that_only_hold_the_letters(name):
    assert mirror_pairs([name, "forehead"]) == []
    assert sides([name, "forehead"]) == ["middle", "middle"]


@pytest.mark.parametrize("left", [left for left, _ in SPELLINGS[:28]])
def test_a_side_without_its_counterpart_is_an_error(left):
    with pytest.raises(ValueError, match="has no counterpart .*flip_pairs"):
        mirror_pairs([left, "nose"])


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("left_eye", "right_eye"),
        ("LEFT eye", "RIGHT eye"),
        ("R-Wrist", "L-Wrist"),
        ("eyeLeft", "eyeRight"),
        ("lEye", "rEye"),
        ("lefteye_r", "righteye_l"),
    ],
)
def test_the_counterpart_is_named_as_the_user_writes(name, other):
    with pytest.raises(ValueError, match=f"'{name}' has no counterpart '{other}'"):
        mirror_pairs([name])


@pytest.mark.parametrize(
    "corners",
    [
        ["UL", "UR", "LL", "LR"],  # upper left ... lower right
        ["FL", "FR", "RL", "RR"],  # front left ... rear right
        ["LF", "RF", "LR", "RR"],  # left front ... right rear
        ["TL", "TR", "BL", "BR"],
    ],
)
def test_letters_of_corners(corners):
    assert mirror_pairs(corners) == [(0, 1), (2, 3)]


def test_what_cannot_be_told_is_an_error():
    with pytest.raises(ValueError, match="'LL' may swap with 'RL' or with 'LR'"):
        mirror_pairs(["LL", "LR", "RL", "RR"])
    with pytest.raises(ValueError, match="'l_eye' and 'left_eye' read as the same"):
        mirror_pairs(["l_eye", "left_eye", "r_eye"])
    assert sides(["LL", "LR", "RL", "RR"]) == ["middle"] * 4


@given(st.permutations([*NAMED_KEYPOINTS["ibug68"]]))
def test_the_pairs_do_not_depend_on_the_order(names):
    named = {(names[i], names[j]) for i, j in mirror_pairs(names)}
    original = NAMED_KEYPOINTS["ibug68"]
    assert named == {(original[i], original[j]) for i, j in mirror_pairs(original)}


@given(st.lists(st.text(min_size=1, max_size=12), max_size=8, unique=True))
def test_any_names_give_disjoint_pairs_or_an_error_of_ours(names):
    assert len(sides(names)) == len(names)
    pairs = []
    with contextlib.suppress(ValueError):
        pairs = mirror_pairs(names)
    used = [index for pair in pairs for index in pair]
    assert len(used) == len(set(used))
