"""Door to SciKeras: the only module that imports it, everything that we use of it, what we mend.

SciKeras 0.13.0 is the last release. Its BaseWrapper gives us the conventions of a Keras model in
scikit-learn: parameters that are routed by a prefix, such as ``optimizer__learning_rate``, in
``set_params`` too. Mended here:

- its KerasRegressor cannot stand behind RegressorMixin; BaseWrapper can
- any attribute became a parameter; here the signature and the routed names are
- its repr knows nothing of defaults; scikit-learn's does
- its error for an unknown parameter advises what does not work
- importing it has all models of the process pickled by functions of its own, which register
  the class of every model that they pickle; our model is pickled by Keras, and SciKeras'
  functions are left to whoever uses it
- its ``fit``, ``predict`` and what they call refuse NaN in y and other dtypes at predict, and
  leave states of the process behind: nothing of them is used
"""

from typing import Any

import keras
from sklearn.base import BaseEstimator, RegressorMixin

from sklearn_kpd._common.keras import PickledByKeras
from sklearn_kpd._common.quiet import held_back_log

with held_back_log():  # it imports TensorFlow, whatever backend Keras has
    from scikeras.wrappers import BaseWrapper

_PREFIXES = ("network", "loss", "optimizer", "callbacks", "compile", "fit")


class KerasRegressorBase(RegressorMixin, BaseWrapper):
    """A scikit-learn regressor around a Keras model, ``model_`` once it is fitted.

    A subclass takes routed parameters as keywords and hands them to `_set_routed`.
    """

    _routing_prefixes = set(_PREFIXES)

    model_: keras.Model
    history_: dict[str, list[float]]

    __repr__ = BaseEstimator.__repr__

    def _set_routed(self, routed: dict[str, Any]) -> None:
        """Store routed keywords of ``__init__``, and refuse the others as Python would."""
        for name, value in routed.items():
            if not self._is_routed(name):
                raise TypeError(
                    f"{type(self).__name__}.__init__() got an unexpected keyword argument "
                    f"{name!r}. {self._advice(name)}"
                )
            setattr(self, name, value)

    def set_params(self, **params: Any) -> "KerasRegressorBase":
        """Set parameters, routed ones included.

        Parameters
        ----------
        **params : dict
            By their names.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For an unknown name; nothing is set then.
        """
        known = self._get_param_names()
        for name in params:
            if name not in known and not self._is_routed(name) and "__" not in name:
                raise ValueError(
                    f"Invalid parameter {name!r} for estimator {type(self).__name__}. "
                    f"{self._advice(name)}"
                )
        super().set_params(**params)
        return self

    def _is_routed(self, name: str) -> bool:
        prefix, separator, rest = name.partition("__")
        return prefix in self._routing_prefixes and bool(separator and rest)

    def _advice(self, name: str) -> str:
        rest = name.rpartition("__")[2]
        parts = ", ".join(f"{prefix}__{rest}" for prefix in _PREFIXES[:4])
        return f"Arguments of parts are given as {parts}; get_params() lists the parameters."

    def _get_param_names(self) -> list[str]:
        # scikit-learn's own function is a class method; routed names belong to the instance.
        names = BaseEstimator.__dict__["_get_param_names"].__func__(type(self))
        return sorted([*names, *filter(self._is_routed, vars(self))])

    def _routed(self, destination: str) -> dict[str, Any]:
        """Routed parameters of one destination, their prefix taken off."""
        prefix = f"{destination}__"
        params = self.get_params(deep=False)
        return {
            name.removeprefix(prefix): value
            for name, value in params.items()
            if name.startswith(prefix)
        }

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "model_" in state:
            state["model_"] = PickledByKeras(state["model_"])
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        model = state.get("model_")
        if isinstance(model, PickledByKeras):  # copied, and not pickled
            state = {**state, "model_": model.model}
        super().__setstate__(state)
