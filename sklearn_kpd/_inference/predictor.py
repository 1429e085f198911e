"""From images to keypoints in pixels, and how unsure of them the network is."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import keras
import numpy as np

from sklearn_kpd._common.schemes import IntArray, from_scheme_outputs
from sklearn_kpd._inference.compiled import infer, infer_with_variance
from sklearn_kpd._inference.moves import flip_averaged, mean_and_spread
from sklearn_kpd.images import Array, n_at_a_time, to_grey_levels
from sklearn_kpd.keypoints import FloatArray, from_units, pixels_per_unit


@dataclass(frozen=True)
class Predictor:
    """Find keypoints by one network; what predict, calibration and export share.

    Attributes
    ----------
    model : keras.Model
        From grey levels to network units, one set of outputs a labelling scheme, or two.
    image_size : (int, int)
        Height and width.
    n_schemes : int
        Labelling schemes.
    schemes : ndarray of shape (n_outputs,) or (n, 1), int
        Scheme of each output, or of each image that will be asked for.
    permutation : ndarray of shape (k,), int, or None
        Which keypoint takes which place in a mirror image.
    tta : {"flip", "moves", None}
        Test-time augmentation.
    mirrored_outputs : bool, default=False
        Whether mirror images have outputs of their own, after those of all schemes.
    spread : {"moves", "heatmaps"}, default="moves"
        What the spread is of: the keypoints of moved copies, or the places in the heatmaps that
        the network ends in.
    """

    model: keras.Model
    image_size: tuple[int, int]
    n_schemes: int
    schemes: IntArray
    permutation: IntArray | None
    tta: str | None
    mirrored_outputs: bool = False
    spread: str = "moves"

    def pixels(
        self, images: Array, gain: float, *, rows: IntArray | None = None, batch_size: int
    ) -> FloatArray:
        """Keypoints in pixels.

        Parameters
        ----------
        images : ndarray of shape (n, height, width, channels)
            Read a batch at a time.
        gain : float
            What turns them into grey levels.
        rows : ndarray of int, optional
            Which of them to look at; all by default.
        batch_size : int
            Images at a time, fewer where they are large.

        Returns
        -------
        ndarray of shape (n, n_outputs)
            Keypoints in pixels.
        """
        return self._by_batch(_find, images, gain, rows, batch_size)

    def pixels_and_spread(
        self, images: Array, gain: float, *, rows: IntArray | None = None, batch_size: int
    ) -> tuple[FloatArray, FloatArray]:
        """Keypoints in pixels, and how far they spread.

        Parameters
        ----------
        images, gain, rows, batch_size
            As in :meth:`pixels`.

        Returns
        -------
        pixels, spread : ndarray of shape (n, n_outputs)
            The spread is a standard deviation in pixels, not calibrated.
        """
        found = self._by_batch(_find_with_spread, images, gain, rows, batch_size)
        return found[:, 0], found[:, 1]

    def network_pixels(self, images: Array, mirrored: bool = False) -> FloatArray:
        """What the network finds in a batch of images in grey levels, (n, n_outputs)."""
        return self._to_pixels(infer(self.model, images), self.output_sets(mirrored))

    def network_pixels_and_spread(self, images: Array) -> tuple[FloatArray, FloatArray]:
        """What the network finds in a batch of images, and how far its heatmaps reach."""
        outputs, variance = infer_with_variance(self.model, images)
        sets = self.output_sets(mirrored=False)
        variance = from_scheme_outputs(variance, sets, self.n_output_sets)
        spread = pixels_per_unit(self.image_size) * np.sqrt(variance.astype(np.float64))
        return self._to_pixels(outputs, sets), spread

    @property
    def n_output_sets(self) -> int:
        """Sets of outputs that the network has, each with all coordinates."""
        return self.n_schemes * (2 if self.mirrored_outputs else 1)

    def output_sets(self, mirrored: bool) -> IntArray:
        """Which set each output is taken from, for images as they are or for mirror images."""
        if not (mirrored and self.mirrored_outputs):
            return self.schemes
        schemes = self.schemes
        if schemes.ndim == 1:  # what was left stands in the columns of what is right
            schemes = schemes.reshape(-1, 2)[self.permutation].ravel()
        return schemes + self.n_schemes

    def _to_pixels(self, outputs: FloatArray, sets: IntArray) -> FloatArray:
        units = from_scheme_outputs(outputs, sets, self.n_output_sets)
        return from_units(units.astype(np.float64), self.image_size)

    def _by_batch(
        self,
        function: Callable[["Predictor", Array], FloatArray],
        images: Array,
        gain: float,
        rows: IntArray | None,
        batch_size: int,
    ) -> FloatArray:
        n_images = len(images) if rows is None else len(rows)
        size = n_at_a_time(self.image_size, batch_size)
        parts = [slice(start, start + size) for start in range(0, n_images, size)]

        def read(part: slice) -> Array:
            return to_grey_levels(images[part if rows is None else rows[part]], gain)

        found = []
        for part, batch in zip(parts, _one_ahead(read, parts), strict=True):
            chosen = self
            if self.schemes.ndim == 2:
                chosen = replace(self, schemes=self.schemes[part])
            found.append(function(chosen, batch))
        return np.concatenate(found)


def _one_ahead(read: Callable[[slice], Array], parts: list[slice]) -> Iterator[Array]:
    """Read each part while the network looks at the one before it."""
    if len(parts) < 2:  # a thread would cost more than it saves
        yield from map(read, parts)
        return
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(read, parts[0])
        for part in parts[1:]:
            batch, coming = coming.result(), reader.submit(read, part)
            yield batch
        yield coming.result()


def _find(predictor: Predictor, images: Array) -> FloatArray:
    if predictor.tta == "flip":
        return flip_averaged(predictor.network_pixels, images, predictor.permutation)
    if predictor.tta == "moves":
        return mean_and_spread(predictor.network_pixels, images, predictor.permutation)[0]
    return predictor.network_pixels(images)


def _find_with_spread(predictor: Predictor, images: Array) -> FloatArray:
    if predictor.spread == "heatmaps":
        pixels, spread = predictor.network_pixels_and_spread(images)
        if predictor.tta is not None:
            pixels = _find(predictor, images)
    else:
        mean, spread = mean_and_spread(predictor.network_pixels, images, predictor.permutation)
        pixels = mean if predictor.tta == "moves" else _find(predictor, images)
    return np.stack([pixels, spread], axis=1)
