"""Losses and Keras metrics that leave NaN in y out."""

from typing import Any

import keras
from keras import ops

PACKAGE = "sklearn_kpd"


def masked_error(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Error of every labelled value, and 0 where there is no label.

    NaN is replaced before the subtraction: ``where(isnan(y), 0, (p - y) ** 2)`` would be
    finite, but its gradient is NaN.

    Parameters
    ----------
    y_true : tensor of shape (n, n_outputs)
        Network units, NaN where not labelled.
    y_pred : tensor of shape (n, n_outputs)
        Network units.

    Returns
    -------
    error : tensor of shape (n, n_outputs)
    labelled : tensor of shape (n, n_outputs)
        1 where labelled, 0 elsewhere.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.losses import masked_error
    >>> error, labelled = masked_error(np.float32([[1, np.nan]]), np.float32([[3, 7]]))
    >>> np.asarray(error), np.asarray(labelled)
    (array([[2., 0.]], dtype=float32), array([[1., 0.]], dtype=float32))
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.cast(y_true, y_pred.dtype)
    unlabelled = ops.isnan(y_true)
    labelled = ops.cast(ops.logical_not(unlabelled), y_pred.dtype)
    error = (y_pred - ops.where(unlabelled, ops.zeros_like(y_true), y_true)) * labelled
    return error, labelled


@keras.saving.register_keras_serializable(PACKAGE)
class MaskedMeanSquaredError(keras.losses.Loss):
    """Mean squared error over the labelled values of a batch.

    Its value and gradient are those of the MSE over the labelled values alone; both are 0
    for a row or a batch with no label. With sample weights, each value has the weight of
    its row.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.losses import MaskedMeanSquaredError
    >>> y_true = np.float32([[1, np.nan], [2, 4]])
    >>> y_pred = np.float32([[3, 7], [2, 2]])
    >>> float(MaskedMeanSquaredError()(y_true, y_pred))  # (4 + 0 + 4) / 3
    2.66...
    """

    def __init__(self, name: str = "masked_mean_squared_error", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Loss of a batch.

        Keras would average the rows of :meth:`call`; rows have different numbers of labels,
        so the mean is taken over values here.
        """
        with keras.name_scope(self.name):
            error, weight = masked_error(y_true, y_pred)
            if sample_weight is not None:
                weight = weight * ops.reshape(ops.cast(sample_weight, weight.dtype), (-1, 1))
            total = ops.sum(weight)
            return ops.sum(weight * ops.square(error)) / ops.where(total > 0, total, 1.0)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Squared error of every labelled value, 0 elsewhere."""
        error, _ = masked_error(y_true, y_pred)
        return ops.square(error)


@keras.saving.register_keras_serializable(PACKAGE)
class PixelRMSE(keras.metrics.Metric):
    """Root mean squared error over the labelled values of an epoch, in pixels.

    Parameters
    ----------
    pixels_per_unit : float
        Pixels in one network unit.
    name : str, default="rmse"
        Key in ``history_``.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.losses import PixelRMSE
    >>> rmse = PixelRMSE(pixels_per_unit=48)
    >>> rmse.update_state(np.float32([[0.5, np.nan]]), np.float32([[0.25, 1]]))
    >>> float(rmse.result())
    12.0
    """

    def __init__(self, pixels_per_unit: float = 1.0, name: str = "rmse", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.pixels_per_unit = pixels_per_unit
        self.total = self.add_variable((), initializer="zeros", name="total")
        self.count = self.add_variable((), initializer="zeros", name="count")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch."""
        error, weight = masked_error(y_true, y_pred)
        if sample_weight is not None:
            weight = weight * ops.reshape(ops.cast(sample_weight, weight.dtype), (-1, 1))
        self.total.assign_add(ops.sum(weight * ops.square(error)))
        self.count.assign_add(ops.sum(weight))

    def result(self) -> Any:
        """RMSE in pixels; NaN before the first label."""
        return ops.sqrt(self.total / self.count) * self.pixels_per_unit

    def get_config(self) -> dict[str, Any]:
        """Configuration, for saving."""
        return {**super().get_config(), "pixels_per_unit": self.pixels_per_unit}
