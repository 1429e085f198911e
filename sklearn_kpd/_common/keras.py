"""Door to what is private in Keras and TensorFlow, and to what they keep for the whole process.

No other module takes a private name of theirs but `_training.averaging`, which derives from a
callback of Keras', and the one that reads networks from files. What each stands for, and what
would break without it, is said in its function.
"""

import contextlib
import itertools
import logging
import os
import random
import threading
from collections.abc import Iterator
from typing import Any

import keras
from keras.src.random import seed_generator

IS_TENSORFLOW = keras.backend.backend() == "tensorflow"


class _Seeds:
    """Python's `random`, but for threads that draw their seeds from a source of their own."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._source = threading.local()

    def __getattr__(self, name: str) -> Any:
        return getattr(getattr(self._source, "random", None) or self._module, name)

    @contextlib.contextmanager
    def from_seed(self, seed: int) -> Iterator[None]:
        self._source.random = random.Random(seed)
        try:
            yield
        finally:
            del self._source.random


# Keras draws the seed of every initializer and random layer that was given none from Python's
# global numbers, which any other thread may draw from at the same time. It does so through this
# name of its module; without it, a seed would hold in one thread alone.
_seeds = _Seeds(seed_generator.python_random)
seed_generator.python_random = _seeds


def seeded(seed: int | None) -> contextlib.AbstractContextManager[None]:
    """Have Keras draw the seeds of what this thread makes in a block from a source of its own.

    No state of the process is read or changed, so other threads change nothing.

    Parameters
    ----------
    seed : int or None
        None leaves Keras to Python's global random numbers.
    """
    return contextlib.nullcontext() if seed is None else _seeds.from_seed(seed)


_counting = threading.Lock()
_n_deterministic = 0
_before: dict[str, Any] = {}
_DETERMINISTIC = "TF_DETERMINISTIC_OPS"


@contextlib.contextmanager
def deterministic(seed: int | None) -> Iterator[None]:
    """Have TensorFlow's operations deterministic for a block, and as they were afterwards.

    That is a state of the process, as is the seed that TensorFlow then asks for: of blocks that
    overlap in several threads the first sets them, and the last puts them back. TensorFlow has
    no public way to turn determinism off again; without it, it would stay on.

    Parameters
    ----------
    seed : int or None
        None changes nothing.
    """
    if seed is None or not IS_TENSORFLOW:
        yield
        return
    global _n_deterministic
    with _counting:
        if not _n_deterministic:
            _set_deterministic(seed)
        _n_deterministic += 1
    try:
        yield
    finally:
        with _counting:
            _n_deterministic -= 1
            if not _n_deterministic:
                _put_back()


def _set_deterministic(seed: int) -> None:
    import tensorflow as tf
    from tensorflow.python.eager import context
    from tensorflow.python.framework import config

    # asked before the variable is set, which TensorFlow reads once and would keep to
    _before["determinism"] = config.is_op_determinism_enabled()
    _before["variable"] = os.environ.get(_DETERMINISTIC)
    _before["seed"] = context.global_seed()
    os.environ[_DETERMINISTIC] = "1"
    tf.random.set_seed(seed)
    tf.config.experimental.enable_op_determinism()


def _put_back() -> None:
    import tensorflow as tf
    from tensorflow.python.framework import config

    if not _before["determinism"]:
        config.disable_op_determinism()
    tf.random.set_seed(_before["seed"])
    if _before["variable"] is None:
        os.environ.pop(_DETERMINISTIC, None)
    else:
        os.environ[_DETERMINISTIC] = _before["variable"]


def as_numpy(tensor: Any) -> Any:
    """Give a tensor or a variable as an array; what Keras does raises NumPy 2's deprecations."""
    value = getattr(tensor, "value", tensor)
    return value.numpy() if IS_TENSORFLOW else keras.ops.convert_to_numpy(value)


_used_by: int | None = None


def _note_use() -> None:
    """Note that this process, which is about to be forked, has used TensorFlow, by whatever code.

    TensorFlow has no public way to tell; without it, use by other code than ours would be missed.
    """
    global _used_by
    from tensorflow.python.eager import context

    if _used_by is None and getattr(context.context_safe(), "_initialized", False):
        _used_by = os.getpid()


if IS_TENSORFLOW and hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_note_use)


def check_process() -> None:
    """Refuse to go on in a process that was forked from one that had used TensorFlow.

    TensorFlow's threads are not there after a fork, and whatever waits for them waits for ever.

    Raises
    ------
    RuntimeError
        Names the ways to start processes that work.
    """
    global _used_by
    if _used_by is None or not IS_TENSORFLOW:
        _used_by = os.getpid()
    elif _used_by != os.getpid():
        raise RuntimeError(
            "This process was forked from one that had used TensorFlow, which would hang in it: "
            "start processes by 'spawn' or 'forkserver', or use joblib's own backend, loky."
        )


def n_visible_gpus() -> int:
    """How many GPUs TensorFlow sees."""
    import tensorflow as tf

    return len(tf.config.list_physical_devices("GPU"))


