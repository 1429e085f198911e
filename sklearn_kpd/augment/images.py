"""AugmentedImages: untouched images on their way through a Pipeline, and what will move them."""

from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from sklearn_kpd.augment.augmentation import Augmentation

from sklearn_kpd._common.html import gallery


class AugmentedImages:
    """Images, and the augmentations to apply to each batch of them during training.

    This is what `AugmentTransformer.fit_transform` returns and `KeypointRegressor.fit` takes.
    It is no array: a step that would take it for one would drop the augmentation.

    Parameters
    ----------
    images : array-like
        Images as the user gave them; nothing is moved yet.
    augmentations : tuple of Augmentation
        Applied in turn, with new random numbers for every batch.

    Examples
    --------
    >>> from sklearn_kpd import AugmentTransformer
    >>> from sklearn_kpd.datasets import make_faces
    >>> X, y = make_faces(10, random_state=0)
    >>> AugmentTransformer(rotation=15).fit_transform(X, y)
    AugmentedImages(10 images, 1 augmentation)
    """

    def __init__(self, images: Any, augmentations: "tuple[Augmentation, ...]") -> None:
        self.images = images
        self.augmentations = augmentations

    def __len__(self) -> int:
        return len(self.images)

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(
            "AugmentedImages is no array: the step after AugmentTransformer would drop the "
            "augmentation. Put AugmentTransformer right before KeypointRegressor in the "
            "Pipeline; for arrays of augmented images use AugmentSampler.fit_resample(X, y)."
        )

    def __repr__(self) -> str:
        count = len(self.augmentations)
        return f"AugmentedImages({len(self)} images, {count} augmentation{'s' * (count != 1)})"

    def _repr_html_(self) -> str | None:
        title = f"{len(self)} images, augmented in training; here as they are"
        return gallery(title, self.images, map(_in_words, self.augmentations))


def _in_words(augmentation: Any) -> str:
    """Name what an augmentation draws, and from which ranges."""
    words = [f"{name} {low:g} to {high:g}" for name, (low, high) in augmentation.ranges.items()]
    if augmentation.flip:
        words.append(f"flip with probability {augmentation.flip:g}")
    words += [getattr(op, "name", type(op).__name__) for op in augmentation.ops]
    return f"Augmentation: {', '.join(words) or 'none'}"
