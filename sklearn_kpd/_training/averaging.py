"""Exponential moving average of the weights."""

import keras


def ema_momentum(share: float, n_batches: int) -> float:
    """Momentum of a moving average that looks back over a share of the training.

    Parameters
    ----------
    share : float
        Share of the training.
    n_batches : int
        Batches in the whole training.

    Returns
    -------
    float
        0 to 1. 0 where the share is less than a batch: there is nothing to average.

    Examples
    --------
    >>> from sklearn_kpd._training.averaging import ema_momentum
    >>> ema_momentum(0.05, 2000)
    0.99
    """
    return max(0.0, 1 - 1 / max(1.0, share * n_batches))


class AveragedWeights(keras.callbacks.SwapEMAWeights):
    """Validate, and leave behind, the moving average that the optimizer keeps.

    Keras' callback gives the weights back after the validation, so that `EarlyStopping` would
    keep others than were validated, and at the end of a training that was stopped early the
    optimizer would put the last weights over the average. Here the average stays in the model
    from the validation to the next epoch, and at the end. Has to come after callbacks that may
    stop the training.
    """

    def __init__(self) -> None:
        super().__init__(swap_on_epoch=True)

    @property
    def in_model(self) -> bool:
        """Whether the average stands in the model, and the last weights in the optimizer."""
        return self._ema_weights_in_model

    @in_model.setter
    def in_model(self, value: bool) -> None:
        self._ema_weights_in_model = value

    def on_test_end(self, logs: dict[str, float] | None = None) -> None:
        """Keep the average in the model until the next epoch begins."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Put the average into the model; for good, if the training ends here."""
        super().on_epoch_end(epoch, logs)
        if self.model.stop_training or epoch == self.params["epochs"] - 1:
            self._finalize_ema_values()
