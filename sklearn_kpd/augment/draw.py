"""Draw the numbers of an augmentation, and compose its geometry into one matrix an image."""

from dataclasses import dataclass
from itertools import product

import numpy as np

from sklearn_kpd._common.schemes import BoolArray, IntArray
from sklearn_kpd.augment.ranges import Range
from sklearn_kpd.keypoints import FloatArray

#: Control points of the elastic displacement along each side of the image: a cubic spline
#: over three intervals.
ELASTIC_GRID = 6


@dataclass(frozen=True)
class Draw:
    """Numbers of one batch: one row or element an image, None where nothing is asked for.

    Attributes
    ----------
    matrices : ndarray of shape (n, 3, 3), or None
        Geometry, from pixels to pixels.
    flipped : ndarray of shape (n,), bool
        Whether the image is mirrored, so that left and right swap.
    displacements : ndarray of shape (n, 2, ELASTIC_GRID, ELASTIC_GRID), or None
        Elastic displacement in pixels at the control points of a spline over the image.
    blur : ndarray of shape (n,), or None
        Standard deviation in pixels.
    gamma : ndarray of shape (n,), or None
        Grey levels become ``255 * (grey / 255) ** gamma``.
    shadow : ndarray of shape (n, 3), or None
        A soft edge between more light and less: share of the light, direction of the edge's normal
        in radians, and its distance from the centre in halves of the image's side.
    gain, offset : ndarray of shape (n,), or None
        Grey levels become ``gain * grey + offset``.
    noise : ndarray of shape (n,), or None
        Standard deviation in grey levels.
    noise_start : ndarray of shape (n,), in 0..1
        Where in the bank of noise to cut.
    cutout : ndarray of shape (n, 4), or None
        x0, y0, x1, y1 in pixels; the last two are not included.
    patches : ndarray of shape (n, 4), or None
        Boxes, as `cutout`, that show another image of the batch.
    """

    matrices: FloatArray | None
    flipped: BoolArray
    displacements: FloatArray | None
    blur: FloatArray | None
    gamma: FloatArray | None
    shadow: FloatArray | None
    gain: FloatArray | None
    offset: FloatArray | None
    noise: FloatArray | None
    noise_start: FloatArray
    cutout: IntArray | None
    patches: IntArray | None


#: The grey level that contrast leaves where it is.
MID_GREY = 127.0


def draw(
    ranges: dict[str, Range],
    flip: float,
    n_images: int,
    image_size: tuple[int, int],
    rng: np.random.Generator,
) -> Draw:
    """Draw the numbers of one batch.

    Every operation draws from a stream of its own, so that what one does changes nothing in
    what another draws.

    Parameters
    ----------
    ranges : dict of str to (float, float)
        From :func:`sklearn_kpd.augment.ranges.resolve_ranges`.
    flip : float
        Probability of a flip.
    n_images : int
        Images in the batch.
    image_size : (int, int)
        Height and width.
    rng : numpy.random.Generator
        Source of the numbers.

    Returns
    -------
    Draw
        One row an image.
    """
    # New ones come last, so that the streams of the others stay as they are.
    names = (
        "flip", "crop", "affine", "perspective", "elastic", "grey", "noise", "cutout", "blur",
        "aspect", "gamma", "shadow", "patches",
    )  # fmt: skip
    streams = dict(zip(names, rng.spawn(len(names)), strict=True))

    def uniform(name: str, stream: str, *shape: int) -> FloatArray | None:
        # Drawn whether or not it is used: the streams stay in step when a range is set to 0.
        unit = streams[stream].random((n_images, *shape))
        if name not in ranges:
            return None
        low, high = ranges[name]
        return low + (high - low) * unit

    flipped = streams["flip"].random(n_images) < flip
    steps = []
    if flipped.any():
        steps.append(flip_matrices(flipped, image_size))
    crop = uniform("crop", "crop", 4)
    if crop is not None:
        steps.append(crop_matrices(crop, image_size))
    rotation, scale, shear = (uniform(name, "affine") for name in ("rotation", "scale", "shear"))
    translation = uniform("translation", "affine", 2)
    aspect = uniform("aspect", "aspect")
    if any(v is not None for v in (rotation, scale, shear, translation, aspect)):
        steps.append(
            affine_matrices(n_images, image_size, rotation, scale, shear, translation, aspect)
        )
    perspective = uniform("perspective", "perspective")
    if perspective is not None:
        corners = streams["perspective"].uniform(-1, 1, (n_images, 4, 2))
        steps.append(perspective_matrices(corners * perspective[:, None, None], image_size))
    matrices = None
    for step in steps:
        matrices = step if matrices is None else step @ matrices

    elastic = uniform("elastic", "elastic")
    if elastic is not None:
        grid = streams["elastic"].uniform(-1, 1, (n_images, 2, ELASTIC_GRID, ELASTIC_GRID))
        elastic = grid * elastic[:, None, None, None]

    gain, brightness = uniform("contrast", "grey"), uniform("brightness", "grey")
    offset = None if brightness is None else 255 * brightness
    if gain is not None:
        offset = (0 if offset is None else offset) + MID_GREY * (1 - gain)
    noise = uniform("noise", "noise")
    shadow = uniform("shadow", "shadow")
    if shadow is not None:
        place = streams["shadow"].uniform(-1, 1, (n_images, 2)) * [np.pi, 1]
        shadow = np.concatenate([shadow[:, None], place], axis=1)
    return Draw(
        matrices=matrices,
        flipped=flipped,
        displacements=elastic,
        blur=uniform("blur", "blur"),
        gamma=uniform("gamma", "gamma"),
        shadow=shadow,
        gain=gain,
        offset=offset,
        noise=None if noise is None else 255 * noise,
        noise_start=streams["noise"].random(n_images),
        cutout=_boxes(uniform("cutout", "cutout"), image_size, streams["cutout"]),
        patches=_boxes(uniform("patches", "patches"), image_size, streams["patches"]),
    )


