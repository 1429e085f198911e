"""Losses and Keras metrics that leave NaN in y out."""

from sklearn_kpd._common import quiet  # noqa: F401, isort: skip

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from sklearn_kpd._common.heatmaps import mean_and_variance
from sklearn_kpd._common.keras import as_numpy

__all__ = [
    "LOSSES",
    "MaskedHuber",
    "MaskedLaplace",
    "MaskedLoss",
    "MaskedMeanSquaredError",
    "MaskedWing",
    "PixelRMSE",
]

PACKAGE = "sklearn_kpd"

# Pixels. Neither a heatmap of a single point nor an error of 0 may divide by 0 or have an endless
# gradient; labels are no more exact than that.
_LEAST_STD, _LEAST_ERROR = 0.2, 0.1


def masked_error(
    y_true: keras.KerasTensor, y_pred: keras.KerasTensor
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
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
        Prediction less label, network units.
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


def _weighted(labelled: keras.KerasTensor, sample_weight: ArrayLike | None) -> keras.KerasTensor:
    """Weight of every value: that of its row, 0 where there is no label."""
    if sample_weight is None:
        return labelled
    return labelled * ops.reshape(ops.cast(sample_weight, labelled.dtype), (-1, 1))


def _mean(penalties: keras.KerasTensor, weight: keras.KerasTensor) -> keras.KerasTensor:
    """Weighted mean; 0 where nothing has a weight."""
    total = ops.sum(weight)
    return ops.sum(weight * penalties) / ops.where(total > 0, total, 1.0)


class MaskedLoss(keras.losses.Loss):
    """Mean of a penalty over the labelled values of a batch: the base of the others.

    For a loss of your own, derive from it and define ``penalty(error)``, which is applied value by
    value. The gradient is that of the labelled values alone; loss and gradient are 0 for a row or
    a batch with no label. With sample weights, each value has the weight of its row.

    Examples
    --------
    >>> import numpy as np
    >>> from keras import ops
    >>> from sklearn_kpd.losses import MaskedLoss
    >>> class MaskedMeanAbsoluteError(MaskedLoss):
    ...     def penalty(self, error):
    ...         return ops.abs(error)
    >>> float(MaskedMeanAbsoluteError()(np.float32([[1, np.nan]]), np.float32([[3, 7]])))
    2.0
    """

    def penalty(self, error: keras.KerasTensor) -> keras.KerasTensor:
        """Penalty of each error, in network units."""
        raise NotImplementedError

    def __call__(
        self,
        y_true: keras.KerasTensor,
        y_pred: keras.KerasTensor,
        sample_weight: ArrayLike | None = None,
    ) -> keras.KerasTensor:
        """Loss of a batch.

        Keras would average the rows of :meth:`call`; rows have different numbers of labels,
        so the mean is taken over values here.
        """
        with keras.name_scope(self.name):
            error, weight = masked_error(y_true, y_pred)
            return _mean(self.penalty(error), _weighted(weight, sample_weight))

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Penalty of every labelled value, 0 elsewhere."""
        error, labelled = masked_error(y_true, y_pred)
        return labelled * self.penalty(error)


@keras.saving.register_keras_serializable(PACKAGE)
class MaskedMeanSquaredError(MaskedLoss):
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

    def penalty(self, error: keras.KerasTensor) -> keras.KerasTensor:
        """Square of each error."""
        return ops.square(error)


class _PixelLoss(MaskedLoss):
    """A masked loss whose parameters are pixels."""

    def __init__(self, pixels_per_unit: float, name: str, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.pixels_per_unit = pixels_per_unit

    def get_config(self) -> dict[str, Any]:
        """Configuration, for saving."""
        return {**super().get_config(), "pixels_per_unit": self.pixels_per_unit}


@keras.saving.register_keras_serializable(PACKAGE)
class MaskedHuber(_PixelLoss):
    """Huber loss over the labelled values: quadratic up to `delta`, linear beyond.

    Labels that are far off pull no harder than those that are `delta` off. Huber, Robust
    Estimation of a Location Parameter, Annals of Mathematical Statistics 35, 1964.

    Parameters
    ----------
    delta : float, default=1.5
        Pixels from which on the loss is linear.
    pixels_per_unit : float, default=1.0
        Pixels in one network unit.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.losses import MaskedHuber
    >>> y_true = np.float32([[0, 0, np.nan]])
    >>> float(MaskedHuber(delta=1.0)(y_true, np.float32([[0.5, 3, 7]])))  # (0.125 + 2.5) / 2
    1.3125
    """

    def __init__(
        self,
        delta: float = 1.5,
        pixels_per_unit: float = 1.0,
        name: str = "masked_huber",
        **kwargs: Any,
    ) -> None:
        super().__init__(pixels_per_unit, name, **kwargs)
        if not delta > 0:
            raise ValueError(f"delta={delta!r} must be a number of pixels above 0.")
        self.delta = delta

    def penalty(self, error: keras.KerasTensor) -> keras.KerasTensor:
        """Half the square up to `delta`, the tangent beyond."""
        delta = self.delta / self.pixels_per_unit
        size = ops.abs(error)
        inside = ops.minimum(size, delta)
        return inside * (size - 0.5 * inside)

    def get_config(self) -> dict[str, Any]:
        """Configuration, for saving."""
        return {**super().get_config(), "delta": self.delta}


@keras.saving.register_keras_serializable(PACKAGE)
class MaskedWing(_PixelLoss):
    """Wing loss over the labelled values: logarithmic up to `width`, linear beyond.

    Small errors pull harder than in a linear loss. Feng et al., Wing Loss for Robust Facial
    Landmark Localisation with Convolutional Neural Networks, CVPR 2018, equation 5.

    Parameters
    ----------
    width : float, default=4.0
        Pixels from which on the loss is linear: w of the paper, where it is 10 for faces of 256
        pixels.
    epsilon : float, default=1.0
        Pixels; the smaller, the more the loss is bent: ε of the paper.
    pixels_per_unit : float, default=1.0
        Pixels in one network unit.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.losses import MaskedWing
    >>> wing = MaskedWing(width=4.0, epsilon=1.0)
    >>> float(wing(np.float32([[0, np.nan]]), np.float32([[np.e - 1, 7]])))  # 4 ln(1 + e - 1)
    4.0
    """

    def __init__(
        self,
        width: float = 4.0,
        epsilon: float = 1.0,
        pixels_per_unit: float = 1.0,
        name: str = "masked_wing",
        **kwargs: Any,
    ) -> None:
        super().__init__(pixels_per_unit, name, **kwargs)
        if not (width > 0 and epsilon > 0):
            raise ValueError(
                f"width={width!r} and epsilon={epsilon!r} must be numbers of pixels above 0."
            )
        self.width = width
        self.epsilon = epsilon

    def penalty(self, error: keras.KerasTensor) -> keras.KerasTensor:
        """Logarithm up to `width`, the line that continues it beyond."""
        width, epsilon = self.width / self.pixels_per_unit, self.epsilon / self.pixels_per_unit
        size = ops.abs(error)
        inside = ops.minimum(size, width)
        return width * ops.log1p(inside / epsilon) + (size - inside)

    def get_config(self) -> dict[str, Any]:
        """Configuration, for saving."""
        return {**super().get_config(), "width": self.width, "epsilon": self.epsilon}


@keras.saving.register_keras_serializable(PACKAGE)
class MaskedLaplace(_PixelLoss):
    """Negative log-likelihood of the labelled values under a Laplace distribution of each.

    Its centre is the mean place under the keypoint's heatmap, and its scale a share of the
    heatmap's own standard deviation: the network learns how sure it may be, and errors of what it
    is sure of count more. For networks that end in heatmaps. Kumar et al., LUVLi Face Alignment,
    CVPR 2020, section 3, with independent coordinates and a scale taken from the heatmap.

    Parameters
    ----------
    ratio : float, default=0.5
        Scale of the distribution, in standard deviations of the heatmap.
    pixels_per_unit : float, default=1.0
        Pixels in one network unit.

    Notes
    -----
    Where it is given keypoints in place of heatmaps, their standard deviation is 0, and the scale
    the smallest that it can be.

    .. versionadded:: 0.2

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.losses import MaskedLaplace
    >>> heatmaps = np.log(np.float32([[[[1], [2], [1]]]]) / 4)  # one row of three pixels
    >>> y_true = np.float32([[2 / 3, np.nan]])  # the centre of the last of them, and no y
    >>> laplace = MaskedLaplace(ratio=1.0, pixels_per_unit=48.0)
    >>> float(laplace(y_true, heatmaps))  # ln(2 s) + 32 / s, s = 48 √2 / 3
    5.22...
    """

    #: Whether `y_pred` are heatmaps, (n, height, width, k), where the network has any.
    takes_heatmaps = True

    def __init__(
        self,
        ratio: float = 0.5,
        pixels_per_unit: float = 1.0,
        name: str = "masked_laplace",
        **kwargs: Any,
    ) -> None:
        super().__init__(pixels_per_unit, name, **kwargs)
        if not ratio > 0:
            raise ValueError(f"ratio={ratio!r} must be a number above 0.")
        self.ratio = ratio

    def __call__(
        self,
        y_true: keras.KerasTensor,
        y_pred: keras.KerasTensor,
        sample_weight: ArrayLike | None = None,
    ) -> keras.KerasTensor:
        """Loss of a batch, per labelled value, for errors in pixels."""
        y_pred = ops.convert_to_tensor(y_pred)
        if len(y_pred.shape) == 4:
            y_pred, variance = mean_and_variance(y_pred)
        else:
            variance = ops.zeros_like(y_pred)
        with keras.name_scope(self.name):
            error, weight = masked_error(y_true, y_pred)
            weight = _weighted(weight, sample_weight)
            squared = self.pixels_per_unit**2
            scale = self.ratio * ops.sqrt(squared * variance + _LEAST_STD**2)
            size = ops.sqrt(squared * ops.square(error) + _LEAST_ERROR**2)
            return _mean(ops.log(2 * scale) + size / scale, weight)

    def get_config(self) -> dict[str, Any]:
        """Configuration, for saving."""
        return {**super().get_config(), "ratio": self.ratio}


#: Losses by the name that `KeypointRegressor` takes.
LOSSES: dict[str, type[MaskedLoss]] = {
    "laplace": MaskedLaplace,
    "mse": MaskedMeanSquaredError,
    "huber": MaskedHuber,
    "wing": MaskedWing,
}


def get(loss: Any, pixels_per_unit: float, **options: Any) -> keras.losses.Loss:
    """Make a loss from its name, or take one as it is.

    Parameters
    ----------
    loss : {"laplace", "huber", "mse", "wing"} or keras.losses.Loss
        A loss of your own has to leave NaN in `y_true` out; deriving it from :class:`MaskedLoss`
        sees to that.
    pixels_per_unit : float
        Pixels in one network unit.
    **options
        Arguments of a loss that is named, in pixels.

    Raises
    ------
    ValueError
        For an unknown name, an option that the loss does not have, or options for a loss that
        is made already.

    Examples
    --------
    >>> from sklearn_kpd import losses
    >>> losses.get("huber", 48.0, delta=2.0).delta
    2.0
    """
    if isinstance(loss, keras.losses.Loss):
        if options:
            raise ValueError(
                f"loss={loss!r} is made already and takes no loss__{next(iter(options))}: set it "
                "there, or name the loss."
            )
        return loss
    if loss not in LOSSES:
        names = ", ".join(map(repr, LOSSES))
        raise ValueError(f"loss={loss!r} is unknown; it may be {names}, or a keras.losses.Loss.")
    if issubclass(LOSSES[loss], _PixelLoss):
        options["pixels_per_unit"] = pixels_per_unit
    try:
        return LOSSES[loss](**options)
    except TypeError as error:
        raise ValueError(f"loss={loss!r} does not take this option: {error}") from error


def leaves_missing_out(loss: Any, n_outputs: int) -> bool:
    """Whether a loss is a number where some labels are NaN.

    Parameters
    ----------
    loss : keras.losses.Loss
        Of ours, of Keras' or of the user's.
    n_outputs : int
        Coordinates of a row.

    Examples
    --------
    >>> import keras
    >>> from sklearn_kpd import losses
    >>> losses.leaves_missing_out(losses.MaskedHuber(), 4)
    True
    >>> losses.leaves_missing_out(keras.losses.MeanAbsoluteError(), 4)
    False
    """
    y_true = np.zeros((2, n_outputs), np.float32)
    y_true[0, 0] = np.nan
    value = loss(y_true, np.ones_like(y_true))
    return bool(np.isfinite(as_numpy(value)).all())


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

    def update_state(
        self,
        y_true: keras.KerasTensor,
        y_pred: keras.KerasTensor,
        sample_weight: ArrayLike | None = None,
    ) -> None:
        """Add a batch."""
        error, weight = masked_error(y_true, y_pred)
        weight = _weighted(weight, sample_weight)
        self.total.assign_add(ops.sum(weight * ops.square(error)))
        self.count.assign_add(ops.sum(weight))

    def result(self) -> keras.KerasTensor:
        """RMSE in pixels; NaN before the first label."""
        return ops.sqrt(self.total / self.count) * self.pixels_per_unit

    def get_config(self) -> dict[str, Any]:
        """Configuration, for saving."""
        return {**super().get_config(), "pixels_per_unit": self.pixels_per_unit}
