"""Images in memory and on disk ▶ shuffled batches for Keras."""

from typing import Any

import numpy as np

from sklearn_kpd._common.schemes import BoolArray, IntArray, to_scheme_outputs
from sklearn_kpd.augment.augmentation import Augmentation
from sklearn_kpd.images import Array, made, take
from sklearn_kpd.keypoints import FloatArray, to_units


class Batches:
    """Batches of images and keypoints, each drawn anew every epoch.

    A batch is a function of the seed, the epoch and its index alone, so that the order in
    which background threads make the batches changes nothing. Images are read from `images`
    when their batch is made: a memory map is never read whole.

    Parameters
    ----------
    images : ndarray, LazyImages or Pieces of shape (n, height, width, channels)
        Pixels. Those that are read by blocks are shuffled by blocks: :func:`shuffle_blocks`.
    rows : ndarray of int
        The rows of `images` that this set is made of.
    values : ndarray of shape (len(rows), n_outputs)
        Keypoints in pixels, NaN where not labelled.
    gain : float
        From :func:`sklearn_kpd.images.grey_level_gain`.
    batch_size : int
        Rows in a batch; the last one of an epoch may be smaller.
    row_schemes : ndarray of shape (len(rows),), int, optional
        Labelling scheme of each row; by default all have the same.
    n_schemes : int, default=1
        Number of schemes, each of which has outputs of its own.
    mirrored_outputs : bool, default=False
        Whether mirror images have outputs of their own, after those of all schemes.
    sample_weight : ndarray of shape (len(rows),), optional
        Weights of the rows.
    augmentations : tuple of Augmentation
        Applied to each batch in turn.
    row_shares : ndarray of shape (len(rows),), optional
        Each row's share of an epoch, if it is not the same for all: see :func:`draw_rows`.
    n_draws : int, optional
        Rows of an epoch; by default as many as there are.
    seed : int, optional
        Seed of order and augmentation. None keeps the order, for validation rows.
    """

    def __init__(
        self,
        images: Any,
        rows: Array,
        values: FloatArray,
        *,
        gain: float,
        batch_size: int,
        row_schemes: IntArray | None = None,
        n_schemes: int = 1,
        mirrored_outputs: bool = False,
        sample_weight: FloatArray | None = None,
        augmentations: tuple[Augmentation, ...] = (),
        row_shares: FloatArray | None = None,
        n_draws: int | None = None,
        seed: int | None = None,
    ) -> None:
        self.images = images
        self.rows = rows
        self.values = values
        self.gain = gain
        self.batch_size = batch_size
        self.row_schemes = np.zeros(len(rows), int) if row_schemes is None else row_schemes
        self.n_schemes = n_schemes
        self.mirrored_outputs = mirrored_outputs
        self.sample_weight = sample_weight
        self.augmentations = augmentations
        self.row_shares = row_shares
        self.n_draws = len(rows) if n_draws is None else n_draws
        self.seed = seed
        self.draw(0)

    def __len__(self) -> int:
        return -(-self.n_draws // self.batch_size)

    def __getitem__(self, index: int) -> tuple[Array, ...]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        # Sorted, so that a memory map is read from front to back.
        chosen = np.sort(self._order[index * self.batch_size : (index + 1) * self.batch_size])
        images = take(self.images, self.rows[chosen], self.gain)
        values = self.values[chosen]
        mirrored = np.zeros(len(chosen), dtype=bool)
        for number, augmentation in enumerate(self.augmentations):
            seed = self.seed if augmentation.seed is None else augmentation.seed
            rng = np.random.default_rng([seed or 0, self.epoch, index, number])
            points = values.reshape(len(values), -1, 2)
            images, points, turned = augmentation.apply(images, points, rng)
            values = points.reshape(len(values), -1)
            mirrored ^= turned
        images = made(images)
        units = to_units(values, self.images.shape[1:3]).astype(np.float32)
        units = self._to_outputs(units, chosen, mirrored)
        if self.sample_weight is None:
            return images, units
        return images, units, self.sample_weight[chosen].astype(np.float32)

    def _to_outputs(self, units: FloatArray, chosen: IntArray, mirrored: BoolArray) -> FloatArray:
        """Put each row into the outputs of its scheme, as it is or mirrored."""
        sets = self.row_schemes[chosen]
        if self.mirrored_outputs:
            sets = sets + self.n_schemes * mirrored
        return to_scheme_outputs(units, sets, self.n_output_sets)

    @property
    def n_output_sets(self) -> int:
        """Sets of outputs that a network for these needs, each with all coordinates."""
        return self.n_schemes * (2 if self.mirrored_outputs else 1)

    def release(self) -> None:
        """Let go of images and labels, once the training has ended.

        TensorFlow keeps whatever has made batches for it in a table of the process, for ever.
        """
        self.images = self.values = np.empty(0)
        self.row_schemes = self.rows = self._order = np.empty(0, int)
        self.sample_weight = self.row_shares = None
        self.augmentations = ()

    @property
    def drawn(self) -> BoolArray:
        """Whether each row is in this epoch."""
        return np.isin(np.arange(len(self.rows)), self._order)

    def draw(self, epoch: int) -> None:
        """Draw the order of an epoch, and the numbers of its augmentation.

        Parameters
        ----------
        epoch : int
            Its number. Epochs of one seed differ, so a training that goes on counts on.
        """
        self.epoch = epoch
        n_rows = len(self.rows)
        self._order = np.arange(n_rows)
        if self.seed is not None:
            rng = np.random.default_rng([self.seed, self.epoch])
            if self.row_shares is not None:
                self._order = draw_rows(self.row_shares, self.n_draws, rng)
            elif self.n_draws != n_rows:
                self._order = draw_rows(np.full(n_rows, 1 / n_rows), self.n_draws, rng)
            blocks = getattr(self.images, "blocks", None)
            if blocks is None:
                rng.shuffle(self._order)
            else:
                together = self.images.n_together
                block_of = blocks[self.rows[self._order]]
                self._order = self._order[shuffle_blocks(block_of, together, rng)]


def shuffle_blocks(blocks: IntArray, n_together: int, rng: np.random.Generator) -> IntArray:
    """Shuffle blocks of rows, and then the rows of several blocks together.

    Parameters
    ----------
    blocks : ndarray of shape (n,), int
        Number of the block that each row is read with.
    n_together : int
        So many blocks are read at a time.
    rng : numpy.random.Generator
        Source of the order.

    Returns
    -------
    ndarray of shape (n,), int
        Each row's number once; all of a block are among those of `n_together` blocks.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd._training.batches import shuffle_blocks
    >>> shuffle_blocks(np.array([0, 0, 1, 1, 2, 2]), 1, np.random.default_rng(0))
    array([2, 3, 4, 5, 1, 0])
    """
    _, numbers = np.unique(blocks, return_inverse=True)
    window = rng.permutation(numbers.max() + 1)[numbers] // n_together
    return np.lexsort((rng.random(len(blocks)), window))


def draw_rows(shares: FloatArray, n_draws: int, rng: np.random.Generator) -> IntArray:
    """Draw rows, each as often as its share says.

    Systematic sampling (Madow, On the Theory of Systematic Sampling II, Annals of Mathematical
    Statistics 20, 1949): a row with the share p is drawn floor(n p) or ceil(n p) times in n draws.

    Parameters
    ----------
    shares : ndarray of shape (n_rows,)
        Not negative; they sum to 1.
    n_draws : int
        How many to draw.
    rng : numpy.random.Generator
        Source of one number.

    Returns
    -------
    ndarray of shape (n_draws,), int
        In rising order.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd._training.batches import draw_rows
    >>> draw_rows(np.array([0.5, 0.25, 0.25, 0.0]), 4, np.random.default_rng(0))
    array([0, 0, 1, 2])
    """
    marks = (np.arange(n_draws) + rng.random()) / n_draws
    drawn = np.searchsorted(np.cumsum(shares), marks, side="right")
    # rounding may leave the sum a little below 1
    return np.minimum(drawn, np.flatnonzero(shares)[-1])
