"""Augmentation: the policy that AugmentedImages carries and that each batch goes through."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sklearn_kpd._common.schemes import BoolArray
from sklearn_kpd.augment import _imgaug, fused
from sklearn_kpd.augment.draw import draw, reach
from sklearn_kpd.augment.ranges import GEOMETRY, Range
from sklearn_kpd.images import Array, made
from sklearn_kpd.keypoints import FloatArray, IntArray, out_of_frame


@dataclass(frozen=True)
class Augmentation:
    """What `AugmentTransformer` has learnt, ready to be applied to batches.

    Attributes
    ----------
    ranges : dict of str to (float, float)
        Magnitudes, strength included; what does nothing is not in it.
    flip : float
        Probability of a horizontal flip.
    permutation : ndarray of shape (k,), int, or None
        Which keypoint takes which place in a flip.
    probability : float
        Probability of augmenting an image at all.
    border : {"replicate", "reflect"} or float
        What lies beyond the frame.
    out_of_frame : {"nan", "keep", "clip"}
        What becomes of a keypoint that leaves the frame.
    engine : {"fused", "imgaug"}
        Who moves the pixels.
    ops : list of imgaug augmenters
        Of the user, for the imgaug engine.
    seed : int, or None
        Of the transformer; None leaves the numbers to the caller's generator.
    """

    ranges: dict[str, Range]
    flip: float = 0.0
    permutation: IntArray | None = None
    probability: float = 1.0
    border: float | str = "replicate"
    out_of_frame: str = "nan"
    engine: str = "fused"
    ops: list[Any] = field(default_factory=list)
    seed: int | None = None

    @property
    def active(self) -> bool:
        """Whether it changes anything at all."""
        return bool((self.ranges or self.flip or self.ops) and self.probability)

    def reordered(self, order: IntArray) -> "Augmentation":
        """Give the augmentation of the keypoints in another order.

        Parameters
        ----------
        order : ndarray of shape (k,), int
            From `sklearn_kpd.keypoints.keypoint_order`.

        Returns
        -------
        Augmentation
            The same, but for which keypoints swap in a flip.
        """
        if self.permutation is None:
            return self
        return replace(self, permutation=np.argsort(order)[self.permutation[order]])

    def apply(
        self, images: Array, points: FloatArray, rng: np.random.Generator
    ) -> tuple[Array, FloatArray, BoolArray]:
        """Augment a batch with new random numbers.

        Parameters
        ----------
        images : ndarray of shape (n, height, width, channels), uint8 or float32 in 0..255
            Not changed.
        points : ndarray of shape (n, k, 2)
            Pixels, NaN where not labelled. Not changed.
        rng : numpy.random.Generator
            Source of the numbers.

        Returns
        -------
        images : ndarray of the same shape and dtype
            Moved and disturbed.
        points : ndarray of shape (n, k, 2)
            Moved likewise; pixels.
        mirrored : ndarray of shape (n,), bool
            Which of them are mirror images now.
        """
        mirrored = np.zeros(len(images), dtype=bool)
        if not self.active or not len(images):
            return images, points, mirrored
        chosen = rng.random(len(images)) < self.probability
        if chosen.all():
            return self._move(images, points, rng)
        if not chosen.any():
            return images, points, mirrored
        moved = self._move(images[chosen], points[chosen], rng)
        images, points = np.array(made(images)), points.copy()
        images[chosen], points[chosen], mirrored[chosen] = moved
        return images, points, mirrored

    def reach(self, image_size: tuple[int, int]) -> float:
        """How far beyond the frame it looks, as a share of the frame's sides.

        Parameters
        ----------
        image_size : (int, int)
            Height and width.
        """
        if not self.active or self.engine != "fused":
            return 0.0
        return reach(self.ranges, image_size)

    def _move(
        self, images: Array, points: FloatArray, rng: np.random.Generator
    ) -> tuple[Array, FloatArray, BoolArray]:
        size = images.shape[1], images.shape[2]
        if self.engine == "fused":
            numbers = draw(self.ranges, self.flip, len(images), size, rng)
            mirrored = numbers.flipped
            images, moved = fused.apply_draw(
                images, points, numbers, self.permutation, self.border
            )
        else:
            images, moved, mirrored = _imgaug.apply_ranges(
                made(images),
                points,
                ranges=self.ranges,
                flip=self.flip,
                permutation=self.permutation,
                border=self.border,
                ops=self.ops,
                rng=rng,
            )
        if self.ranges.keys() & set(GEOMETRY) or self.flip or self.ops:
            moved = self._handle_out_of_frame(moved, size)
        return images, moved, mirrored

    def _handle_out_of_frame(self, points: FloatArray, size: tuple[int, int]) -> FloatArray:
        if self.out_of_frame == "keep":
            return points
        height, width = size
        left = out_of_frame(points, size)[..., np.newaxis]
        edge = (
            np.clip(points, 0, [width - 1, height - 1]) if self.out_of_frame == "clip" else np.nan
        )
        return np.where(left, edge, points)


def share_mirrored(augmentations: tuple[Augmentation, ...]) -> float:
    """Share of the images that come out mirrored.

    Examples
    --------
    >>> from sklearn_kpd.augment.augmentation import Augmentation, share_mirrored
    >>> share_mirrored((Augmentation({}, flip=1.0), Augmentation({}, flip=0.25)))
    0.75
    """
    # two mirrors in a row are none
    return float(1 - np.prod([1 - 2 * a.flip * a.probability for a in augmentations])) / 2


def mirrors_half(augmentations: tuple[Augmentation, ...]) -> bool:
    """Whether about half of the images come out mirrored.

    Examples
    --------
    >>> from sklearn_kpd.augment.augmentation import Augmentation, mirrors_half
    >>> mirrors_half((Augmentation({}, flip=0.5),)), mirrors_half((Augmentation({}, flip=1.0),))
    (True, False)
    """
    return 0.4 <= share_mirrored(augmentations) <= 0.6
