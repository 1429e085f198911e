"""The optimizer of a training."""

from typing import Any

import keras

from sklearn_kpd._common.keras import (
    given_metrics,
    inner_optimizer,
    slow_down,
    without_summed_gradients,
)
from sklearn_kpd.networks._backbone import learning_rate_factors

# Weights whose decay would gain nothing: biases, and scale and offset of normalisation.
_NOT_DECAYED = ["bias", "gamma", "beta"]


def make_optimizer(
    optimizer: Any, defaults: dict[str, Any], options: dict[str, Any]
) -> keras.optimizers.Optimizer:
    """Make an optimizer from its name or class, or copy one.

    Parameters
    ----------
    optimizer : str, class or keras.optimizers.Optimizer
        What the user gave; an instance keeps its own arguments.
    defaults : dict
        Arguments of a named one.
    options : dict
        Arguments of a named one that go before the defaults.

    Returns
    -------
    keras.optimizers.Optimizer
        Not built.

    Raises
    ------
    ValueError
        For an unknown name or argument, or options for an instance.

    Examples
    --------
    >>> from sklearn_kpd._training.optimizer import make_optimizer
    >>> make_optimizer("sgd", {"learning_rate": 0.1}, {"momentum": 0.9}).momentum
    0.9
    """
    if isinstance(optimizer, keras.optimizers.Optimizer):
        if options:
            raise ValueError(
                f"optimizer={type(optimizer).__name__}(...) is made already and takes no "
                f"optimizer__{next(iter(options))}: set it there, or name the optimizer."
            )
        made = type(optimizer).from_config(optimizer.get_config())
    else:
        kind = type(keras.optimizers.get(optimizer)) if isinstance(optimizer, str) else optimizer
        try:
            made = kind(**{**defaults, **options})
        except (TypeError, ValueError) as error:
            names = ", ".join(f"optimizer__{name}" for name in options)
            raise ValueError(
                f"optimizer={kind.__name__} does not take {names or list(defaults)}: {error}"
            ) from error
    exclude_from_decay(made)
    return made


def exclude_from_decay(
    optimizer: keras.optimizers.Optimizer, variables: list[keras.Variable] | None = None
) -> None:
    """Leave biases, normalisation and others out of the weight decay; Keras does not save that."""
    inner_optimizer(optimizer).exclude_from_weight_decay(variables, _NOT_DECAYED)


def compile_model(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    loss: keras.losses.Loss,
    metrics: list[Any],
    ema_momentum: float,
    options: dict[str, Any],
) -> None:
    """Compile a model, its optimizer built.

    Parameters
    ----------
    model : keras.Model
        New.
    optimizer : keras.optimizers.Optimizer
        From :func:`make_optimizer`.
    loss : keras.losses.Loss
        Over network units.
    metrics : list
        For the history.
    ema_momentum : float
        Of the moving average of the weights that the optimizer keeps; 0 for none.
    options : dict
        Further arguments of ``keras.Model.compile``.
    """
    inner = inner_optimizer(optimizer)
    if ema_momentum and not inner.use_ema:
        inner.use_ema, inner.ema_momentum = True, ema_momentum
    # Keras would scale the loss too, but a copy of the model would have forgotten that.
    if inner is optimizer and model.dtype_policy.name == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(optimizer=optimizer, loss=loss, metrics=metrics, **options)
    # Keras would build it inside a compiled function, with a graph for every variable.
    model.optimizer.build(model.trainable_variables)


def compile_as(model: keras.Model, other: keras.Model, **changes: Any) -> None:
    """Compile a model as another one is, with the same optimizer, loss and metrics.

    Parameters
    ----------
    model : keras.Model
        New.
    other : keras.Model
        Compiled.
    **changes
        Arguments of ``keras.Model.compile`` that differ.
    """
    metrics, weighted_metrics = given_metrics(other)
    settings = {
        "optimizer": other.optimizer,
        "loss": other.loss,
        "metrics": metrics,
        "weighted_metrics": weighted_metrics,
        "run_eagerly": other.run_eagerly,
        "steps_per_execution": other.steps_per_execution,
        "jit_compile": other.jit_compile,
    }
    model.compile(**{**settings, **changes})


def prepare(model: keras.Model) -> None:
    """Set what neither Keras nor a file keeps with an optimizer, before each training.

    Parameters
    ----------
    model : keras.Model
        Compiled. What is fine-tuned in it is not drawn to 0, and learns at its own rate.
    """
    optimizer, factors = model.optimizer, learning_rate_factors(model)
    exclude_from_decay(optimizer, [variable for variable, _ in factors])
    slow_down(optimizer, factors)
    without_summed_gradients(optimizer)
