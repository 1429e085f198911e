"""What ends a training early: a loss that is no number, and Ctrl-C."""

import math
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras


class StopOnDivergence(keras.callbacks.Callback):
    """Stop the training at the first batch after which the loss is NaN or infinite.

    Attributes
    ----------
    epoch : int, or None
        Epoch in which that happened, counted from 0.
    """

    epoch: int | None = None
    _epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Remember the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Look at the mean loss of the epoch so far, which keeps what no number is."""
        if self.epoch is None and logs and not math.isfinite(logs["loss"]):
            self.epoch = self._epoch
            self.model.stop_training = True


class StopOnInterrupt(keras.callbacks.Callback):
    """Stop the training after the batch at hand once Ctrl-C was pressed, and not before.

    So the weights are never caught half-changed.

    Attributes
    ----------
    pressed : bool
        Whether it was. Keras forgets what it is told to stop before its first batch.
    """

    pressed = False

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Stop after the batch at hand."""
        if self.pressed:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Stop after the validation at hand."""
        self.on_train_batch_end(epoch, logs)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear Ctrl-C for the length of a block. A second one interrupts as usual.

        Does nothing outside the main thread, which alone is interrupted, or where somebody else
        handles Ctrl-C.
        """

        def press(signal_number: int, frame: Any) -> None:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self.pressed = True

        if (
            threading.current_thread() is not threading.main_thread()
            or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        ):
            yield
            return
        signal.signal(signal.SIGINT, press)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)
