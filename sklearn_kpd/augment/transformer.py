"""AugmentTransformer: augmentation of images and keypoints together, inside a Pipeline."""

import contextlib
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sklearn_kpd._common.sides import FlipPairs
from sklearn_kpd._common.sklearn import Interval, RandomState, StrOptions
from sklearn_kpd.augment import _imgaug
from sklearn_kpd.augment.augmentation import Augmentation
from sklearn_kpd.augment.images import AugmentedImages
from sklearn_kpd.augment.ranges import OPERATIONS, Magnitude, resolve_ranges
from sklearn_kpd.images import Array, check_images, grey_level_gain, prepared, to_grey_levels
from sklearn_kpd.keypoints import (
    NAMED_KEYPOINTS,
    IntArray,
    Keypoints,
    check_keypoints,
    flip_permutation,
    in_form_of,
)

# An elastic displacement may not grow by a pixel or more from one pixel to the next, or the
# image would fold. Control points a third of a side apart, each at most this share of the side
# away, keep the growth along x and along y under a half.
_LARGEST_ELASTIC = 1 / 12

_MAGNITUDE = [Interval(Real, 0, None, closed="left"), tuple, list]


class AugmentBase(BaseEstimator):
    """Parameters, and how to make an `Augmentation` of them."""

    _parameter_constraints: dict[str, list[Any]] = {
        **dict.fromkeys(OPERATIONS, _MAGNITUDE),
        "flip": [Interval(Real, 0, 1, closed="both")],
        "strength": [Interval(Real, 0, None, closed="left")],
        "probability": [Interval(Real, 0, 1, closed="both")],
        "border": [StrOptions({"replicate", "reflect"}), Interval(Real, 0, 255, closed="both")],
        "out_of_frame": [StrOptions({"nan", "keep", "clip"})],
        "flip_pairs": [list, tuple, np.ndarray, StrOptions(set(NAMED_KEYPOINTS)), None],
        "engine": [StrOptions({"auto", "fused", "imgaug"})],
        "image_shape": [tuple, list, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
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
        self.rotation = rotation
        self.scale = scale
        self.aspect = aspect
        self.translation = translation
        self.shear = shear
        self.crop = crop
        self.flip = flip
        self.perspective = perspective
        self.elastic = elastic
        self.blur = blur
        self.brightness = brightness
        self.contrast = contrast
        self.gamma = gamma
        self.shadow = shadow
        self.noise = noise
        self.cutout = cutout
        self.patches = patches
        self.ops = ops
        self.strength = strength
        self.probability = probability
        self.border = border
        self.out_of_frame = out_of_frame
        self.flip_pairs = flip_pairs
        self.engine = engine
        self.image_shape = image_shape
        self.random_state = random_state

    def _make_augmentation(self, y: ArrayLike | None, n_samples: int) -> Augmentation:
        """Check the parameters against images and keypoints."""
        ops = _imgaug.check_ops(self.ops)
        if not self.strength:
            ops = []
        ranges = resolve_ranges({name: getattr(self, name) for name in OPERATIONS}, self.strength)
        height, width = self.image_shape_[:2]
        largest = min(height, width) * _LARGEST_ELASTIC
        if ranges.get("elastic", (0, 0))[1] > largest:
            raise ValueError(
                f"elastic={self.elastic!r} at strength={self.strength:g} would fold images of "
                f"{height}x{width}: at most {largest:g} pixels."
            )
        if self.engine == "fused" and ops:
            raise ValueError("engine='fused' knows no ops: use engine='auto' or 'imgaug'.")
        flip = min(self.flip * self.strength, 1.0)
        permutation = None
        if y is not None:
            keypoints = check_keypoints(y)
            if len(keypoints.values) != n_samples:
                raise ValueError(
                    f"X has {n_samples} images, but y has {len(keypoints.values)} rows."
                )
            if keypoints.shape == () and (ranges or flip or ops):
                raise ValueError(
                    "y has one dimension, a single coordinate, which cannot be moved with an "
                    "image: pass x and y of each keypoint."
                )
            permutation = self._permutation(keypoints)
        elif flip:
            raise ValueError("y is None, but a flip has to know the keypoints: pass y, or flip=0.")
        seed = None
        if self.random_state is not None:
            seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        return Augmentation(
            ranges=ranges,
            flip=flip,
            permutation=permutation,
            probability=float(self.probability),
            border=self.border,
            out_of_frame=self.out_of_frame,
            engine="imgaug" if self.engine == "imgaug" or ops else "fused",
            ops=ops,
            seed=seed,
        )

    def _permutation(self, keypoints: Keypoints) -> IntArray | None:
        """Which keypoint takes which place in a flip; None where there is none and none asked."""
        if keypoints.shape == ():
            return None
        n_keypoints = keypoints.values.shape[1] // 2
        if self.flip or self.flip_pairs is not None:
            return flip_permutation(n_keypoints, keypoints.names, self.flip_pairs)
        # The regressor's tta may use what the names tell, whatever the training does.
        with contextlib.suppress(ValueError):
            return flip_permutation(n_keypoints, keypoints.names)
        return None


class AugmentTransformer(TransformerMixin, AugmentBase):
    """Move, turn, scale, mirror and disturb images and their keypoints during training.

    Put it right before `KeypointRegressor` in a Pipeline. ``fit_transform(X, y)`` hands the
    untouched images on with the augmentation to apply, and the regressor applies it to each
    batch, images and keypoints together, with new random numbers every epoch.
    ``transform(X)``, which predictions go through, returns X.

    What is not named does nothing. A magnitude is a number, for a range that is symmetric
    about doing nothing (for crop, perspective, elastic, blur, shadow, noise, cutout and patches:
    from 0 to the number), or a pair (low, high) of values.

    Parameters
    ----------
    rotation : float or (float, float), default=0
        Degrees about the centre of the image; a positive one turns clockwise.
    scale : float or (float, float), default=0
        ``0.1`` is ``(0.9, 1.1)``; a pair holds factors.
    aspect : float or (float, float), default=0
        What width over height is multiplied by, at the same area: ``0.2`` is ``(0.8, 1.2)``.

        .. versionadded:: 0.2
    translation : float or (float, float), default=0
        Pixels, in x and in y.
    shear : float or (float, float), default=0
        Degrees, along x.
    crop : float or (float, float), default=0
        Share of the image's side that is cut off each side; the rest is stretched to the frame.
    flip : float, default=0
        Probability of mirroring the image; left and right keypoints swap. Strength scales it.
    perspective : float or (float, float), default=0
        Displacement of each corner, as a share of the image's side.
    elastic : float or (float, float), default=0
        Largest displacement in pixels of a smooth random deformation.
    blur : float or (float, float), default=0
        Standard deviation in pixels of a Gaussian blur.
    brightness : float or (float, float), default=0
        Share of the grey scale that is added.
    contrast : float or (float, float), default=0
        ``0.2`` is ``(0.8, 1.2)``; a pair holds factors, about mid-grey.
    gamma : float or (float, float), default=0
        ``0.2`` is ``(0.8, 1.2)``; a pair holds exponents of grey levels that go from 0 to 1.

        .. versionadded:: 0.2
    shadow : float or (float, float), default=0
        Share of the light that one side of a soft edge at a random place gets more, and the other
        less.

        .. versionadded:: 0.2
    noise : float or (float, float), default=0
        Standard deviation of normal noise, as a share of the grey scale.
    cutout : float or (float, float), default=0
        Side of a grey box at a random place, as a share of the image's side.
    patches : float or (float, float), default=0
        Side of a box at a random place, as a share of the image's side, that shows a part of
        another image of the batch.

        .. versionadded:: 0.2
    ops : imgaug augmenter or list of them, default=None
        Applied last. Strength does not scale them, but strength 0 leaves them out.
    strength : float, default=1
        Scales all magnitudes together; 0 is no augmentation at all.
    probability : float, default=1
        Probability of augmenting an image; the others stay as they are.
    border : {"replicate", "reflect"} or float, default="replicate"
        What lies beyond the frame: the edge, the mirrored image, or a grey level in 0..255.
    out_of_frame : {"nan", "keep", "clip"}, default="nan"
        What becomes of a keypoint that leaves the frame: not labelled, kept where it is, or
        put on the edge.
    flip_pairs : list of pairs or str, default=None
        Keypoints that swap in a flip, by index or by name; "kaggle15", "coco17", "ibug68" or
        "wflw98" for these sets, in the order of their files; [] if none does. By default left and
        right in the names of y's columns say it, as people write them: ``left_eye``, ``EyeLeft``,
        ``L-Wrist``, ``eye.r``. Also without a flip they are checked, and serve the `tta` of
        `KeypointRegressor`.
    engine : {"auto", "fused", "imgaug"}, default="auto"
        "fused" is one warp an image with OpenCV; "imgaug" is imgaug's chain of operations;
        "auto" takes "fused" unless there are `ops`.
    image_shape : tuple of int, default=None
        Shape of flat images, as in `KeypointRegressor`.
    random_state : int, RandomState instance or None, default=None
        Determines the numbers. With None the regressor's `random_state` does.

    Attributes
    ----------
    augmentation_ : Augmentation
        What to apply to a batch.
    image_shape_ : (int, int, int)
        Height, width and channels.
    n_features_in_ : int
        Pixels of an image, times channels.

    Examples
    --------
    >>> from sklearn.pipeline import Pipeline
    >>> from sklearn_kpd import AugmentTransformer, KeypointRegressor
    >>> from sklearn_kpd.datasets import make_faces
    >>> X, y = make_faces(20, random_state=0)
    >>> pipe = Pipeline([
    ...     ("augment", AugmentTransformer(rotation=15, scale=0.1, flip=0.5)),
    ...     ("regressor", KeypointRegressor("cnn", epochs=1, verbose=0, random_state=0)),
    ... ])
    >>> pipe.fit(X, y).predict(X).shape
    (20, 30)
    """

    def fit(
        self, X: ArrayLike | AugmentedImages, y: ArrayLike | None = None
    ) -> "AugmentTransformer":
        """Check the parameters against images and keypoints.

        Parameters
        ----------
        X : array-like or AugmentedImages
            Images.
        y : DataFrame or array-like, default=None
            Keypoints in pixels. A flip needs them, for the left and right ones.

        Returns
        -------
        self
        """
        self._validate_params()
        images = X.images if isinstance(X, AugmentedImages) else X
        images = check_images(self, images, self.image_shape, reset=True)
        self.augmentation_ = self._make_augmentation(y, len(images))
        return self

    def fit_transform(
        self, X: ArrayLike | AugmentedImages, y: ArrayLike | None = None, **fit_params: Any
    ) -> AugmentedImages:
        """Hand the images on, with the augmentation to apply to each batch of them.

        Parameters
        ----------
        X, y
            As in :meth:`fit`.
        **fit_params : dict
            None are taken.

        Returns
        -------
        AugmentedImages
            For `KeypointRegressor.fit`. Two augmentations in a row add up.
        """
        if not isinstance(X, AugmentedImages):
            X = AugmentedImages(prepared(X), ())
        self.fit(X, y, **fit_params)
        return AugmentedImages(X.images, (*X.augmentations, self.augmentation_))

    def transform(self, X: ArrayLike) -> Any:
        """Return X as it is: what is predicted on is not augmented.

        Parameters
        ----------
        X : array-like
            Images of the size that was fitted.

        Returns
        -------
        X
            The very object; lists as an array, and what is read from disk by rows as LazyImages.
        """
        check_is_fitted(self)
        X = prepared(X)
        check_images(self, X, reset=False)
        return X

    def augment(
        self, X: ArrayLike, y: ArrayLike, random_state: RandomState = None
    ) -> tuple[Any, Any]:
        """Augment images and keypoints once, to look at or to keep.

        Parameters
        ----------
        X : array-like
            Images.
        y : DataFrame or array-like of shape (n, 2 * k) or (n, k, 2)
            Keypoints in pixels.
        random_state : int, RandomState instance or None, default=None
            Determines the numbers; None takes the transformer's own.

        Returns
        -------
        X : ndarray of the shape, dtype and range of X
            Moved and disturbed.
        y : DataFrame or ndarray of the shape of y
            Its index and columns are kept; those of visibility and likelihood are left out, as
            NaN says what is not labelled.

        Examples
        --------
        >>> from sklearn_kpd import AugmentTransformer
        >>> from sklearn_kpd.datasets import make_faces
        >>> X, y = make_faces(5, random_state=0)
        >>> X_moved, y_moved = AugmentTransformer(rotation=15).augment(X, y, random_state=0)
        >>> X_moved.shape, X_moved.dtype, y_moved.shape
        ((5, 96, 96, 1), dtype('uint8'), (5, 30))
        """
        X = prepared(X)
        copy = type(self)(**self.get_params(deep=False))
        if random_state is not None:
            copy.random_state = random_state
        augmentation = copy.fit(X, y).augmentation_
        images = check_images(copy, X, copy.image_shape, reset=False)
        rng = np.random.default_rng(augmentation.seed)
        return augment_arrays(augmentation, images, X, y, rng)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def augment_arrays(
    augmentation: Augmentation, images: Array, X: ArrayLike, y: ArrayLike, rng: np.random.Generator
) -> tuple[Array, Any]:
    """Augment arrays once, and give them back in the form that they came in.

    Parameters
    ----------
    augmentation : Augmentation
        What to apply.
    images : ndarray of shape (n, height, width, channels)
        The images of `X`.
    X, y
        What the user gave.
    rng : numpy.random.Generator
        Source of the numbers.

    Returns
    -------
    X : ndarray
        Of the shape and dtype of `X`, and the range of its pixels.
    y : DataFrame or ndarray
        With the index of `y` and its columns of coordinates.
    """
    keypoints = check_keypoints(y)
    check_consistent_length(images, keypoints.values)
    if not augmentation.active:  # bit for bit, without the way through grey levels
        return np.array(X), in_form_of(y, keypoints.values)
    gain = grey_level_gain(images)
    points = keypoints.values.reshape(len(images), -1, 2)
    moved_images, moved, _ = augmentation.apply(to_grey_levels(images, gain), points, rng)
    moved_images = from_grey_levels(moved_images, gain, images.dtype)
    values = moved.reshape(len(images), -1)
    return moved_images.reshape(np.shape(X)), in_form_of(y, values)


def from_grey_levels(images: Array, gain: float, dtype: Any) -> Array:
    """Give images their own range and dtype back: the inverse of `to_grey_levels`."""
    if images.dtype == dtype:
        return images if gain == 1 else images / np.float32(gain)
    if np.dtype(dtype).kind == "b":
        return images >= 127.5
    if np.dtype(dtype).kind in "iu":
        images = np.round(images)
    return (images / gain).astype(dtype)
