"""Batches ▶ a stream for Keras, made ahead of the training."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.pool import ThreadPool
from typing import Any

import keras

from sklearn_kpd._training.batches import Batches
from sklearn_kpd.images import Array

# Threads that make batches; a third was no faster, even with imgaug.
_N_THREADS = 2
# Batches that wait for the network at most.
_N_AHEAD = 10


@contextmanager
def makers() -> Iterator[ThreadPool]:
    """Threads that make batches for the length of a block; what is left undone then, stays so."""
    threads = ThreadPool(_N_THREADS)
    try:
        yield threads
    finally:
        threads.terminate()
        threads.join()


def ahead(batches: Batches, threads: ThreadPool) -> Iterator[tuple[Array, ...]]:
    """Batches of one epoch in their order, made before they are asked for.

    Parameters
    ----------
    batches : Batches
        What to make.
    threads : ThreadPool
        What makes them.

    Yields
    ------
    tuple of ndarray
        Images, keypoints, and weights of rows if there are any.
    """
    coming: deque[Any] = deque()
    for index in range(len(batches)):
        coming.append(threads.apply_async(batches.__getitem__, [index]))
        if len(coming) > _N_AHEAD:
            yield coming.popleft().get()
    while coming:
        yield coming.popleft().get()


def stream(batches: Batches, threads: ThreadPool) -> Any:
    """A dataset of TensorFlow's, which Keras takes on every backend.

    Keras' own ``PyDataset`` waits for a tenth of a second after every epoch and every validation
    for batches that it knows not to come.

    Parameters
    ----------
    batches : Batches
        Of which every run through the dataset is one epoch.
    threads : ThreadPool
        What makes them ahead.

    Returns
    -------
    tensorflow.data.Dataset
        It holds on to `batches`.
    """
    import tensorflow as tf

    signature = tuple(
        tf.TensorSpec((None, *part.shape[1:]), tf.as_dtype(part.dtype)) for part in batches[0]
    )
    dataset = tf.data.Dataset.from_generator(
        lambda: ahead(batches, threads), output_signature=signature
    )
    options = tf.data.Options()
    # TensorFlow waits for the thread that tunes a pipeline at the end of an epoch: by a race in
    # it, every other time, for as long as the epoch itself had taken.
    options.autotune.enabled = False
    options.threading.private_threadpool_size = 1
    cardinality = tf.data.experimental.assert_cardinality(len(batches))
    return dataset.apply(cardinality).with_options(options)


class DrawEpochs(keras.callbacks.Callback):
    """Have batches drawn anew for every epoch, by its number.

    Parameters
    ----------
    batches : Batches
        What is trained on.
    """

    def __init__(self, batches: Batches) -> None:
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Draw the order, and the numbers of the augmentation."""
        self.batches.draw(epoch + 1)
