"""Training on several devices: a copy of the network on each, which share every batch."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras

from sklearn_kpd._common.keras import (
    IS_TENSORFLOW,
    as_numpy,
    layers_within,
    reset_given_metrics,
)
from sklearn_kpd._training.heatmaps import ShowsHeatmaps
from sklearn_kpd._training.optimizer import compile_as
from sklearn_kpd._training.state import restore_training_state, training_state


@contextmanager
def on_devices(model: keras.Model, devices: str | Sequence[str] | None) -> Iterator[keras.Model]:
    """Train a network on several devices of this machine, for the length of a block.

    What the copies learn together is given to the network when the block ends without an error.

    Parameters
    ----------
    model : keras.Model
        Compiled, its optimizer built. It stays where it is.
    devices : "all", sequence of str, or None
        All GPUs, or names such as ``"GPU:0"``; None changes nothing.

    Yields
    ------
    keras.Model
        What to train: the network itself where no devices are named, else its copies.

    Raises
    ------
    ValueError
        For devices that are not there, and a network of which there can be no copy.
    """
    if devices is None:
        yield model
        return
    copies = _mirrored(model, _names(devices))
    reset_given_metrics(model)
    try:
        yield copies
    finally:
        reset_given_metrics(model)
    restore_training_state(model, training_state(copies))


def _names(devices: str | Sequence[str]) -> list[str]:
    if not IS_TENSORFLOW:
        raise ValueError(
            f"devices={devices!r} needs Keras on TensorFlow, and its backend is "
            f"{keras.backend.backend()}: set devices=None."
        )
    known = known_devices()
    chosen = [name for name in known if name.startswith("GPU")] if devices == "all" else [*devices]
    unknown = [name for name in chosen if name not in known]
    if unknown or not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(
            f"devices={devices!r} names devices that are not there, none, or one twice; there are "
            f"{', '.join(known)}."
        )
    return chosen


def known_devices() -> list[str]:
    """Names of what TensorFlow can compute on, such as CPU:0 and GPU:0."""
    import tensorflow as tf

    return [device.name.rpartition("device:")[2] for device in tf.config.list_logical_devices()]


def _mirrored(model: keras.Model, names: list[str]) -> keras.Model:
    import tensorflow as tf

    # By default sums are collective operations, which devices may begin in different orders where
    # several are in flight, as those of batch normalisation are: they failed. Networks are small.
    strategy = tf.distribute.MirroredStrategy(names, tf.distribute.ReductionToOneDevice())
    with strategy.scope():
        try:
            inside = keras.models.clone_model(model)
        except Exception as error:  # layers of the user raise anything
            raise ValueError(
                f"devices={names} trains copies of the network, and it cannot be copied: give its "
                f"layers a get_config, or set devices=None ({error})"
            ) from error
        kind = type(model.optimizer)
        optimizer = kind.from_config(model.optimizer.get_config())
    for layer in layers_within(inside):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True
    copies = _Copies(inside.inputs, inside.outputs[0], name=model.name)
    copies.strategy = strategy
    # Metrics see whole batches, so they are those of the network itself.
    compile_as(copies, model, optimizer=optimizer, jit_compile=False)
    with strategy.scope():
        copies.optimizer.build(copies.trainable_variables)
    copies.loss_scale = _loss_scale(strategy, model.loss, model.output_shape[1])
    restore_training_state(copies, training_state(model))
    return copies


def _loss_scale(strategy: Any, loss: keras.losses.Loss, n_outputs: int) -> float:
    """What undoes the scaling of a loss: Keras' own divide by the number of devices."""
    values = keras.ops.zeros((1, n_outputs)), keras.ops.ones((1, n_outputs))
    with strategy.scope():
        scaled = float(as_numpy(loss(*values)))
    return float(as_numpy(loss(*values))) / scaled if scaled else 1.0