def reach(ranges: dict[str, Range], image_size: tuple[int, int]) -> float:
    """How far beyond the frame the geometry may look, as a share of the frame's sides.

    Parameters
    ----------
    ranges : dict of str to (float, float)
        From :func:`sklearn_kpd.augment.ranges.resolve_ranges`.
    image_size : (int, int)
        Height and width.

    Returns
    -------
    float
        0 where it looks at nothing beyond; 1 at the most, which is nine frames.

    Examples
    --------
    >>> from sklearn_kpd.augment.draw import reach
    >>> reach({"scale": (0.8, 1.2)}, (96, 96))
    0.125
    """
    height, width = image_size
    neutral = {"rotation": 0.0, "scale": 1.0, "shear": 0.0, "aspect": 1.0, "translation": 0.0}
    # the worst lies at an end of each range, but that of the rotation
    ends = [ranges.get(name, (value, value)) for name, value in neutral.items()]
    drawn = np.array(list(product(np.linspace(*ends[0], 9), *ends[1:], ends[-1])))
    rotation, scale, shear, aspect = drawn[:, :4].T
    matrices = affine_matrices(
        len(drawn), image_size, rotation, scale, shear, drawn[:, 4:], aspect
    )
    corners = np.array([[0, 0, 1], [1, 0, 1], [0, 1, 1], [1, 1, 1]]) * [width, height, 1]
    there = (corners - [0.5, 0.5, 0]) @ np.linalg.inv(matrices).swapaxes(1, 2)
    shares = (there[..., :2] + 0.5) / [width, height]
    beyond = max(-shares.min(), shares.max() - 1, 0.0)
    return float(round(min(beyond + ranges.get("perspective", (0, 0))[1], 1.0), 6))


def flip_matrices(flipped: BoolArray, image_size: tuple[int, int]) -> FloatArray:
    """Mirror the chosen images: x goes to width - 1 - x.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.augment.draw import flip_matrices
    >>> flip_matrices(np.array([True]), (96, 96))[0, 0]
    array([-1.,  0., 95.])
    """
    matrices = _identity_matrices(len(flipped))
    matrices[flipped, 0, 0] = -1
    matrices[flipped, 0, 2] = image_size[1] - 1
    return matrices


def crop_matrices(crop: FloatArray, image_size: tuple[int, int]) -> FloatArray:
    """Cut off shares of the top, right, bottom and left, and stretch the rest to the frame.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.augment.draw import crop_matrices
    >>> crop_matrices(np.array([[0.0, 0.0, 0.0, 0.5]]), (96, 96))[0, 0]
    array([  2. ,   0. , -95.5])
    """
    height, width = image_size
    top, right, bottom, left = crop.T
    matrices = _identity_matrices(len(crop))
    matrices[:, 0, 0] = 1 / (1 - left - right)
    matrices[:, 1, 1] = 1 / (1 - top - bottom)
    # counted from the corner of the first pixel: (x + 0.5 - left * width) * zoom - 0.5
    matrices[:, 0, 2] = (0.5 - left * width) * matrices[:, 0, 0] - 0.5
    matrices[:, 1, 2] = (0.5 - top * height) * matrices[:, 1, 1] - 0.5
    return matrices


