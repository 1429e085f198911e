"""Learning-rate schedules."""

import math
import warnings

import keras

from sklearn_kpd._common.keras import learning_rate, set_learning_rate

#: Names of the schedules.
SCHEDULES = ("cosine", "constant")

_WARM_UP = 0.05


def cosine(progress: float) -> float:
    """Share of the learning rate at a point of the training: linear warm-up, cosine decay.

    Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, ICLR 2017,
    equation 5, with one cycle.

    Parameters
    ----------
    progress : float
        Share of the training that is done, 0 to 1.

    Returns
    -------
    float
        Share of the highest learning rate.

    Examples
    --------
    >>> from sklearn_kpd._training.schedules import cosine
    >>> cosine(0.05), round(cosine(1.0), 6)
    (1.0, 0.0)
    """
    if progress < _WARM_UP:
        return progress / _WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (progress - _WARM_UP) / (1 - _WARM_UP)))


class CosineDecay(keras.callbacks.Callback):
    """Set the learning rate before each batch, from the rate that the optimizer came with.

    Keras' own schedules live in the optimizer and go on where the last fit ended, at a rate
    of 0; this one begins anew with each fit, and leaves the optimizer's own rate behind. It steps
    aside for good, with a warning, once another callback has set the rate.

    Parameters
    ----------
    highest : float
        The highest rate.
    n_batches : int
        Batches in the whole training.
    first_epoch : int, default=0
        Number that Keras gives the first epoch of the training.
    """

    def __init__(self, highest: float, n_batches: int, first_epoch: int = 0) -> None:
        super().__init__()
        self.highest = self._set = highest
        self.n_batches = n_batches
        self.first_epoch = first_epoch
        self.overruled = False
        self._epoch = first_epoch

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Remember the epoch."""
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Set the rate of this batch."""
        if self.overruled:
            return
        # what was set is rounded to single precision
        if not math.isclose(learning_rate(self.model.optimizer), self._set, rel_tol=1e-5):
            self.overruled = True
            warnings.warn(
                "A callback has set the learning rate, so learning_rate_schedule='cosine' is "
                "left out from here on: pass learning_rate_schedule='constant' with it.",
                UserWarning,
                stacklevel=2,
            )
            return
        done = (self._epoch - self.first_epoch) * self.params["steps"] + batch
        self._set = self.highest * cosine((done + 1) / (self.n_batches + 1))
        set_learning_rate(self.model.optimizer, self._set)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Put the highest rate back, for whoever trains on."""
        if not self.overruled:
            set_learning_rate(self.model.optimizer, self.highest)


def sets_learning_rate(callback: keras.callbacks.Callback) -> bool:
    """Whether a callback is one of Keras' own that set the learning rate.

    Examples
    --------
    >>> import keras
    >>> from sklearn_kpd._training.schedules import sets_learning_rate
    >>> sets_learning_rate(keras.callbacks.ReduceLROnPlateau("loss"))
    True
    """
    kinds = keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau
    return isinstance(callback, kinds)
