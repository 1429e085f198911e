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


@contextmanager
def interrupt_stops(model: keras.Model) -> Iterator[threading.Event]:
    """Let Ctrl-C end the training of a model after the batch at hand.

    So the weights are never caught half-changed. A second Ctrl-C interrupts as usual. Does nothing
    outside the main thread, which alone is interrupted, or where somebody else handles Ctrl-C.

    Parameters
    ----------
    model : keras.Model
        What is trained in the block.

    Yields
    ------
    threading.Event
        Set by the Ctrl-C.
    """
    interrupted = threading.Event()

    def stop(signal_number: int, frame: Any) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        interrupted.set()
        model.stop_training = True

    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield interrupted
        return
    signal.signal(signal.SIGINT, stop)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
