"""Labels for images that have none: what the network itself finds, from epoch to epoch better."""

from collections.abc import Callable

import keras
import numpy as np

from sklearn_kpd._common.schemes import IntArray
from sklearn_kpd._training.batches import Batches
from sklearn_kpd._training.data import Run
from sklearn_kpd._training.stream import DrawEpochs
from sklearn_kpd.keypoints import FloatArray

#: Finds the keypoints, in pixels, of rows of the images: model, rows ▶ (n, n_outputs).
Labeller = Callable[[keras.Model, IntArray], FloatArray]

# Before this share of the epochs is done, the network knows too little to teach.
_ALONE = 0.25


class SelfTraining(DrawEpochs):
    """Draw images without labels too, and label those of each epoch before it begins.

    What labels them is the network as it is validated, the moving average of the weights, on the
    images as they are; what learns from them sees moved ones. Pseudo-labels: Lee, ICML workshop
    2013; by a moving average: Tarvainen and Valpola, Mean Teachers, NeurIPS 2017.

    Parameters
    ----------
    batches : Batches
        With rows that have no share of an epoch: those without labels.
    label : callable
        ``label(model, rows)`` gives the keypoints of rows of the images, in pixels.
    share : float
        The largest share of an epoch that is drawn from rows without labels. It is no larger than
        their share of all rows.
    run : Run
        The training; its first quarter is drawn from labelled rows alone.
    """

    def __init__(self, batches: Batches, label: Labeller, share: float, run: Run) -> None:
        super().__init__(batches)
        assert batches.row_shares is not None
        self._unlabelled = batches.row_shares == 0
        self._shares = mixed_shares(batches.row_shares, share)
        self._label = label
        self._first_epoch = run.first_epoch + int(np.ceil(_ALONE * run.n_epochs))

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Draw the order, and label what was drawn of the rows without labels."""
        batches = self.batches
        if epoch >= self._first_epoch:
            batches.row_shares = self._shares
        super().on_epoch_begin(epoch, logs)
        drawn = np.flatnonzero(self._unlabelled & batches.drawn)
        if len(drawn):
            batches.values[drawn] = self._label(self.model, batches.rows[drawn])


def mixed_shares(shares: FloatArray, share: float) -> FloatArray:
    """Give rows that have no share of an epoch one, each as large as another.

    Parameters
    ----------
    shares : ndarray of shape (n_rows,)
        They sum to 1; 0 for those that shall get one.
    share : float
        What they get together, at most: no more than their share of all rows.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd._training.self_training import mixed_shares
    >>> mixed_shares(np.array([0.75, 0.25, 0.0, 0.0]), 0.5)
    array([0.375, 0.125, 0.25 , 0.25 ])
    """
    without = shares == 0
    share = min(share, float(without.mean()))
    return (1 - share) * shares + share * without / max(1, without.sum())
