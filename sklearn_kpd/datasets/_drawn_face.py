"""One drawn face: its numbers are drawn first, then its parts are painted, the back ones first.

A face is built in units of its own: x to the image's right, y down, z towards the viewer, the head
about 1 wide and 1.4 high, its centre between the eyes and the mouth. Turning the head is a
rotation of these points; the picture takes x and y of the result.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sklearn_kpd._common.opencv import cv2
from sklearn_kpd.images import Array
from sklearn_kpd.keypoints import KAGGLE_KEYPOINTS, FloatArray

#: Pixels of the image's side.
SIDE = 96
_OVER = 4  # drawn this much larger, then averaged down: smooth edges
_SHIFT = 4  # bits of OpenCV's sub-pixel coordinates

_SIDES = {"left": 1.0, "right": -1.0}  # the subject's left is on the image's right


@dataclass(frozen=True)
class _Face:
    """Pose and shape of a face; its lengths are in its own units, but `size` and `centre`."""

    turn: FloatArray
    roll: float
    size: float  # pixels in a unit
    centre: FloatArray  # pixels
    eye_x: float
    eye_y: float
    eye_w: float
    eye_h: float
    brow_y: float
    brow_lift: float
    brow_w: float
    nose_y: float
    nose_w: float
    mouth_y: float
    mouth_w: float
    lip: float
    gap: float
    smile: float
    slant: float

    def surface(self, x: float, y: float, out: float = 0.0) -> list[float]:
        """Point of the face, at its depth on an ellipsoid."""
        depth = 0.45 * max(0.0, 1 - (x / 0.62) ** 2 - (y / 0.85) ** 2) ** 0.5
        return [x, y, depth + out - 0.2]

    def project(self, points: npt.ArrayLike) -> FloatArray:
        """Pixels of points in the face's units."""
        return (np.atleast_2d(points) @ self.turn.T)[:, :2] * self.size + self.centre

    def keypoints(self) -> FloatArray:
        """Pixels of Kaggle's keypoints, (15, 2)."""
        at: dict[str, list[float]] = {}
        for side, s in _SIDES.items():
            brow_x = self.eye_x + self.brow_w * 1.1
            inner, outer = s * (self.eye_x - self.eye_w), s * (self.eye_x + self.eye_w)
            inner_brow = s * (self.eye_x - self.brow_w), self.brow_y + self.brow_lift
            at[f"{side}_eye_center"] = self.surface(s * self.eye_x, self.eye_y)
            at[f"{side}_eye_inner_corner"] = self.surface(inner, self.eye_y + self.slant)
            at[f"{side}_eye_outer_corner"] = self.surface(outer, self.eye_y - self.slant)
            at[f"{side}_eyebrow_inner_end"] = self.surface(*inner_brow)
            at[f"{side}_eyebrow_outer_end"] = self.surface(s * brow_x, self.brow_y)
            at[f"mouth_{side}_corner"] = self.surface(s * self.mouth_w, self.mouth_y - self.smile)
        top, bottom = self.mouth_y - self.gap / 2, self.mouth_y + self.gap / 2
        at["nose_tip"] = self.surface(0, self.nose_y, 0.13)
        at["mouth_center_top_lip"] = self.surface(0, top - self.lip * 0.8)
        at["mouth_center_bottom_lip"] = self.surface(0, bottom + self.lip)
        return self.project([at[name] for name in KAGGLE_KEYPOINTS])


@dataclass(frozen=True)
class _Levels:
    """Grey levels of what several parts have in common."""

    skin: float
    dark: float
    hair: float


