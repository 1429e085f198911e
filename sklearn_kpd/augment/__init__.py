"""Augmentation: images and keypoints moved by the same numbers."""

# Importing the engine imports imgaug the right way, which a pickle that holds imgaug
# objects relies on.
from sklearn_kpd.augment import _imgaug  # noqa: F401
from sklearn_kpd.augment.augmentation import Augmentation
from sklearn_kpd.augment.images import AugmentedImages
from sklearn_kpd.augment.sampler import AugmentSampler
from sklearn_kpd.augment.transformer import AugmentTransformer

__all__ = ["AugmentSampler", "AugmentTransformer", "Augmentation", "AugmentedImages"]
