"""All that training changes in a network and its optimizer."""

import keras

from sklearn_kpd._common.keras import as_numpy
from sklearn_kpd.images import Array


def training_variables(model: keras.Model) -> list[keras.Variable]:
    """Weights, states of random layers, and the optimizer's variables, in the order of building.

    Parameters
    ----------
    model : keras.Model
        Compiled, its optimizer built.

    Returns
    -------
    list of Variable
        Without those of the metrics, which begin anew with each epoch.
    """
    passing = {id(variable) for variable in model.metrics_variables}
    learnt = [variable for variable in model.variables if id(variable) not in passing]
    return [*learnt, *model.optimizer.variables]


def training_state(model: keras.Model) -> list[Array]:
    """Values of the training variables.

    Parameters
    ----------
    model : keras.Model
        Compiled, its optimizer built.

    Returns
    -------
    list of ndarray
        For :func:`restore_training_state`.
    """
    return [as_numpy(item) for item in training_variables(model)]


def restore_training_state(model: keras.Model, state: list[Array]) -> None:
    """Give a model the state that an equal one had.

    Parameters
    ----------
    model : keras.Model
        Compiled, its optimizer built.
    state : list of ndarray
        From :func:`training_state`.
    """
    for variable, value in zip(training_variables(model), state, strict=True):
        variable.assign(value)
