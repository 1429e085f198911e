"""Generated faces: the data of the demonstration and of the tests."""

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from sklearn_kpd._common.opencv import cv2
from sklearn_kpd.keypoints import KAGGLE_KEYPOINTS, columns_from_names

_SIDE = 96
_OVER = 4  # drawn this much larger, then averaged down: smooth edges
_SHIFT = 4  # bits of OpenCV's sub-pixel coordinates

# Share of rows of Kaggle's training.csv with all 15 keypoints and with these four alone; in
# the rest, single keypoints are missing.
_COMPLETE, _FOUR = 2140 / 7049, 4755 / 7049
_FOUR_KEYPOINTS = (
    "left_eye_center",
    "right_eye_center",
    "nose_tip",
    "mouth_center_bottom_lip",
)


def make_faces(
    n_samples: int = 100, *, missing: str | float | None = None, random_state: Any = None
) -> tuple[np.ndarray, pd.DataFrame]:
    """Generate grey faces with Kaggle's 15 keypoints.

    Drawn faces that vary in pose (turned, tilted, nodding, placed and sized differently), in
    shape (of head, eyes, brows, nose and mouth, hair, beard, glasses), in skin, light,
    background, sharpness and noise. They are made to show and to test the package: a network
    has to learn them, but learns nothing about real faces.

    Parameters
    ----------
    n_samples : int, default=100
        Number of faces.
    missing : {"kaggle"} or float or None, default=None
        "kaggle" leaves out labels as Kaggle's training file does: about 30 % of the rows are
        complete, 67 % have the centres of the eyes, the tip of the nose and the lower lip
        alone. A float is the share of keypoints that are left out at random. None leaves none
        out.
    random_state : int, RandomState instance or None, default=None
        Determines the faces.

    Returns
    -------
    X : ndarray of shape (n_samples, 96, 96, 1), uint8
        Grey levels.
    y : DataFrame of shape (n_samples, 30)
        Pixels, (0, 0) the centre of the first pixel; NaN where left out.

    Examples
    --------
    >>> from sklearn_kpd.datasets import make_faces
    >>> X, y = make_faces(3, missing="kaggle", random_state=0)
    >>> X.shape, X.dtype, y.shape
    ((3, 96, 96, 1), dtype('uint8'), (3, 30))
    """
    if not isinstance(n_samples, Integral) or n_samples < 1:
        raise ValueError(f"n_samples={n_samples!r} must be a whole number of 1 or more.")
    share = missing if isinstance(missing, (int, float)) else 0.0
    if missing not in (None, "kaggle") and not (
        isinstance(missing, (int, float)) and 0 <= share <= 1
    ):
        raise ValueError(
            f"missing={missing!r} is unknown; it may be None, 'kaggle' or a share from 0 to 1."
        )
    seed = check_random_state(random_state).randint(2**31 - 1)
    faces_rng, missing_rng = np.random.default_rng(seed).spawn(2)
    faces = [_draw_face(rng) for rng in faces_rng.spawn(int(n_samples))]
    points = np.stack([face[1] for face in faces])
    if missing == "kaggle":
        points[_kaggle_pattern(len(points), missing_rng)] = np.nan
    elif share:
        points[missing_rng.random(points.shape[:2]) < share] = np.nan
    images = np.stack([face[0] for face in faces])[..., np.newaxis]
    columns = columns_from_names(KAGGLE_KEYPOINTS)
    return images, pd.DataFrame(points.reshape(len(points), -1), columns=columns)


