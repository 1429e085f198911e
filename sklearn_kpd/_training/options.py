"""Routed arguments that the training decides itself, and what to use in their place."""

from typing import Any

_VALIDATION = "pass X_val and y_val to fit, or set validation_split"
#: Arguments of ``keras.Model.fit``: none is free.
FIT = {
    "x": "pass X to fit",
    "y": "pass y to fit",
    "batch_size": "set batch_size",
    "epochs": "set epochs",
    "verbose": "set verbose",
    "callbacks": "set callbacks",
    "validation_split": "set validation_split",
    "validation_data": _VALIDATION,
    "shuffle": "rows are drawn anew every epoch; sampling says how",
    "class_weight": "pass sample_weight to fit",
    "sample_weight": "pass sample_weight to fit",
    "initial_epoch": "set warm_start, or use partial_fit",
    "steps_per_epoch": "set epochs; each shows as many images as there are rows",
    "validation_steps": _VALIDATION,
    "validation_batch_size": "set batch_size",
    "validation_freq": "rows are validated after every epoch; validation_split=0 leaves it out",
}
#: Arguments of ``keras.Model.compile`` that are not free; the others are handed on.
COMPILE = {
    "loss": "set loss",
    "optimizer": "set optimizer",
    "loss_weights": "the network has one output; derive a loss from losses.MaskedLoss",
}
COMPILE_FREE = {
    "metrics", "weighted_metrics", "run_eagerly", "steps_per_execution", "jit_compile",
    "auto_scale_loss",
}  # fmt: skip


def check_options(fit: dict[str, Any], compiling: dict[str, Any]) -> None:
    """Refuse arguments that would change nothing, or collide.

    Parameters
    ----------
    fit, compiling : dict
        Arguments that were given as ``fit__<argument>`` and ``compile__<argument>``.

    Raises
    ------
    ValueError
        Names the argument and what to do.

    Examples
    --------
    >>> from sklearn_kpd._training.options import check_options
    >>> check_options({"epochs": 5}, {})
    Traceback (most recent call last):
    ...
    ValueError: fit__epochs has no effect on KeypointRegressor: set epochs.
    """
    for name in fit:
        advice = FIT.get(name, "keras.Model.fit has no such argument")
        raise ValueError(f"fit__{name} has no effect on KeypointRegressor: {advice}.")
    for name in compiling.keys() - COMPILE_FREE:
        advice = COMPILE.get(name, "keras.Model.compile has no such argument")
        raise ValueError(f"compile__{name} has no effect on KeypointRegressor: {advice}.")
