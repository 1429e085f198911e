"""The only module that imports scikeras: everything that we use of it, and what we mend.

SciKeras 0.13.0 is the last release. It gives us the routing of parameters such as
``optimizer__learning_rate``, callbacks given as classes, the history over several fits, the
seeding of Keras and models that can be pickled. Mended here:

- its KerasRegressor cannot stand behind RegressorMixin; BaseWrapper can
- any attribute became a parameter; here the signature and the routed names are
- an optimizer instance broke on the second fit; it is copied
- its seeding left TensorFlow's op determinism on after the first fit; it is asked for early
- it registered the class of every model that it pickled or copied, Keras' own classes too, which
  changes what Keras writes of them; Keras pickles its models itself
- its ``fit`` and ``predict`` refuse NaN in y and other dtypes at predict; ours replace them
"""

import contextlib
import logging
import threading
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
from sklearn_kpd._mixed_precision import mixed_precision_policy, unscaled
from sklearn_kpd._stopping import StopOnDivergence, interrupt_stops
from sklearn_kpd._training_state import restore_training_state, training_state
from sklearn_kpd.exceptions import DivergedError

del keras.Model.__reduce__, keras.Model.__deepcopy__

# TensorFlow answers this once, by an environment variable that the seeding has set by then:
# asked first thereafter, it says that determinism was on already, and it stays on.
if hasattr(scikeras_random_state, "config"):  # on Keras' other backends it may not be there
    scikeras_random_state.config.is_op_determinism_enabled()

_building = threading.Lock()
_counting = threading.Lock()
_n_deterministic = 0
_random_states: contextlib.AbstractContextManager[None]


class KerasRegressorBase(RegressorMixin, BaseWrapper):
    """A scikit-learn regressor around a Keras model.

    A subclass has the parameters `optimizer`, `learning_rate`, `weight_decay`, `mixed_precision`,
    `callbacks`, `verbose` and `random_state`, takes routed parameters as keywords and hands them
    to `_set_routed`.
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
        seeded: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
        if self._random_state is not None:
            seeded = scikeras_random_state.tensorflow_random_state(self._random_state)
        # Initial weights and dtypes come from global states, which two threads must not share.
        with (
            _deterministic(self._random_state),
            _building,
            seeded,
            mixed_precision_policy(self.mixed_precision),
        ):
            return network(*args, **self._routed("network"))

    def _compile(self, loss: Any, metrics: list[Any], ema_momentum: float) -> None:
        """Compile the model with a new optimizer, which averages weights unless momentum is 0."""
        self.model_.compile(
            optimizer=self._new_optimizer(ema_momentum),
            loss=loss,
            metrics=metrics,
            **self._routed("compile"),
        )
        # Keras would build it inside a compiled function, with a graph for every variable.
        self.model_.optimizer.build(self.model_.trainable_variables)

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
        inner = unscaled(optimizer)
        if ema_momentum and not inner.use_ema:
            inner.use_ema, inner.ema_momentum = True, ema_momentum
        # Keras would scale the loss too, but a copy of the model would have forgotten that.
        if inner is optimizer and self.model_.dtype_policy.name == "mixed_float16":
            return keras.optimizers.LossScaleOptimizer(optimizer)
        return optimizer

    def _train(
        self,
        batches: keras.utils.PyDataset,
        validation: keras.utils.PyDataset | None,
        *,
        epochs: int,
        callbacks: list[keras.callbacks.Callback],
        go_on: bool,
    ) -> bool:
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

        Returns
        -------
        bool
            Whether Ctrl-C ended it early.

        Raises
        ------
        DivergedError
            If the loss became NaN or infinite. A model that was there before is as it was, a new
            one is gone.
        """
        _prepare(self.model_.optimizer)
        before = training_state(self.model_) if go_on else None
        divergence = StopOnDivergence()
        seed, self._random_state = self._random_state, None  # SciKeras' seeding is not for threads
        self._initialize_callbacks()
        self._fit_callbacks = [divergence, *self._fit_callbacks, *callbacks]
        try:
            with (
                _deterministic(seed),
                without_retracing_warnings(),
                freed_memory_kept(),
                interrupt_stops(self.model_) as interrupted,
            ):
                self._fit_keras_model(
                    batches,
                    None,
                    sample_weight=None,
                    warm_start=go_on,
                    epochs=epochs,
                    initial_epoch=self.current_epoch if go_on else 0,
                    validation_data=validation,
                    shuffle=False,  # by Python's global random numbers; the batches are drawn
                )
        finally:
            self._random_state = seed
            for callback in keras.tree.flatten(self._fit_callbacks):
                callback.set_model(None)  # else every callback would be pickled with a model
            del self._fit_callbacks, self._predict_callbacks
        self.history_ = {name: list(values) for name, values in self.history_.items()}
        if divergence.epoch is not None:
            if before is None:
                del self.model_
            else:
                restore_training_state(self.model_, before)
            raise DivergedError(
                f"The loss became NaN or infinite in epoch {divergence.epoch + 1}. Try a smaller "
                f"learning_rate (it was {self.learning_rate}) or optimizer__clipnorm=1.0, and "
                "look for labels far outside the images."
            )
        return interrupted.is_set()


@contextlib.contextmanager
def _deterministic(seed: int | None) -> Iterator[None]:
    """Have TensorFlow deterministic for a block, and put every random state back afterwards.

    These are states of the process: of blocks that overlap in several threads, the first sets
    them and the last puts them back.
    """
    if seed is None:
        yield
        return
    global _n_deterministic, _random_states
    with _counting:
        if not _n_deterministic:
            _random_states = scikeras_random_state.tensorflow_random_state(seed)
            _random_states.__enter__()
        _n_deterministic += 1
    try:
        yield
    finally:
        with _counting:
            _n_deterministic -= 1
            if not _n_deterministic:
                _random_states.__exit__(None, None, None)


def _prepare(optimizer: keras.optimizers.Optimizer) -> None:
    """Set what Keras does not save with an optimizer."""
    optimizer = unscaled(optimizer)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    # TensorFlow sums gradients over devices by a function whose own gradient it registers, and
    # what is registered is never released: every network that was ever fitted stayed in memory.
    # With one device there is nothing to sum.
    strategy = getattr(optimizer, "_distribution_strategy", None)
    if strategy is not None and strategy.num_replicas_in_sync == 1:
        optimizer._all_reduce_sum_gradients = list


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