def draw_face(rng: np.random.Generator) -> tuple[npt.NDArray[np.uint8], FloatArray]:
    """Draw a face.

    Parameters
    ----------
    rng : numpy.random.Generator
        Determines it.

    Returns
    -------
    image : ndarray of shape (96, 96), uint8
        Grey levels.
    points : ndarray of shape (15, 2)
        Pixels of Kaggle's keypoints.
    """
    face = _random_face(rng)
    points = face.keypoints()
    at = dict(zip(KAGGLE_KEYPOINTS, points, strict=True))
    canvas = _background(rng)
    levels = _paint_head(canvas, face, rng)
    _shade(canvas, rng)
    _paint_nose(canvas, face, at, levels, rng)
    _paint_eyes_and_brows(canvas, face, at, levels, rng)
    _paint_mouth(canvas, face, at, levels, rng)
    if rng.random() < 0.2:
        _paint_beard(canvas, face, levels.hair)
    if rng.random() < 0.2:
        _paint_glasses(canvas, face, rng.uniform(10, 60))
    image = cv2.resize(canvas, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return _camera(image, rng), points


def _random_face(rng: np.random.Generator) -> _Face:
    u = rng.uniform
    yaw, pitch, roll = np.deg2rad([rng.normal(0, 14), rng.normal(0, 8), rng.normal(0, 9)])
    size = u(0.62, 0.80) * SIDE
    centre = np.array([SIDE / 2, SIDE / 2 + 3]) + rng.normal(0, 3, 2)
    eye_x, eye_y = u(0.19, 0.24), u(-0.17, -0.11)
    return _Face(
        turn=_turn(yaw, pitch, roll),
        roll=roll,
        size=size,
        centre=centre,
        eye_x=eye_x,
        eye_y=eye_y,
        eye_w=u(0.075, 0.105),
        eye_h=u(0.02, 0.05),
        brow_y=eye_y - u(0.09, 0.15),
        brow_lift=u(-0.03, 0.05),
        brow_w=u(0.10, 0.15),
        nose_y=u(0.10, 0.17),
        nose_w=u(0.06, 0.10),
        mouth_y=u(0.30, 0.37),
        mouth_w=u(0.13, 0.22),
        lip=u(0.025, 0.05),
        gap=max(0.0, u(-0.04, 0.06)),
        smile=u(-0.03, 0.05),
        slant=u(-0.02, 0.02),
    )


def _paint_head(canvas: FloatArray, face: _Face, rng: np.random.Generator) -> _Levels:
    """Neck and shoulders, hair behind the head, ears, the head, and the hair line."""
    skin = rng.uniform(90, 215)
    dark = rng.uniform(15, 0.5 * skin)
    head = _head_outline(rng)
    hair = rng.uniform(10, 0.8 * skin) if rng.random() < 0.85 else skin * 0.95
    neck = np.array([[-0.24, 0.3], [0.24, 0.3], [0.3, 1.3], [-0.3, 1.3]])
    _fill(canvas, face.centre + face.size * neck, skin * 0.8)
    back = head * np.array([1.12, 1.06]) + np.array([0, -0.06])
    _fill(canvas, face.project(_with_depth(back, -0.15)), hair)
    for s in _SIDES.values():
        ear = face.project([s * 0.5, 0.0, -0.2])[0]
        _ellipse(canvas, ear, face.size * np.array([0.06, 0.13]), face.roll, skin * 0.85)
    _fill(canvas, face.project(_with_depth(head, 0.0)), skin)
    if rng.random() < 0.75:
        line = rng.uniform(-0.52, -0.38)
        fringe = head[head[:, 1] < line + 0.08]
        if len(fringe) > 2:
            _fill(canvas, face.project(_with_depth(fringe * np.array([1.03, 1.05]), 0.05)), hair)
    return _Levels(skin, dark, hair)


def _paint_nose(
    canvas: FloatArray,
    face: _Face,
    at: dict[str, FloatArray],
    levels: _Levels,
    rng: np.random.Generator,
) -> None:
    """Nostrils and wings, the ridge on the side that is in the shade, the tip."""
    x, y, size, skin = face.nose_w, face.nose_y, face.size, levels.skin
    for s in _SIDES.values():
        nostril = face.project(face.surface(s * x * 0.6, y + 0.04, 0.06))[0]
        _ellipse(canvas, nostril, size * np.array([0.022, 0.013]), face.roll, levels.dark)
        wing = [
            face.surface(s * x, y - 0.02, 0.03),
            face.surface(s * x * 1.1, y + 0.035, 0.03),
            face.surface(s * x * 0.6, y + 0.06, 0.05),
        ]
        _line(canvas, face.project(wing), skin * 0.72, size * 0.014)
    ridge_side = rng.choice([-1, 1])
    ridge = [
        face.surface(ridge_side * 0.045, face.eye_y + 0.05, 0.03),
        face.surface(ridge_side * 0.05, y - 0.03, 0.10),
    ]
    _line(canvas, face.project(ridge), skin * 0.82, size * 0.02)
    tip = size * np.array([0.03, 0.026])
    _ellipse(canvas, at["nose_tip"], tip, face.roll, min(255.0, skin * 1.15))


def _paint_eyes_and_brows(
    canvas: FloatArray,
    face: _Face,
    at: dict[str, FloatArray],
    levels: _Levels,
    rng: np.random.Generator,
) -> None:
    x, y, width, height = face.eye_x, face.eye_y, face.eye_w, face.eye_h
    gaze = rng.uniform(-0.35, 0.35, 2) * [width, height]
    brow_level, brow_thick = rng.uniform(0.2, 0.75) * levels.skin, rng.uniform(0.018, 0.04)
    for side, s in _SIDES.items():
        inner, outer = at[f"{side}_eye_inner_corner"], at[f"{side}_eye_outer_corner"]
        upper = face.project([face.surface(s * (x + d * width), y - height) for d in (-0.4, 0.4)])
        lower = face.project([face.surface(s * (x + d * width), y + height) for d in (0.4, -0.4)])
        lid = np.vstack([inner, upper, outer, lower])
        _fill(canvas, lid, min(255.0, rng.uniform(170, 250)))
        iris = face.project(face.surface(s * x + gaze[0], y + gaze[1]))[0]
        radii = np.full(2, face.size * min(0.038, height * 1.05))
        _ellipse(canvas, iris, radii, 0, levels.dark + 25)
        _ellipse(canvas, iris, radii * 0.5, 0, max(0.0, levels.dark - 10))
        _line(canvas, np.vstack([inner, upper, outer]), levels.dark, face.size * 0.014)
        if height < 0.042:
            below = np.vstack([outer, lower, inner])
            _line(canvas, below, levels.skin * 0.7, face.size * 0.008)
        ends = at[f"{side}_eyebrow_inner_end"], at[f"{side}_eyebrow_outer_end"]
        arch = face.project(face.surface(s * (x + 0.02), face.brow_y - rng.uniform(0.015, 0.045)))
        _line(canvas, np.vstack([ends[0], arch, ends[1]]), brow_level, face.size * brow_thick)


def _paint_mouth(
    canvas: FloatArray,
    face: _Face,
    at: dict[str, FloatArray],
    levels: _Levels,
    rng: np.random.Generator,
) -> None:
    """Both lips, and between them teeth, the dark or a line."""

    def pair(x: float, y: float) -> FloatArray:
        return face.project([face.surface(d * face.mouth_w, y) for d in (x, -x)])

    upper, lower = face.mouth_y - face.gap / 2, face.mouth_y + face.gap / 2
    left, right = at["mouth_left_corner"], at["mouth_right_corner"]
    top, low = at["mouth_center_top_lip"], at["mouth_center_bottom_lip"]
    level = rng.uniform(0.45, 0.8) * levels.skin
    peaks, belly = pair(-0.25, upper - face.lip), pair(0.4, lower + face.lip * 0.9)
    lips = np.vstack([right, peaks[0], top, peaks[1], left, belly[0], low, belly[1]])
    _fill(canvas, lips, level)
    if face.gap > 0.012:
        teeth = rng.uniform(160, 240) if rng.random() < 0.6 else levels.dark
        _fill(canvas, np.vstack([right, pair(-0.45, upper), left, pair(0.45, lower)]), teeth)
    else:
        middle = face.project(face.surface(0, face.mouth_y))
        _line(canvas, np.vstack([right, middle, left]), levels.dark, face.size * 0.012)


def _turn(yaw: float, pitch: float, roll: float) -> FloatArray:
    (cy, cp, cr), (sy, sp, sr) = np.cos([yaw, pitch, roll]), np.sin([yaw, pitch, roll])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


def _head_outline(rng: np.random.Generator) -> FloatArray:
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    jaw, width = rng.uniform(0.75, 1.0), rng.uniform(0.44, 0.52)
    x = width * np.cos(angle)
    y = 0.66 * np.sin(angle)
    return np.stack([np.where(y > 0, x * (1 - (1 - jaw) * (y / 0.66) ** 2), x), y], axis=1)


def _with_depth(points: FloatArray, depth: float) -> FloatArray:
    return np.column_stack([points, np.full(len(points), depth)])


def _background(rng: np.random.Generator) -> FloatArray:
    """A slope of grey with a few shapes and coarse clutter."""
    side = SIDE * _OVER
    canvas = np.empty((side, side), dtype=np.float32)
    corners = rng.uniform(20, 235, (2, 2)).astype(np.float32)
    cv2.resize(corners, (side, side), canvas, interpolation=cv2.INTER_LINEAR)
    for _ in range(rng.integers(0, 6)):
        box = rng.uniform(-0.1, 1.1, (2, 2)) * SIDE
        level = rng.uniform(0, 255)
        if rng.random() < 0.5:
            _ellipse(canvas, box[0], np.abs(box[1]) * 0.3 + 1, rng.uniform(0, 3), level)
        else:
            _line(canvas, box, level, rng.uniform(1, 12))
    clutter = rng.normal(0, rng.uniform(0, 18), (12, 12)).astype(np.float32)
    return canvas + cv2.resize(clutter, (side, side), interpolation=cv2.INTER_CUBIC)


def _shade(canvas: FloatArray, rng: np.random.Generator) -> None:
    """Light from one side."""
    side = len(canvas)
    angle, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.45)
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j].astype(np.float32)
    canvas *= 1 + np.float32(depth) * (
        np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y
    )


