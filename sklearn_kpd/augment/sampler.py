"""AugmentSampler: real augmented copies, for imbalanced-learn's Pipeline and for arrays."""

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from sklearn_kpd._common.sides import FlipPairs
from sklearn_kpd._common.sklearn import Interval, RandomState
from sklearn_kpd.augment.images import AugmentedImages
from sklearn_kpd.augment.ranges import Magnitude
from sklearn_kpd.augment.transformer import AugmentBase, augment_arrays
from sklearn_kpd.images import check_images, prepared
from sklearn_kpd.keypoints import as_floats, check_keypoints, in_form_of


class AugmentSampler(AugmentBase):
    """Add augmented copies of images and keypoints to the originals.

    For imbalanced-learn's Pipeline, whose samplers may change the number of rows, and for
    people who want the arrays. Unlike `AugmentTransformer` it makes the copies once, and they
    take memory.

    Parameters
    ----------
    n_copies : int, default=1
        Augmented copies of each image.
    rotation, scale, aspect, translation, shear, crop, flip, perspective, elastic, blur, \
brightness, contrast, gamma, shadow, noise, cutout, patches, ops, strength, probability, border, \
out_of_frame, flip_pairs, engine, image_shape
        As in `AugmentTransformer`.
    random_state : int, RandomState instance or None, default=None
        Determines the numbers.

    Attributes
    ----------
    augmentation_ : Augmentation
        What was applied.
    image_shape_ : (int, int, int)
        Height, width and channels.
    n_features_in_ : int
        Pixels of an image, times channels.

    Examples
    --------
    >>> from sklearn_kpd import AugmentSampler
    >>> from sklearn_kpd.datasets import make_faces
    >>> X, y = make_faces(5, random_state=0)
    >>> X_more, y_more = AugmentSampler(n_copies=2, rotation=15).fit_resample(X, y)
    >>> X_more.shape, y_more.shape
    ((15, 96, 96, 1), (15, 30))
    """

    _parameter_constraints: dict[str, list[Any]] = {
        **AugmentBase._parameter_constraints,
        "n_copies": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_copies: int = 1,
        *,
        rotation: Magnitude = 0,
        scale: Magnitude = 0,
        aspect: Magnitude = 0,
        translation: Magnitude = 0,
        shear: Magnitude = 0,
        crop: Magnitude = 0,
        flip: float = 0,
        perspective: Magnitude = 0,
        elastic: Magnitude = 0,
        blur: Magnitude = 0,
        brightness: Magnitude = 0,
        contrast: Magnitude = 0,
        gamma: Magnitude = 0,
        shadow: Magnitude = 0,
        noise: Magnitude = 0,
        cutout: Magnitude = 0,
        patches: Magnitude = 0,
        ops: Any = None,
        strength: float = 1,
        probability: float = 1,
        border: float | str = "replicate",
        out_of_frame: str = "nan",
        flip_pairs: FlipPairs = None,
        engine: str = "auto",
        image_shape: tuple[int, ...] | None = None,
        random_state: RandomState = None,
    ) -> None:
        super().__init__(
            rotation=rotation,
            scale=scale,
            aspect=aspect,
            translation=translation,
            shear=shear,
            crop=crop,
            flip=flip,
            perspective=perspective,
            elastic=elastic,
            blur=blur,
            brightness=brightness,
            contrast=contrast,
            gamma=gamma,
            shadow=shadow,
            noise=noise,
            cutout=cutout,
            patches=patches,
            ops=ops,
            strength=strength,
            probability=probability,
            border=border,
            out_of_frame=out_of_frame,
            flip_pairs=flip_pairs,
            engine=engine,
            image_shape=image_shape,
            random_state=random_state,
        )
        self.n_copies = n_copies

    def fit(self, X: ArrayLike, y: ArrayLike) -> "AugmentSampler":
        """Check the parameters against images and keypoints.

        Parameters
        ----------
        X : array-like
            Images.
        y : DataFrame or array-like
            Keypoints in pixels.

        Returns
        -------
        self
        """
        self._validate_params()
        images = check_images(self, X, self.image_shape, reset=True)
        self.augmentation_ = self._make_augmentation(y, len(images))
        return self

    def fit_resample(self, X: ArrayLike, y: ArrayLike) -> tuple[Any, Any]:
        """Make the copies.

        Parameters
        ----------
        X : array-like
            Images.
        y : DataFrame or array-like of shape (n, 2 * k) or (n, k, 2)
            Keypoints in pixels, NaN where not labelled.

        Returns
        -------
        X : ndarray of shape (n * (1 + n_copies), ...)
            The originals first, then all first copies, all second copies and so on.
        y : DataFrame or ndarray of as many rows
            A DataFrame keeps its columns of coordinates; a copy has the index of its original.
        """
        if isinstance(X, AugmentedImages):
            raise TypeError("AugmentSampler takes images: put it before AugmentTransformer.")
        X = prepared(X)
        images = check_images(self.fit(X, y), X, reset=False)
        rng = np.random.default_rng(self.augmentation_.seed)
        X = X if isinstance(X, pd.DataFrame) else np.asarray(X)
        y = in_form_of(y, check_keypoints(y).values)
        copies = [
            augment_arrays(self.augmentation_, images, X, y, rng) for _ in range(self.n_copies)
        ]
        return _stack([X, *(c[0] for c in copies)]), _stack([y, *(c[1] for c in copies)])


def _stack(parts: list[Any]) -> Any:
    if isinstance(parts[0], pd.DataFrame):
        frame = parts[0]
        return pd.concat(
            [frame, *(pd.DataFrame(np.asarray(p), frame.index, frame.columns) for p in parts[1:])]
        )
    if hasattr(parts[0], "columns"):  # polars
        return in_form_of(parts[0], np.concatenate([as_floats(part) for part in parts]))
    return np.concatenate(parts)
