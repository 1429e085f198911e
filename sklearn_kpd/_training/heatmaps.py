"""Training by what a network's heatmaps say, and not by their mean places alone."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

from sklearn_kpd._common.keras import reset_given_metrics
from sklearn_kpd._training.optimizer import compile_as
from sklearn_kpd.losses import PACKAGE
from sklearn_kpd.networks import SpatialSoftArgmax


def takes_heatmaps(loss: Any) -> bool:
    """Whether a loss wants heatmaps in place of keypoints."""
    return getattr(loss, "takes_heatmaps", False)


def ends_in_heatmaps(model: keras.Model) -> bool:
    """Whether a network finds its points by heatmaps that are at hand."""
    return isinstance(model.layers[-1], SpatialSoftArgmax)


def shows_heatmaps(model: keras.Model) -> keras.Model:
    """Make of a network one that trains by its heatmaps, where its loss takes these.

    Parameters
    ----------
    model : keras.Model
        Compiled, its optimizer built.

    Returns
    -------
    keras.Model
        The network itself, or one of the same layers and the same optimizer.
    """
    if not (takes_heatmaps(model.loss) and ends_in_heatmaps(model)):
        return model
    showing = ShowsHeatmaps(model.inputs, model.outputs[0], name=model.name)
    reset_given_metrics(model)
    compile_as(showing, model)
    return showing


@keras.saving.register_keras_serializable(PACKAGE)
class ShowsHeatmaps(keras.Model):
    """A network that ends in a soft-argmax, and shows the heatmaps before that to its loss.

    Metrics, callbacks and whoever calls it get keypoints.
    """

    _showing = False

    def call(
        self, inputs: keras.KerasTensor, training: bool | None = None, mask: Any = None
    ) -> keras.KerasTensor:
        """Keypoints, or heatmaps within a step."""
        if not self._showing:
            return super().call(inputs, training=training, mask=mask)
        heatmaps = keras.Model(self.inputs, self.layers[-1].input)
        return heatmaps(inputs, training=training)

    @contextlib.contextmanager
    def showing(self) -> Iterator[None]:
        """Give heatmaps where the loss takes them, for the length of a block."""
        self._showing = takes_heatmaps(self.loss)
        try:
            yield
        finally:
            self._showing = False

    def train_step(self, *args: Any, **kwargs: Any) -> Any:
        """Train on one batch."""
        with self.showing():
            return super().train_step(*args, **kwargs)

    def test_step(self, *args: Any, **kwargs: Any) -> Any:
        """Validate on one batch."""
        with self.showing():
            return super().test_step(*args, **kwargs)

    def compute_metrics(
        self, x: Any, y: Any, y_pred: keras.KerasTensor, sample_weight: Any = None
    ) -> dict[str, Any]:
        """Measure keypoints."""
        if len(y_pred.shape) == 4:
            y_pred = self.layers[-1](y_pred)
        return super().compute_metrics(x, y, y_pred, sample_weight)
