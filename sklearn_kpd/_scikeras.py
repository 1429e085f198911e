"""The only module that imports scikeras: everything that we use of it, and what we mend.

SciKeras 0.13.0 is the last release. It gives us the routing of parameters such as
``optimizer__learning_rate``, callbacks given as classes, the history over several fits, the
seeding of Keras and models that can be pickled. Mended here:

- its KerasRegressor cannot stand behind RegressorMixin; BaseWrapper can
- any attribute became a parameter; here the signature and the routed names are
- an optimizer instance broke on the second fit; it is copied
- its seeding left TensorFlow's op determinism on after the first fit; it is asked for early
- its ``fit`` and ``predict`` refuse NaN in y and other dtypes at predict; ours replace them
"""

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

import keras
from scikeras._utils import (
    get_optimizer_class,
    route_params,
    try_to_convert_strings_to_classes,
    unflatten_params,
)
from scikeras.utils import random_state as scikeras_random_state
from scikeras.wrappers import BaseWrapper
from sklearn.base import BaseEstimator, RegressorMixin

from sklearn_kpd._memory import freed_memory_kept

# TensorFlow answers this once, by an environment variable that the seeding has set by then:
# asked first thereafter, it says that determinism was on already, and it stays on.
if hasattr(scikeras_random_state, "config"):  # on Keras' other backends it may not be there
    scikeras_random_state.config.is_op_determinism_enabled()


class KerasRegressorBase(RegressorMixin, BaseWrapper):
    """A scikit-learn regressor around a Keras model.

    A subclass has the parameters `optimizer`, `learning_rate`, `weight_decay`, `callbacks`,
    `verbose` and `random_state`, takes routed parameters as keywords and hands them to
    `_set_routed`.
    """

    _routing_prefixes = {"network", "loss", "optimizer", "callbacks", "compile", "fit"}
    _fit_kwargs = {"verbose"}

    model_: keras.Model
    history_: dict[str, list[float]]
    _fit_callbacks: list[Any]
    _predict_callbacks: list[Any]
    _random_state: int | None

    # SciKeras writes its own repr; scikit-learn's knows about defaults and nesting.
    __repr__ = BaseEstimator.__repr__

    def _set_routed(self, routed: dict[str, Any]) -> None:
        """Store routed keywords of ``__init__``, and refuse the others as Python would."""
        for name, value in routed.items():
            if not self._is_routed(name):
                raise TypeError(
                    f"{type(self).__name__}.__init__() got an unexpected keyword argument {name!r}"
                )
            setattr(self, name, value)

    def _is_routed(self, name: str) -> bool:
        prefix, separator, rest = name.partition("__")
        return prefix in self._routing_prefixes and bool(separator and rest)

    def _get_param_names(self) -> list[str]:
        # scikit-learn's own function is a class method; routed names belong to the instance.
        names = BaseEstimator.__dict__["_get_param_names"].__func__(type(self))
        return sorted([*names, *filter(self._is_routed, vars(self))])

    def _routed(self, destination: str) -> dict[str, Any]:
        """Routed parameters of one destination, their prefix taken off."""
        return dict(
            route_params(self.get_params(deep=False), destination, pass_filter=set(), strict=True)
        )

    def _build(self, network: Callable[..., keras.Model], *args: Any) -> keras.Model:
        """Call a network function with the routed ``network__`` options, seeded."""
        with self._seeded():
            return network(*args, **self._routed("network"))

    def _compile(self, loss: Any, metrics: list[Any], ema_momentum: float) -> None:
        """Compile the model with a new optimizer, which averages weights unless momentum is 0."""
        self.model_.compile(
            optimizer=self._new_optimizer(ema_momentum),
            loss=loss,
            metrics=metrics,
            **self._routed("compile"),
        )

    def _new_optimizer(self, ema_momentum: float) -> keras.optimizers.Optimizer:
        if isinstance(self.optimizer, keras.optimizers.Optimizer):
            optimizer = type(self.optimizer).from_config(self.optimizer.get_config())
        else:
            optimizer = unflatten_params(
                items=try_to_convert_strings_to_classes(self.optimizer, get_optimizer_class),
                params={
                    "learning_rate": self.learning_rate,
                    "weight_decay": self.weight_decay,
                    **self._routed("optimizer"),
                },
            )
        if ema_momentum and not optimizer.use_ema:
            optimizer.use_ema, optimizer.ema_momentum = True, ema_momentum
        return optimizer

    def _train(
        self,
        batches: keras.utils.PyDataset,
        validation: keras.utils.PyDataset | None,
        *,
        epochs: int,
        callbacks: list[keras.callbacks.Callback],
        go_on: bool,
    ) -> None:
        """Run ``Model.fit`` and keep its history.

        Parameters
        ----------
        batches, validation : PyDataset
            What to train and to validate on.
        epochs : int
            Number of epochs.
        callbacks : list of Callback
            In addition to those of the user.
        go_on : bool
            Whether the history and the count of the epochs go on where they were.
        """
        # Here and not when the optimizer is made: Keras does not save what is left out.
        self.model_.optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        self._initialize_callbacks()
        self._fit_callbacks = [*self._fit_callbacks, *callbacks]
        try:
            with _without_retracing_warnings(), freed_memory_kept():
                self._fit_keras_model(
                    batches,
                    None,
                    sample_weight=None,
                    warm_start=go_on,
                    epochs=epochs,
                    initial_epoch=self.current_epoch if go_on else 0,
                    validation_data=validation,
                )
        finally:
            for callback in keras.tree.flatten(self._fit_callbacks):
                callback.set_model(None)  # else every callback would be pickled with a model
            del self._fit_callbacks, self._predict_callbacks
        self.history_ = {name: list(values) for name, values in self.history_.items()}

    def _seeded(self) -> contextlib.AbstractContextManager[None]:
        """Seed Keras for a block, and put every random state back afterwards."""
        if self._random_state is None:
            return contextlib.nullcontext()
        return scikeras_random_state.tensorflow_random_state(self._random_state)


@contextlib.contextmanager
def _without_retracing_warnings() -> Iterator[None]:
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