_busy = threading.Lock()
_being_fitted: set[int] = set()


@contextlib.contextmanager
def fitting_alone(estimator: Any) -> Iterator[None]:
    """Refuse that a second thread fits an estimator at the same time.

    Raises
    ------
    RuntimeError
        If another thread is fitting it.
    """
    with _busy:
        if id(estimator) in _being_fitted:
            raise RuntimeError(
                f"This {type(estimator).__name__} is being fitted by another thread: fit a clone "
                "in each, sklearn.base.clone(estimator)."
            )
        _being_fitted.add(id(estimator))
    try:
        yield
    finally:
        with _busy:
            _being_fitted.discard(id(estimator))


def tensorflow_version() -> str:
    """Version of TensorFlow, which is there on every backend of Keras."""
    import tensorflow as tf

    return str(tf.__version__)


def n_replicas() -> int:
    """Number of devices that TensorFlow's distribution strategy of this thread trains on."""
    if not IS_TENSORFLOW:
        return 1
    import tensorflow as tf

    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def inner_optimizer(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Find the optimizer that does the work, inside the one that scales the loss for float16."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def has_schedule(optimizer: keras.optimizers.Optimizer) -> bool:
    """Whether the optimizer brings a learning-rate schedule of its own.

    Its public attribute is the rate of the step at hand, and tells nothing.
    """
    rate = inner_optimizer(optimizer)._learning_rate
    return isinstance(rate, keras.optimizers.schedules.LearningRateSchedule)


def learning_rate(optimizer: keras.optimizers.Optimizer) -> float:
    """Learning rate of the step at hand, as a number."""
    return float(as_numpy(inner_optimizer(optimizer).learning_rate))


def set_learning_rate(optimizer: keras.optimizers.Optimizer, rate: float) -> None:
    """Set the learning rate of an optimizer without a schedule."""
    inner_optimizer(optimizer).learning_rate = rate


def without_summed_gradients(optimizer: keras.optimizers.Optimizer) -> None:
    """Have an optimizer take gradients as they are, which are those of the whole batch already.

    TensorFlow sums them over devices by a function whose own gradient it registers, and what is
    registered is never released: every network that was ever fitted would stay in memory.
    """
    if IS_TENSORFLOW:
        inner_optimizer(optimizer)._all_reduce_sum_gradients = list


def layers_within(model: keras.Model) -> list[keras.layers.Layer]:
    """All layers of a network, those inside of others too."""
    return list(model._flatten_layers())


def given_metrics(model: keras.Model) -> tuple[list[Any], list[Any]]:
    """Metrics, and weighted metrics, as a compiled model was given them."""
    measured = model._compile_metrics
    if measured is None:
        return [], []
    return list(measured._user_metrics or []), list(measured._user_weighted_metrics or [])


def reset_given_metrics(model: keras.Model) -> None:
    """Forget counts: Keras does, at each epoch, but not before it has seen what it measures."""
    for metric in itertools.chain(*given_metrics(model)):
        if isinstance(metric, keras.metrics.Metric):
            metric.reset_state()


def slow_down(
    optimizer: keras.optimizers.Optimizer, factors: list[tuple[keras.Variable, float]]
) -> None:
    """Have an optimizer change some variables at a share of its learning rate.

    Keras has one rate for all, and a gradient that is scaled would change nothing where the
    optimizer divides by its size, as Adam does. So the rate is scaled that `update_step` is given,
    which is public, and what every optimizer does to one variable; what a variable is known by
    there is private. Without it, all would learn at one rate.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
        Neither Keras nor a file keeps this with it.
    factors : list of (Variable, float)
        The rest learns at the rate itself.
    """
    optimizer = inner_optimizer(optimizer)
    by_key = {optimizer._var_key(variable): factor for variable, factor in factors}
    update_step = type(optimizer).update_step

    def slowed(gradient: Any, variable: Any, learning_rate: Any) -> None:
        factor = by_key.get(optimizer._var_key(variable), 1.0)
        update_step(optimizer, gradient, variable, learning_rate * factor)

    if by_key:
        optimizer.update_step = slowed


class PickledByKeras:
    """A model that is pickled by Keras' own code.

    SciKeras puts functions of its own in their place, for all models of the process, and
    those register the class of whatever they pickle. They are left to whoever uses SciKeras.

    Parameters
    ----------
    model : keras.Model
        Pickling gives this very model back, and no PickledByKeras.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model

    def __reduce__(self) -> Any:
        return super(keras.Model, self.model).__reduce__()


@contextlib.contextmanager
def without_retracing_warnings() -> Iterator[None]:
    """Drop TensorFlow's warning that functions are compiled often.

    Every new model compiles its own, so short fits in a row raise it, and a user can do nothing
    about it.
    """

    def keep(record: logging.LogRecord) -> bool:
        return "tf.function retracing" not in record.getMessage()

    logger = logging.getLogger("tensorflow")
    logger.addFilter(keep)
    try:
        yield
    finally:
        logger.removeFilter(keep)