def _paint_beard(canvas: FloatArray, face: _Face, level: float) -> None:
    width, top = face.mouth_w, face.mouth_y + 0.11
    outline = [
        face.surface(-width, top), face.surface(width, top),
        face.surface(width * 0.8, top + 0.15), face.surface(-width * 0.8, top + 0.15),
    ]  # fmt: skip
    _fill(canvas, face.project(outline), level)


def _paint_glasses(canvas: FloatArray, face: _Face, level: float) -> None:
    x, y, width = face.eye_x, face.eye_y, face.size * 0.014
    for s in _SIDES.values():
        angle = np.linspace(0, 2 * np.pi, 25)
        rim = [face.surface(s * x + 0.13 * np.cos(a), y + 0.10 * np.sin(a), 0.05) for a in angle]
        _line(canvas, face.project(rim), level, width)
    bridge = [face.surface(-x + 0.13, y, 0.05), face.surface(x - 0.13, y, 0.05)]
    _line(canvas, face.project(bridge), level, width)


def _camera(image: Array, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Contrast, brightness, blur and noise of the picture."""
    image = (image - 128) * rng.uniform(0.5, 1.1) + 128 + rng.normal(0, 18)
    image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.3))
    image = image + rng.normal(0, rng.uniform(0, 7), image.shape)
    return np.clip(np.round(image), 0, 255).astype(np.uint8)


def _on_canvas(points: FloatArray) -> npt.NDArray[np.int32]:
    """Pixels of the image to OpenCV's fixed-point coordinates of the larger canvas."""
    return np.round(((points + 0.5) * _OVER - 0.5) * (1 << _SHIFT)).astype(np.int32)


def _fill(canvas: FloatArray, outline: FloatArray, level: float) -> None:
    cv2.fillPoly(canvas, [_on_canvas(outline)], float(level), cv2.LINE_8, _SHIFT)


def _line(canvas: FloatArray, points: FloatArray, level: float, width: float) -> None:
    thickness = max(1, round(width * _OVER))
    cv2.polylines(canvas, [_on_canvas(points)], False, float(level), thickness, cv2.LINE_8, _SHIFT)


def _ellipse(
    canvas: FloatArray, centre: FloatArray, radii: FloatArray, angle: float, level: float
) -> None:
    outline = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    x, y = radii[0] * np.cos(outline), radii[1] * np.sin(outline)
    cos, sin = np.cos(angle), np.sin(angle)
    _fill(canvas, np.stack([x * cos - y * sin, x * sin + y * cos], axis=1) + centre, level)