def _kaggle_pattern(n_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Whether each keypoint is left out, (n_samples, 15)."""
    kind = rng.random(n_samples)
    four = np.isin(KAGGLE_KEYPOINTS, _FOUR_KEYPOINTS)
    left_out = np.zeros((n_samples, len(KAGGLE_KEYPOINTS)), dtype=bool)
    left_out[kind < _FOUR] = ~four
    single = np.flatnonzero(kind >= _FOUR + _COMPLETE)
    left_out[single, rng.integers(len(KAGGLE_KEYPOINTS), size=len(single))] = True
    return left_out


# A face is built in units of its own: x to the image's right, y down, z towards the viewer,
# the head about 1 wide and 1.4 high, its centre between the eyes and the mouth. Turning the
# head is a rotation of these points; the picture takes x and y of the result.


def _draw_face(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    def u(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    yaw, pitch, roll = np.deg2rad([rng.normal(0, 14), rng.normal(0, 8), rng.normal(0, 9)])
    size = u(0.62, 0.80) * _SIDE
    centre = np.array([_SIDE / 2, _SIDE / 2 + 3]) + rng.normal(0, 3, 2)
    turn = _turn(yaw, pitch, roll)

    def project(points: Any) -> np.ndarray:
        return (np.atleast_2d(points) @ turn.T)[:, :2] * size + centre

    eye_x, eye_y, eye_w, eye_h = u(0.19, 0.24), u(-0.17, -0.11), u(0.075, 0.105), u(0.02, 0.05)
    brow_y, brow_lift, brow_w = eye_y - u(0.09, 0.15), u(-0.03, 0.05), u(0.10, 0.15)
    nose_y, nose_w = u(0.10, 0.17), u(0.06, 0.10)
    mouth_y, mouth_w = u(0.30, 0.37), u(0.13, 0.22)
    lip, gap, smile = u(0.025, 0.05), max(0.0, u(-0.04, 0.06)), u(-0.03, 0.05)

    def surface(x: float, y: float, out: float = 0.0) -> list[float]:
        """Point of the face, at its depth on an ellipsoid."""
        depth = 0.45 * max(0.0, 1 - (x / 0.62) ** 2 - (y / 0.85) ** 2) ** 0.5
        return [x, y, depth + out - 0.2]

    slant = u(-0.02, 0.02)
    sides = {"left": 1.0, "right": -1.0}  # the subject's left is on the image's right
    model: dict[str, list[float]] = {}
    for side, s in sides.items():
        model[f"{side}_eye_center"] = surface(s * eye_x, eye_y)
        model[f"{side}_eye_inner_corner"] = surface(s * (eye_x - eye_w), eye_y + slant)
        model[f"{side}_eye_outer_corner"] = surface(s * (eye_x + eye_w), eye_y - slant)
        model[f"{side}_eyebrow_inner_end"] = surface(s * (eye_x - brow_w), brow_y + brow_lift)
        model[f"{side}_eyebrow_outer_end"] = surface(s * (eye_x + brow_w * 1.1), brow_y)
        model[f"mouth_{side}_corner"] = surface(s * mouth_w, mouth_y - smile)
    model["nose_tip"] = surface(0, nose_y, 0.13)
    model["mouth_center_top_lip"] = surface(0, mouth_y - gap / 2 - lip * 0.8)
    model["mouth_center_bottom_lip"] = surface(0, mouth_y + gap / 2 + lip)
    points = project([model[name] for name in KAGGLE_KEYPOINTS])
    at = dict(zip(KAGGLE_KEYPOINTS, points, strict=True))

    canvas = _background(rng)
    skin = u(90, 215)
    dark = u(15, 0.5 * skin)
    head = _head_outline(rng)
    hair = u(10, 0.8 * skin) if rng.random() < 0.85 else skin * 0.95
    # neck and shoulders, then hair behind the head, ears, head, hair line
    neck = centre + size * np.array([[-0.24, 0.3], [0.24, 0.3], [0.3, 1.3], [-0.3, 1.3]])
    _fill(canvas, neck, skin * 0.8)
    back = head * np.array([1.12, 1.06]) + np.array([0, -0.06])
    _fill(canvas, project(_with_depth(back, -0.15)), hair)
    for s in sides.values():
        _ellipse(
            canvas,
            project([s * 0.5, 0.0, -0.2])[0],
            size * np.array([0.06, 0.13]),
            roll,
            skin * 0.85,
        )
    _fill(canvas, project(_with_depth(head, 0.0)), skin)
    if rng.random() < 0.75:
        line = u(-0.52, -0.38)
        fringe = head[head[:, 1] < line + 0.08]
        if len(fringe) > 2:
            _fill(canvas, project(_with_depth(fringe * np.array([1.03, 1.05]), 0.05)), hair)
    _shade(canvas, rng)

    # nose
    for s in sides.values():
        nostril = project(surface(s * nose_w * 0.6, nose_y + 0.04, 0.06))[0]
        _ellipse(canvas, nostril, size * np.array([0.022, 0.013]), roll, dark)
        wing = project(
            [
                surface(s * nose_w, nose_y - 0.02, 0.03),
                surface(s * nose_w * 1.1, nose_y + 0.035, 0.03),
                surface(s * nose_w * 0.6, nose_y + 0.06, 0.05),
            ]
        )
        _line(canvas, wing, skin * 0.72, size * 0.014)
    ridge_side = rng.choice([-1, 1])
    ridge = project(
        [
            surface(ridge_side * 0.045, eye_y + 0.05, 0.03),
            surface(ridge_side * 0.05, nose_y - 0.03, 0.10),
        ]
    )
    _line(canvas, ridge, skin * 0.82, size * 0.02)
    _ellipse(canvas, at["nose_tip"], size * np.array([0.03, 0.026]), roll, min(255.0, skin * 1.15))

    # eyes and brows
    gaze = rng.uniform(-0.35, 0.35, 2) * [eye_w, eye_h]
    brow_dark, brow_thick = u(0.2, 0.75) * skin, u(0.018, 0.04)
    for side, s in sides.items():
        inner, outer = at[f"{side}_eye_inner_corner"], at[f"{side}_eye_outer_corner"]
        upper = project([surface(s * (eye_x + d * eye_w), eye_y - eye_h) for d in (-0.4, 0.4)])
        lower = project([surface(s * (eye_x + d * eye_w), eye_y + eye_h) for d in (0.4, -0.4)])
        lid = np.vstack([inner, upper, outer, lower])
        _fill(canvas, lid, min(255.0, u(170, 250)))
        iris = project(surface(s * eye_x + gaze[0], eye_y + gaze[1]))[0]
        radius = size * min(0.038, eye_h * 1.05)
        _ellipse(canvas, iris, np.array([radius, radius]), 0, dark + 25)
        _ellipse(canvas, iris, np.array([radius, radius]) * 0.5, 0, max(0.0, dark - 10))
        _line(canvas, np.vstack([inner, upper, outer]), dark, size * 0.014)
        if eye_h < 0.042:
            _line(canvas, np.vstack([outer, lower, inner]), skin * 0.7, size * 0.008)
        ends = at[f"{side}_eyebrow_inner_end"], at[f"{side}_eyebrow_outer_end"]
        arch = project(surface(s * (eye_x + 0.02), brow_y - u(0.015, 0.045)))
        _line(canvas, np.vstack([ends[0], arch, ends[1]]), brow_dark, size * brow_thick)

    # mouth: upper lip, opening, lower lip
    left, right = at["mouth_left_corner"], at["mouth_right_corner"]
    inner_top = project([surface(d * mouth_w, mouth_y - gap / 2) for d in (-0.45, 0.45)])
    inner_low = project([surface(d * mouth_w, mouth_y + gap / 2) for d in (0.45, -0.45)])
    lips = u(0.45, 0.8) * skin
    peaks = project([surface(d * mouth_w, mouth_y - gap / 2 - lip) for d in (-0.25, 0.25)])
    belly = project([surface(d * mouth_w, mouth_y + gap / 2 + lip * 0.9) for d in (0.4, -0.4)])
    top, low = at["mouth_center_top_lip"], at["mouth_center_bottom_lip"]
    _fill(canvas, np.vstack([right, peaks[0], top, peaks[1], left, belly[0], low, belly[1]]), lips)
    if gap > 0.012:
        teeth = u(160, 240) if rng.random() < 0.6 else dark
        _fill(canvas, np.vstack([right, inner_top, left, inner_low]), teeth)
    else:
        middle = project(surface(0, mouth_y))
        _line(canvas, np.vstack([right, middle, left]), dark, size * 0.012)
    if rng.random() < 0.2:
        _beard(canvas, project, surface, mouth_y, mouth_w, hair)
    if rng.random() < 0.2:
        _glasses(canvas, project, surface, eye_x, eye_y, u(10, 60), size, roll)

    image = cv2.resize(canvas, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return _camera(image, rng), points


def _turn(yaw: float, pitch: float, roll: float) -> np.ndarray:
    (cy, cp, cr), (sy, sp, sr) = np.cos([yaw, pitch, roll]), np.sin([yaw, pitch, roll])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


def _head_outline(rng: np.random.Generator) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    jaw, width = rng.uniform(0.75, 1.0), rng.uniform(0.44, 0.52)
    x = width * np.cos(angle)
    y = 0.66 * np.sin(angle)
    return np.stack([np.where(y > 0, x * (1 - (1 - jaw) * (y / 0.66) ** 2), x), y], axis=1)


def _with_depth(points: np.ndarray, depth: float) -> np.ndarray:
    return np.column_stack([points, np.full(len(points), depth)])


def _background(rng: np.random.Generator) -> np.ndarray:
    """A slope of grey with a few shapes and coarse clutter."""
    side = _SIDE * _OVER
    canvas = np.empty((side, side), dtype=np.float32)
    corners = rng.uniform(20, 235, (2, 2)).astype(np.float32)
    cv2.resize(corners, (side, side), canvas, interpolation=cv2.INTER_LINEAR)
    for _ in range(rng.integers(0, 6)):
        box = rng.uniform(-0.1, 1.1, (2, 2)) * _SIDE
        level = rng.uniform(0, 255)
        if rng.random() < 0.5:
            _ellipse(canvas, box[0], np.abs(box[1]) * 0.3 + 1, rng.uniform(0, 3), level)
        else:
            _line(canvas, box, level, rng.uniform(1, 12))
    clutter = rng.normal(0, rng.uniform(0, 18), (12, 12)).astype(np.float32)
    return canvas + cv2.resize(clutter, (side, side), interpolation=cv2.INTER_CUBIC)


def _shade(canvas: np.ndarray, rng: np.random.Generator) -> None:
    """Light from one side."""
    side = len(canvas)
    angle, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.45)
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j].astype(np.float32)
    canvas *= 1 + np.float32(depth) * (
        np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y
    )


def _beard(
    canvas: np.ndarray, project: Any, surface: Any, mouth_y: float, mouth_w: float, level: float
) -> None:
    top = mouth_y + 0.11
    outline = [
        surface(-mouth_w, top), surface(mouth_w, top), surface(mouth_w * 0.8, top + 0.15),
        surface(-mouth_w * 0.8, top + 0.15),
    ]  # fmt: skip
    _fill(canvas, project(outline), level)


def _glasses(
    canvas: np.ndarray, project: Any, surface: Any, eye_x: float, eye_y: float, level: float,
    size: float, roll: float,
) -> None:  # fmt: skip
    for s in (-1.0, 1.0):
        angle = np.linspace(0, 2 * np.pi, 25)
        rim = [
            surface(s * eye_x + 0.13 * np.cos(a), eye_y + 0.10 * np.sin(a), 0.05) for a in angle
        ]
        _line(canvas, project(rim), level, size * 0.014)
    bridge = [surface(-eye_x + 0.13, eye_y, 0.05), surface(eye_x - 0.13, eye_y, 0.05)]
    _line(canvas, project(bridge), level, size * 0.014)


def _camera(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Contrast, brightness, blur and noise of the picture."""
    image = (image - 128) * rng.uniform(0.5, 1.1) + 128 + rng.normal(0, 18)
    image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.3))
    image = image + rng.normal(0, rng.uniform(0, 7), image.shape)
    return np.clip(np.round(image), 0, 255).astype(np.uint8)


def _on_canvas(points: np.ndarray) -> np.ndarray:
    """Pixels of the image to OpenCV's fixed-point coordinates of the larger canvas."""
    return np.round(((points + 0.5) * _OVER - 0.5) * (1 << _SHIFT)).astype(np.int32)


def _fill(canvas: np.ndarray, outline: np.ndarray, level: float) -> None:
    cv2.fillPoly(canvas, [_on_canvas(outline)], float(level), cv2.LINE_8, _SHIFT)


def _line(canvas: np.ndarray, points: np.ndarray, level: float, width: float) -> None:
    thickness = max(1, round(width * _OVER))
    cv2.polylines(canvas, [_on_canvas(points)], False, float(level), thickness, cv2.LINE_8, _SHIFT)


def _ellipse(
    canvas: np.ndarray, centre: np.ndarray, radii: np.ndarray, angle: float, level: float
) -> None:
    outline = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    x, y = radii[0] * np.cos(outline), radii[1] * np.sin(outline)
    cos, sin = np.cos(angle), np.sin(angle)
    _fill(canvas, np.stack([x * cos - y * sin, x * sin + y * cos], axis=1) + centre, level)
