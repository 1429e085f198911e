"""Sets of keypoints that many data sets share: their names, in the order of their files.

Left and right are the subject's own. The names tell the pairs that a flip swaps.
"""

import re
from collections.abc import Sequence


def _numbered(name: str, last: int, first: int = 1) -> tuple[str, ...]:
    """Give name_1, name_2 ...; or the same downwards where `last` is below `first`."""
    step = 1 if last >= first else -1
    return tuple(f"{name}_{number}" for number in range(first, last + step, step))


#: The 15 keypoints of Kaggle's Facial Keypoints Detection.
KAGGLE_KEYPOINTS = (
    "left_eye_center",
    "right_eye_center",
    "left_eye_inner_corner",
    "left_eye_outer_corner",
    "right_eye_inner_corner",
    "right_eye_outer_corner",
    "left_eyebrow_inner_end",
    "left_eyebrow_outer_end",
    "right_eyebrow_inner_end",
    "right_eyebrow_outer_end",
    "nose_tip",
    "mouth_left_corner",
    "mouth_right_corner",
    "mouth_center_top_lip",
    "mouth_center_bottom_lip",
)

#: The 17 keypoints of COCO's people.
COCO_KEYPOINTS = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)

# iBUG's and WFLW's go along the contour from the subject's right ear to the left one, along the
# eyebrows from the right to the left, and round eyes and mouth from their right ends over the top.

# The 20 of the lips, outer and inner, which both of the sets below have.
_LIPS = (
    "mouth_right_corner",
    *_numbered("top_lip_right", 2),
    "top_lip_center",
    *_numbered("top_lip_left", 1, 2),
    "mouth_left_corner",
    *_numbered("bottom_lip_left", 2),
    "bottom_lip_center",
    *_numbered("bottom_lip_right", 1, 2),
    "mouth_inner_right_corner",
    "top_lip_inner_right",
    "top_lip_inner_center",
    "top_lip_inner_left",
    "mouth_inner_left_corner",
    "bottom_lip_inner_left",
    "bottom_lip_inner_center",
    "bottom_lip_inner_right",
)

#: The 68 keypoints of iBUG: 300-W, Helen, AFW, dlib.
IBUG_68 = (
    *_numbered("right_contour", 8),
    "chin",
    *_numbered("left_contour", 1, 8),
    *_numbered("right_eyebrow", 5),
    *_numbered("left_eyebrow", 1, 5),
    *_numbered("nose_bridge", 4),
    *_numbered("right_nostril", 2),
    "nose_base",
    *_numbered("left_nostril", 1, 2),
    "right_eye_outer_corner",
    "right_eye_outer_top",
    "right_eye_inner_top",
    "right_eye_inner_corner",
    "right_eye_inner_bottom",
    "right_eye_outer_bottom",
    "left_eye_inner_corner",
    "left_eye_inner_top",
    "left_eye_outer_top",
    "left_eye_outer_corner",
    "left_eye_outer_bottom",
    "left_eye_inner_bottom",
    *_LIPS,
)

#: The 98 keypoints of WFLW.
WFLW_98 = (
    *_numbered("right_contour", 16),
    "chin",
    *_numbered("left_contour", 1, 16),
    *_numbered("right_eyebrow_top", 5),
    *_numbered("right_eyebrow_bottom", 1, 4),
    *_numbered("left_eyebrow_top", 1, 5),
    *_numbered("left_eyebrow_bottom", 4),
    *_numbered("nose_bridge", 4),
    *_numbered("right_nostril", 2),
    "nose_base",
    *_numbered("left_nostril", 1, 2),
    "right_eye_outer_corner",
    *_numbered("right_eye_top", 3),
    "right_eye_inner_corner",
    *_numbered("right_eye_bottom", 1, 3),
    "left_eye_inner_corner",
    *_numbered("left_eye_top", 1, 3),
    "left_eye_outer_corner",
    *_numbered("left_eye_bottom", 3),
    *_LIPS,
    "right_eye_center",
    "left_eye_center",
)

#: What `flip_pairs` and `keypoint_names` take by name.
NAMED_KEYPOINTS = {
    "kaggle15": KAGGLE_KEYPOINTS,
    "coco17": COCO_KEYPOINTS,
    "ibug68": IBUG_68,
    "wflw98": WFLW_98,
}


def named_keypoints(
    name: str, n_keypoints: int | None = None, own_names: Sequence[str] | None = None
) -> tuple[str, ...]:
    """Names of the keypoints of a set that is known by name.

    Parameters
    ----------
    name : {"kaggle15", "coco17", "ibug68", "wflw98"}
        Name of the set.
    n_keypoints : int, optional
        How many keypoints there are.
    own_names : sequence of str, optional
        Names that they have already: those of the set in another order, or others.

    Returns
    -------
    tuple of str
        In the order of the files of the set, or in that of `own_names` if those are of the set.

    Raises
    ------
    ValueError
        If there is no such set, it has another number of keypoints, or `own_names` are numbers
        that do not rise.

    Examples
    --------
    >>> from sklearn_kpd.keypoints import named_keypoints
    >>> named_keypoints("coco17", 17)[:3]
    ('nose', 'left_eye', 'right_eye')

    .. versionadded:: 0.2
    """
    if name not in NAMED_KEYPOINTS:
        known = ", ".join(map(repr, NAMED_KEYPOINTS))
        raise ValueError(f"{name!r} is no set of keypoints that is known; those are {known}.")
    names = NAMED_KEYPOINTS[name]
    if n_keypoints not in (None, len(names)):
        raise ValueError(f"{name!r} has {len(names)} keypoints, but y has {n_keypoints}.")
    if own_names is None:
        return names
    if set(own_names) == set(names):
        return tuple(own_names)
    numbers = [int(found[0]) for own in own_names if (found := re.search(r"\d+$", own))]
    if len(numbers) == len(names) and numbers != sorted(numbers):
        raise ValueError(
            f"{name!r} goes by the order of its files, but the numbers in the names of y's "
            f"keypoints do not rise ({listed(own_names)}): sort its columns by them."
        )
    return names


def listed(names: Sequence[str]) -> str:
    """Give the first names, for an error."""
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