def affine_matrices(
    n_images: int,
    image_size: tuple[int, int],
    rotation: FloatArray | None,
    scale: FloatArray | None,
    shear: FloatArray | None,
    translation: FloatArray | None,
    aspect: FloatArray | None = None,
) -> FloatArray:
    """Scale, shear, rotate about the centre of the image and translate, in this order.

    The signs are imgaug's: a positive rotation is clockwise to the eye, a positive shear
    moves the lower half to the left. An aspect is what width over height is multiplied by; the
    area stays.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.augment.draw import affine_matrices
    >>> turned = affine_matrices(1, (96, 96), np.array([90.0]), None, None, None)
    >>> (turned[0] @ [95, 0, 1]).round(6)
    array([95., 95.,  1.])
    """
    angle = np.deg2rad(np.zeros(n_images) if rotation is None else rotation)
    zoom = np.ones(n_images) if scale is None else scale
    stretch = np.ones(n_images) if aspect is None else np.sqrt(aspect)
    along_x, along_y = zoom * stretch, zoom / stretch
    slope = np.tan(np.deg2rad(np.zeros(n_images) if shear is None else shear))
    cos, sin = np.cos(angle), np.sin(angle)
    height, width = image_size
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    matrices = _identity_matrices(n_images)
    matrices[:, 0, 0] = along_x * cos
    matrices[:, 0, 1] = -along_y * (slope * cos + sin)
    matrices[:, 1, 0] = along_x * sin
    matrices[:, 1, 1] = along_y * (cos - slope * sin)
    matrices[:, :2, 2] = centre - matrices[:, :2, :2] @ centre
    if translation is not None:
        matrices[:, :2, 2] += translation
    return matrices


def perspective_matrices(corners: FloatArray, image_size: tuple[int, int]) -> FloatArray:
    """Move the corners of the image by shares of its sides.

    Parameters
    ----------
    corners : ndarray of shape (n, 4, 2)
        Displacement (x, y) of the upper left, upper right, lower right and lower left corner.
    image_size : (int, int)
        Height and width.

    Returns
    -------
    ndarray of shape (n, 3, 3)
        Solution of the eight linear equations of Hartley and Zisserman, Multiple View
        Geometry, 2nd edition, section 4.1.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.augment.draw import perspective_matrices
    >>> perspective_matrices(np.zeros((1, 4, 2)), (96, 96))[0].round(6) + 0.0
    array([[1., 0., 0.],
           [0., 1., 0.],
           [0., 0., 1.]])
    """
    height, width = image_size
    size = np.array([width, height], dtype=float)
    source = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * size - 0.5
    target = source + corners * size
    n_images = len(corners)
    x, y = source.T
    u, v = target[..., 0], target[..., 1]
    equations = np.zeros((n_images, 8, 8))
    equations[:, :4, 0], equations[:, :4, 1], equations[:, :4, 2] = x, y, 1
    equations[:, 4:, 3], equations[:, 4:, 4], equations[:, 4:, 5] = x, y, 1
    equations[:, :4, 6], equations[:, :4, 7] = -u * x, -u * y
    equations[:, 4:, 6], equations[:, 4:, 7] = -v * x, -v * y
    right = np.concatenate([u, v], axis=1)[..., np.newaxis]
    solution = np.linalg.solve(equations, right)[..., 0]
    return np.concatenate([solution, np.ones((n_images, 1))], axis=1).reshape(n_images, 3, 3)


def move_points(points: FloatArray, matrices: FloatArray) -> FloatArray:
    """Send keypoints through one matrix an image; NaN stays NaN.

    Parameters
    ----------
    points : ndarray of shape (n, k, 2)
        Pixels.
    matrices : ndarray of shape (n, 3, 3)
        From pixels to pixels.

    Returns
    -------
    ndarray of shape (n, k, 2)
        Pixels of where they went.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.augment.draw import move_points
    >>> points = np.array([[[10.0, 4.0], [np.nan, np.nan]]])
    >>> move_points(points, np.array([np.diag([2.0, 2.0, 1.0])]))
    array([[[20.,  8.],
            [nan, nan]]])
    """
    unlabelled = np.isnan(points)
    points = np.where(unlabelled, 0.0, points)
    linear = matrices[:, :2, :2].swapaxes(1, 2)
    moved = points @ linear + matrices[:, np.newaxis, :2, 2]
    if (matrices[:, 2, :2] != 0).any():
        depth = points @ matrices[:, 2, :2, np.newaxis]
        moved /= depth + matrices[:, 2, 2][:, np.newaxis, np.newaxis]
        linear = np.ones_like(linear)
    # A coordinate is lost where an unlabelled one goes into it.
    moved[unlabelled @ (linear != 0)] = np.nan
    return moved


def _identity_matrices(n_images: int) -> FloatArray:
    return np.tile(np.eye(3), (n_images, 1, 1))


def _boxes(
    sides: FloatArray | None, image_size: tuple[int, int], rng: np.random.Generator
) -> IntArray | None:
    if sides is None:
        return None
    height, width = image_size
    size = np.stack([sides * width, sides * height], axis=1)
    centre = rng.random((len(sides), 2)) * [width, height]
    start = np.clip(np.round(centre - size / 2), 0, [width, height])
    stop = np.clip(np.round(centre + size / 2), 0, [width, height])
    return np.concatenate([start, stop], axis=1).astype(int)
