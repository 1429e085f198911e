"""Images per second of augmentation, on one thread: 96x96, 15 keypoints, uint8.

Rotation of 15 degrees, scale of 10 %, translation of 4 pixels, flip, brightness, contrast and
noise. The contenders take turns, so that a machine whose speed drifts is the same for all; the
figures are those of the best round of each.
"""

import argparse
import warnings

import numpy as np
from _sides import NOISY, take_turns

from sklearn_kpd import AugmentTransformer
from sklearn_kpd._common.opencv import cv2
from sklearn_kpd.augment._imgaug import Keypoint, KeypointsOnImage, iaa
from sklearn_kpd.augment.draw import draw
from sklearn_kpd.datasets import make_faces


def ours(images, y, points, **options):
    augmentation = AugmentTransformer(**{**NOISY, **options}).fit(images, y).augmentation_
    rng = np.random.default_rng(0)
    return lambda: augmentation.apply(images, points, rng)


def bare_imgaug(images, points):
    augmenter = iaa.Sequential(
        [
            iaa.Fliplr(0.5),
            iaa.Affine(rotate=(-15, 15), scale=(0.9, 1.1), translate_px=(-4, 4), mode="edge"),
            iaa.Add((-25, 25)),
            iaa.LinearContrast((0.8, 1.2)),
            iaa.AdditiveGaussianNoise(scale=(0, 12.75)),
        ]
    )

    def run():
        keypoints = [
            KeypointsOnImage([Keypoint(x + 0.5, y + 0.5) for x, y in p], shape=images.shape[1:])
            for p in points
        ]
        _, moved = augmenter(images=images, keypoints=keypoints)
        return np.array([k.to_xy_array() for k in moved]) - 0.5

    return run


def bare_albumentations(images, points):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import albumentations

        augmenter = albumentations.Compose(
            [
                albumentations.HorizontalFlip(p=0.5),
                albumentations.Affine(
                    rotate=(-15, 15), scale=(0.9, 1.1), translate_px=(-4, 4),
                    border_mode=cv2.BORDER_REPLICATE, p=1,
                ),
                albumentations.RandomBrightnessContrast(0.1, 0.2, p=1),
                albumentations.GaussNoise(std_range=(0, 0.05), p=1),
            ],
            keypoint_params=albumentations.KeypointParams("xy", remove_invisible=False),
        )  # fmt: skip
    return lambda: [
        augmenter(image=image, keypoints=p) for image, p in zip(images, points, strict=True)
    ]


def bare_warp(images):
    ranges = {"rotation": (-15.0, 15.0), "scale": (0.9, 1.1), "translation": (-4.0, 4.0)}
    matrices = draw(ranges, 0.5, len(images), (96, 96), np.random.default_rng(0)).matrices[:, :2]
    flat, out = images[..., 0], np.empty_like(images[..., 0])

    def run():
        for image, matrix, target in zip(flat, matrices, out, strict=True):
            cv2.warpAffine(image, matrix, (96, 96), target, borderMode=cv2.BORDER_REPLICATE)

    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    images, y = make_faces(arguments.batch, random_state=0)
    points = y.to_numpy().reshape(len(y), -1, 2)
    contenders = {
        "bare warp (bound)": bare_warp(images),
        "fused, no noise": ours(images, y, points, noise=0),
        "fused": ours(images, y, points),
        "imgaug engine": ours(images, y, points, engine="imgaug"),
        "bare imgaug": bare_imgaug(images, points),
    }
    try:
        contenders["albumentations"] = bare_albumentations(images, points)
    except ImportError:
        print("albumentations is not installed")
    times = take_turns(contenders, arguments.rounds + 1)  # the first round warms up
    best = {name: len(images) / seconds[1:, 0].min() for name, seconds in times.items()}
    for name, rate in best.items():
        print(
            f"{name:>18}: {rate:8.0f} images/s   "
            f"{rate / best['bare imgaug']:5.1f} x bare imgaug   "
            f"{rate / best['bare warp (bound)']:5.0%} of the bound"
        )


if __name__ == "__main__":
    main()
