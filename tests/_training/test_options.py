import inspect

import keras
import pytest

from sklearn_kpd._training.options import COMPILE, COMPILE_FREE, FIT
from tests.helpers import tiny_regressor


def arguments(function):
    return set(inspect.signature(function).parameters) - {"self"}


def test_every_argument_of_keras_is_decided_on():
    assert FIT.keys() == arguments(keras.Model.fit)
    assert COMPILE.keys() | COMPILE_FREE == arguments(keras.Model.compile)


@pytest.mark.parametrize(
    "name", [*(f"fit__{n}" for n in [*FIT, "nonsense"]), *(f"compile__{n}" for n in COMPILE)]
)
def test_what_would_do_nothing_is_refused_by_name(faces, name):
    with pytest.raises(ValueError, match=f"^{name} has no effect on KeypointRegressor: ."):
        tiny_regressor(**{name: 3}).fit(*faces)
    with pytest.raises(ValueError, match=name):
        tiny_regressor().set_params(**{name: 3}).fit(*faces)


def test_what_compile_takes_is_handed_on(faces):
    X, y = faces
    fitted = tiny_regressor(
        compile__metrics=["mae"], compile__steps_per_execution=2, compile__run_eagerly=False
    ).fit(X, y)
    assert set(fitted.history_) == {"loss", "rmse", "mae", "val_loss", "val_rmse", "val_mae"}
    assert fitted.model_.steps_per_execution == 2


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"network__depth": 3}, "network__depth is no argument .* takes: width"),
        ({"network": "cnn", "network__width": 3}, "network__width .* takes: filters, units"),
        ({"optimizer__speed": 3}, "optimizer=AdamW does not take optimizer__speed"),
        ({"optimizer": keras.optimizers.SGD(), "optimizer__momentum": 0.9}, "optimizer__momentum"),
        ({"loss__speed": 3}, "does not take this option: .*speed"),
        ({"callbacks__patience": 3}, "callbacks__patience belongs to no callback"),
    ],
)
def test_arguments_that_no_part_takes_are_refused_by_name(faces, parameters, message):
    with pytest.raises(ValueError, match=message):
        tiny_regressor(**parameters).fit(*faces)


@pytest.mark.parametrize("name", ["width", "delta", "beta_2"])
def test_advice_for_arguments_of_parts_works(name):
    with pytest.raises(TypeError, match=f"network__{name}, loss__{name}, optimizer__{name}"):
        tiny_regressor(**{name: 3})
    regressor = tiny_regressor()
    with pytest.raises(ValueError, match=f"Invalid parameter '{name}'.* network__{name}"):
        regressor.set_params(epochs=7, **{name: 3})
    assert regressor.epochs == 2  # nothing was set
