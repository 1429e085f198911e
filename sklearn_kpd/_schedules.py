"""Learning-rate schedules."""

import math

import keras

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

    Examples
    --------
    >>> from sklearn_kpd._schedules import cosine
    >>> cosine(0.05), round(cosine(1.0), 6)
    (1.0, 0.0)
    """
    if progress < _WARM_UP:
        return progress / _WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (progress - _WARM_UP) / (1 - _WARM_UP)))


class CosineDecay(keras.callbacks.Callback):
    """Set the learning rate before each batch, from the rate that the optimizer came with.

    Keras' own schedules live in the optimizer and go on where the last fit ended, at a rate
    of 0; this one begins anew with each fit, and leaves the optimizer's own rate behind.

    Parameters
    ----------
    learning_rate : float
        The highest rate.
    n_batches : int
        Batches in the whole training.
    """

    def __init__(self, learning_rate: float, n_batches: int) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.n_batches = n_batches
        self.done = 0

    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Set the rate of this batch."""
        rate = self.learning_rate * cosine((self.done + 1) / (self.n_batches + 1))
        self.model.optimizer.learning_rate = rate
        self.done += 1

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Put the highest rate back, for whoever trains on."""
        self.model.optimizer.learning_rate = self.learning_rate
