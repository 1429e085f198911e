"""A look at what a network asks for before it takes memory: its variables, and what it computes.

Keras offers neither, so each backend has a way of its own. On others, networks are not kept.
"""

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from sklearn_kpd.exceptions import BrokenFileError, PersistenceError

# Metrics keep a few numbers more, which are not kept in the file.
_SPARE_ELEMENTS = 1000
_BYTES_OF_A_NUMBER = 4

_Shape = Sequence[int]


def check_backend(error: type[PersistenceError]) -> None:
    """Raise an error on a backend on which a network could not be looked at."""
    backend = keras.backend.backend()
    if backend not in _BEFORE_VARIABLES:
        raise error(
            f"On Keras' backend {backend!r} networks are neither saved nor loaded without code, "
            f"only on {' and '.join(sorted(_BEFORE_VARIABLES))}: use joblib."
        )


@contextlib.contextmanager
def no_larger_than(n_elements: int) -> Iterator[None]:
    """Refuse to make variables that have more elements in all, before they take memory.

    Raises
    ------
    BrokenFileError
        When the variable that is too much would be made.
    """
    left = n_elements + _SPARE_ELEMENTS

    def take(shape: _Shape) -> None:
        nonlocal left
        left -= math.prod(shape)
        if left < 0:
            raise BrokenFileError("The network asks for more weights than the file has.")

    with _BEFORE_VARIABLES[keras.backend.backend()](take):
        yield


class Cost(NamedTuple):
    """About how many numbers a network computes for one image, and in how many operations."""

    numbers: float
    operations: float


def cost(model: keras.Model, image_shape: tuple[int, ...]) -> Cost:
    """Count what a network computes for one image, without computing it.

    Infinite where it cannot be counted.
    """
    return _COSTS[keras.backend.backend()](model, (1, *image_shape))


def _cost_on_tensorflow(model: keras.Model, shape: tuple[int, ...]) -> Cost:
    # Without autograph, as Keras builds networks: it would write a file of Python.
    function = tf.function(lambda images: model(images, training=False), autograph=False)
    graph = function.get_concrete_function(tf.TensorSpec(shape, tf.float32)).graph
    found = [(_n_elements(item.outputs), item) for item in graph.get_operations()]
    return Cost(
        sum(numbers for numbers, _ in found),
        sum(numbers * _operations_per_number(item) for numbers, item in found),
    )


def _n_elements(tensors: Iterable[Any]) -> float:
    """Elements of the tensors of a graph; infinite where a size is not known."""
    return sum(
        math.prod(math.inf if size is None else size for size in tensor.shape.as_list())
        if tensor.shape.rank is not None
        else 0
        if tensor.dtype in (tf.resource, tf.variant)
        else math.inf
        for tensor in tensors
    )


def _operations_per_number(item: Any) -> float:
    """Operations of TensorFlow's that an element of its output takes, at most."""
    kind = item.type
    if "Call" in kind or "While" in kind or kind in ("If", "StatelessIf", "Case"):
        return math.inf  # what is in there is not seen
    if "Pool" in kind:
        return math.prod(item.get_attr("ksize"))
    if "Conv" in kind:
        kernel = item.inputs[1].shape
        return _n_elements(item.inputs[1:2]) / max(kernel[-1] or 1, 1) if kernel.rank else math.inf
    if "MatMul" in kind or kind == "Einsum":
        sizes = [_n_elements([tensor]) for tensor in item.inputs]
        return 1 + math.prod(sizes) ** 0.5 / max(_n_elements(item.outputs), 1) ** 0.5
    return 1


def _cost_on_jax(model: keras.Model, shape: tuple[int, ...]) -> Cost:
    import jax

    def call(images: Any) -> Any:
        with keras.StatelessScope():  # nothing that is not computed stays with the model
            return model(images, training=False)

    image = jax.ShapeDtypeStruct(shape, np.float32)
    costs = jax.jit(call).lower(image).cost_analysis() or {}
    return Cost(
        costs.get("bytes accessed", math.inf) / _BYTES_OF_A_NUMBER, costs.get("flops", math.inf)
    )


@contextlib.contextmanager
def _before_variables_of_tensorflow(take: Callable[[_Shape], None]) -> Iterator[None]:
    graph = tf.Graph()  # where nothing is computed, and shapes are known

    def create(next_creator: Callable[..., Any], **kwargs: Any) -> Any:
        value = kwargs["initial_value"]
        with graph.as_default():
            # Keras gives a function where an initializer makes the value, else the value.
            tensor = tf.convert_to_tensor(value() if callable(value) else np.asarray(value))
        take(tensor.shape.as_list())
        return next_creator(**kwargs)

    with tf.variable_creator_scope(create):
        yield


@contextlib.contextmanager
def _before_variables_of_jax(take: Callable[[_Shape], None]) -> Iterator[None]:
    """On JAX, Keras asks where a variable shall lie before it makes its value."""
    outer = keras.distribution.distribution()
    seen: dict[int, Any] = {}  # it may ask twice

    class Look(keras.distribution.DataParallel):
        def get_variable_layout(self, variable: Any) -> Any:
            if id(variable) not in seen:
                seen[id(variable)] = variable
                take(variable.shape)
            return outer.get_variable_layout(variable) if outer else None

    with Look(devices=keras.distribution.list_devices()).scope():
        yield


_BEFORE_VARIABLES = {
    "jax": _before_variables_of_jax,
    "tensorflow": _before_variables_of_tensorflow,
}
_COSTS = {"jax": _cost_on_jax, "tensorflow": _cost_on_tensorflow}
