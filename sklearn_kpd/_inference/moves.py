"""Predictions for moved copies of an image: test-time augmentation, and spread."""

from collections.abc import Callable

import numpy as np

from sklearn_kpd.augment.draw import affine_matrices, flip_matrices, move_points
from sklearn_kpd.augment.fused import warp
from sklearn_kpd.images import Array
from sklearn_kpd.keypoints import FloatArray, IntArray

#: Takes images in grey levels, (n, height, width, channels), and whether they are mirror images;
#: gives pixels, (n, 2 * k).
Predict = Callable[[Array, bool], FloatArray]

# Moves of the copies: small enough that a face stays in the
# frame, large enough that every pixel is resampled. Degrees, factor, shares of the image's side.
_ROTATION = np.array([0.0, 4.0, -4.0, 0.0])
_SCALE = np.array([1.0, 0.96, 1.04, 1.0])
_TRANSLATION = np.array([[0.0, 0.0], [0.01, -0.015], [-0.015, 0.01], [0.02, 0.02]])


def predict_moved(
    predict: Predict, images: Array, matrix: FloatArray, permutation: IntArray | None = None
) -> FloatArray:
    """Move images, predict, and move the keypoints back.

    Parameters
    ----------
    predict : callable
        ``predict(images, mirrored)``: images in grey levels to pixels, (n, 2 * k).
    images : ndarray of shape (n, height, width, channels), uint8 or float32
        Grey levels.
    matrix : ndarray of shape (3, 3)
        From old pixels to new ones.
    permutation : ndarray of shape (k,), int, optional
        For a matrix that mirrors: from :func:`sklearn_kpd.keypoints.flip_permutation`.

    Returns
    -------
    ndarray of shape (n, 2 * k)
        Pixels of the images as they were.
    """
    n_images = len(images)
    copies = warp(images, np.tile(matrix, (n_images, 1, 1)), "replicate")
    moved = predict(copies, permutation is not None)
    points = moved.reshape(n_images, -1, 2)
    if permutation is not None:
        points = points[:, permutation]
    back = np.tile(np.linalg.inv(matrix), (n_images, 1, 1))
    return move_points(points, back).reshape(n_images, -1)


def flip_averaged(predict: Predict, images: Array, permutation: IntArray | None) -> FloatArray:
    """Mean of the keypoints found in the images and in their mirror images.

    Parameters
    ----------
    predict, images
        As in :func:`predict_moved`.
    permutation : ndarray of shape (k,), int
        From :func:`sklearn_kpd.keypoints.flip_permutation`.

    Returns
    -------
    ndarray of shape (n, 2 * k)
        Mean of what is found in each image and in its mirror image, network units.
    """
    matrix = flip_matrices(np.array([True]), images.shape[1:3])[0]
    return (predict(images, False) + predict_moved(predict, images, matrix, permutation)) / 2


def mean_and_spread(
    predict: Predict, images: Array, permutation: IntArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of the keypoints found in slightly moved copies.

    Ayhan and Berens, Test-time Data Augmentation for Estimation of Heteroscedastic Aleatoric
    Uncertainty in Deep Neural Networks, MIDL 2018.

    Parameters
    ----------
    predict, images
        As in :func:`predict_moved`.
    permutation : ndarray of shape (k,), int, optional
        From :func:`sklearn_kpd.keypoints.flip_permutation`; without it no copy is mirrored.

    Returns
    -------
    mean : ndarray of shape (n, 2 * k)
        Pixels.
    spread : ndarray of shape (n, 2 * k)
        Pixels, not calibrated.
    """
    found = _predict_copies(predict, images, permutation)
    return np.mean(found, axis=0), np.std(found, axis=0)


def _predict_copies(
    predict: Predict, images: Array, permutation: IntArray | None
) -> list[FloatArray]:
    """What is found in each of the moved copies, in pixels of the images as they were."""
    size = images.shape[1], images.shape[2]
    translation = _TRANSLATION * max(size)
    moves = affine_matrices(len(_SCALE), size, _ROTATION, _SCALE, None, translation)
    found = [predict_moved(predict, images, move) for move in moves]
    if permutation is not None:
        mirror = flip_matrices(np.array([True]), size)[0]
        found += [predict_moved(predict, images, move @ mirror, permutation) for move in moves]
    return found