class _Copies(ShowsHeatmaps):
    """A network whose variables are on several devices, each of which takes a part of a batch.

    Every device has the labels of the whole batch and is told what the others have predicted, so
    that the loss is that of the whole batch, whatever it is: of rows with different numbers of
    labels, no mean over devices is. Its gradient is taken by the device's own predictions and
    summed over devices before the optimizer sees it, which may clip it. Batch normalisation takes
    its moments over all devices. Parts may be of unequal size; where rows are fewer than devices,
    each takes all, which leaves moments and mean gradient as they are. Metrics see the whole
    batch, outside of the devices.
    """

    strategy: Any
    loss_scale: float

    def train_step(self, data: Any) -> dict[str, Any]:
        """Train on one batch."""
        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        with self.showing():
            parts, losses = self.strategy.run(self._train_on_part, args=(x, y, weights))
        loss = self.strategy.experimental_local_results(losses)[0]  # all have the same
        return self._measured(loss, self._whole(parts, x), data)

    def test_step(self, data: Any) -> dict[str, Any]:
        """Validate on one batch."""
        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        with self.showing():
            predictions = self._whole(self.strategy.run(self._test_on_part, args=(x,)), x)
        loss = self.loss(y, predictions, sample_weight=weights) + sum(self.losses)
        return self._measured(loss, predictions, data)

    def _whole(self, parts: Any, x: Any) -> Any:
        predictions = keras.ops.concatenate(self.strategy.experimental_local_results(parts))
        return predictions[: keras.ops.shape(x)[0]]

    def _measured(self, loss: Any, predictions: Any, data: Any) -> dict[str, Any]:
        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        [tracker] = [metric for metric in self.metrics if metric.name == "loss"]
        tracker.update_state(loss, sample_weight=keras.ops.shape(x)[0])
        return self.compute_metrics(x, y, predictions, sample_weight=weights)

    def _test_on_part(self, x: Any) -> Any:
        _, (start, stop), _ = self._part(keras.ops.shape(x)[0])
        return self(x[start:stop], training=False)

    def _train_on_part(self, x: Any, y: Any, weights: Any) -> tuple[Any, Any]:
        import tensorflow as tf

        n_rows = keras.ops.shape(x)[0]
        context, (start, stop), n_times = self._part(n_rows)
        with tf.GradientTape() as tape:
            part = self(x[start:stop], training=True)
            own = tf.pad(part, [[start, n_rows - stop], *[[0, 0]] * (len(part.shape) - 1)])
            rows = tf.reshape(tf.range(n_rows), [-1, *[1] * (len(part.shape) - 1)])
            predictions = tf.where(
                (rows >= start) & (rows < stop),
                own,
                context.all_reduce(tf.distribute.ReduceOp.SUM, tf.stop_gradient(own)),
            )
            loss = self.loss_scale * self.loss(y, predictions, sample_weight=weights)
            penalties = sum(self.losses)
            # the gradients of the devices are summed
            objective = loss / n_times + penalties / context.num_replicas_in_sync
            objective = self.optimizer.scale_loss(objective)
        # the sum over devices takes no None, which weights that nothing depends on would have
        zero = tf.UnconnectedGradients.ZERO
        gradients = tape.gradient(objective, self.trainable_weights, unconnected_gradients=zero)
        gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        self.optimizer.apply(gradients, self.trainable_weights)
        return part, loss + penalties

    def _part(self, n_rows: Any) -> tuple[Any, tuple[Any, Any], Any]:
        """Where this device is, rows that it takes, and how many devices take each row."""
        import tensorflow as tf

        context = tf.distribute.get_replica_context()
        number, n_devices = context.replica_id_in_sync_group, context.num_replicas_in_sync
        all_take_all = n_rows < n_devices
        start = tf.where(all_take_all, 0, n_rows * number // n_devices)
        stop = tf.where(all_take_all, n_rows, n_rows * (number + 1) // n_devices)
        n_times = tf.where(all_take_all, float(n_devices), 1.0)
        return context, (start, stop), n_times
