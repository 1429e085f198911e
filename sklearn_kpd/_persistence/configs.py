"""A look at a network's configuration before Keras reads it: what it names, and what it costs.

Keras makes what is named, calls layers on what stands there, copies parts of the configuration
at every level, and looks at unfinished calls again and again. So the classes have to be known,
calls have to be of the form that Keras writes, and the work has to be in proportion to the
text. All of it is seen in one pass.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from sklearn_kpd._persistence.classes import NO_CLASSES, Trusted, check_class, check_registered
from sklearn_kpd.exceptions import BrokenFileError

# Names, equations and paths are short; some code goes over text as over a list.
_LONGEST_TEXT = 1000
# A sum over all objects of what stands in each, and a model's nested objects are copied thus.
_DEEPEST_ON_AVERAGE = 12
# Calls of layers, those in models that are called several times, in proportion to the layers.
_CALLS_PER_LAYER, _SPARE_CALLS = 4, 1000
_MOST_VALUES_IN_A_CALL = 10_000
# In all models together. Keras takes a millisecond for each, and compares the names of all.
_MOST_LAYERS = 5000

_LISTS = (list, tuple)  # tuples as long as it has not been a file
_TENSOR = "__keras_tensor__"
_Tensor = tuple[str, int]  # layer and call that it comes from


class _Seen(NamedTuple):
    """What stands in a part of a configuration, and what it asks for."""

    values: int = 0
    copied: int = 0
    layers: int = 0
    calls: int = 0
    in_models: int = 0

    def __add__(self, other: Any) -> "_Seen":
        return _Seen(*(one + another for one, another in zip(self, other, strict=True)))


def check_config(config: Any, trusted: Trusted | None) -> None:
    """Refuse a configuration that reaches beyond the allowed classes, or is out of proportion.

    Parameters
    ----------
    config : dict, list, str, number or None
        What Keras has written, or somebody else.
    trusted : Trusted or None
        None before saving: classes and functions of the user's are fine.

    Raises
    ------
    UntrustedTypeError
        For a class or a function that is neither allowed nor trusted.
    BrokenFileError
        For calls that Keras never writes, or for more work than the text of it is worth.
    """
    seen = _see(config, trusted)
    if seen.copied > _DEEPEST_ON_AVERAGE * seen.values:
        raise BrokenFileError("The network's configuration is nested more deeply than any is.")
    if seen.in_models > _MOST_LAYERS:
        raise BrokenFileError(f"The network has {seen.in_models} layers, more than any has.")
    if seen.calls > _CALLS_PER_LAYER * seen.layers + _SPARE_CALLS:
        raise BrokenFileError(
            f"The network calls its layers {seen.calls} times, and has {seen.layers} of them."
        )


def class_names(config: Any) -> Iterator[str]:
    """Names of the classes in a configuration.

    Examples
    --------
    >>> from sklearn_kpd._persistence.configs import class_names
    >>> list(class_names([{"class_name": "Dense", "config": {"units": 3}}]))
    ['Dense']
    """
    if isinstance(config, dict):
        if isinstance(config.get("class_name"), str):
            yield config["class_name"]
        config = list(config.values())
    if isinstance(config, _LISTS):
        for item in config:
            yield from class_names(item)


def _see(node: Any, trusted: Trusted | None) -> _Seen:
    if isinstance(node, str):
        if len(node) > _LONGEST_TEXT:
            raise BrokenFileError(f"The network has a text of {len(node)} characters.")
        # Keras takes any string for the name of what has been registered under it.
        check_registered(node, trusted)
        return _Seen(1)
    if isinstance(node, _LISTS):
        return _sum([_see(item, trusted) for item in node], _Seen(1))
    if not isinstance(node, dict):
        return _Seen(1)
    if "inbound_nodes" in node:
        raise _no_call("outside a model")
    if "class_name" in node:
        check_class(node, trusted)
    if node.keys() >= {"layers", "input_layers", "output_layers"}:
        return _see_model(node, trusted)
    members = node.get("layers")
    start = _Seen(1, in_models=len(members) if isinstance(members, _LISTS) else 0)
    seen = _sum([_see(item, trusted) for item in node.values()], start)
    if "class_name" not in node:
        return seen
    return seen._replace(
        copied=seen.copied + seen.values, layers=max(seen.layers, 1), calls=max(seen.calls, 1)
    )


def _sum(items: list[_Seen], start: _Seen) -> _Seen:
    return _Seen(*(sum(column) for column in zip(start, *items, strict=True)))


def _see_model(config: dict[str, Any], trusted: Trusted | None) -> _Seen:
    """Look at a model's layers and their calls."""
    layers = config["layers"]
    if not isinstance(layers, _LISTS) or not all(map(_is_layer, layers)):
        raise _no_call("in a layer of another form")
    names = {layer["name"] for layer in layers}
    if len(names) < len(layers):
        raise BrokenFileError("The network has two layers of one name.")
    rest = {name: item for name, item in config.items() if name != "layers"}
    total, sources = _see(rest, trusted) + _Seen(in_models=len(layers)), []
    for layer in layers:
        nodes = layer["inbound_nodes"]
        seen = _see({n: item for n, item in layer.items() if n != "inbound_nodes"}, trusted)
        calls = [_tensors(node) for node in nodes]
        if any(name not in names for tensors in calls for name, _ in tensors):
            raise _no_call("on the output of no layer of the model")
        sources.append(calls)
        values = sum(map(_n_values, nodes))
        total += seen._replace(
            values=seen.values + values,
            copied=seen.copied + values,
            calls=seen.calls * (1 + len(nodes)),
        )
    _check_order(list(layers), sources)
    return total


def _is_layer(layer: Any) -> bool:
    return (
        isinstance(layer, dict)
        and "class_name" in layer
        and isinstance(layer.get("name"), str)
        and isinstance(layer.get("inbound_nodes"), _LISTS)
    )


def _tensors(node: Any) -> list[_Tensor]:
    """Tensors that a call takes; at least one, else Keras would carry it out at once."""
    if not isinstance(node, dict) or node.keys() != {"args", "kwargs"}:
        raise _no_call("of another form")
    if not isinstance(node["args"], _LISTS) or not isinstance(node["kwargs"], dict):
        raise _no_call("of another form")
    if _n_values(node) > _MOST_VALUES_IN_A_CALL:
        raise _no_call(f"on more than {_MOST_VALUES_IN_A_CALL} values")
    found = list(_find_tensors([node["args"], node["kwargs"]]))
    if not found:
        raise _no_call("on something that is no tensor")
    return found


def _find_tensors(node: Any) -> Iterator[_Tensor]:
    if isinstance(node, _LISTS):
        for item in node:
            yield from _find_tensors(item)
    elif isinstance(node, dict):
        name = node.get("class_name")
        if name == _TENSOR:
            yield _origin(node.get("config"))
        elif "class_name" in node and name not in NO_CLASSES:
            raise _no_call("with an object")
        else:
            yield from _find_tensors(list(node.values()))
    elif isinstance(node, str) and len(node) > _LONGEST_TEXT:
        raise _no_call("with a long text")


def _origin(config: Any) -> _Tensor:
    history = config.get("keras_history") if isinstance(config, dict) else None
    if (
        isinstance(history, _LISTS)
        and [type(item) for item in history] == [str, int, int]
        and min(history[1:]) >= 0
    ):
        return history[0], history[1]
    raise _no_call("on something that is no tensor")


def _n_values(node: Any) -> int:
    """Count what stands in a call."""
    items: Any = node.values() if isinstance(node, dict) else node
    return 1 + sum(map(_n_values, items)) if isinstance(node, (dict, *_LISTS)) else 1


def _check_order(layers: list[dict[str, Any]], calls: list[list[list[_Tensor]]]) -> None:
    """Go through the calls as Keras does, layer by layer, and count what it tries in vain."""
    # Inputs have an output from the start, and so have models.
    n_made = {
        layer["name"]: int(layer["class_name"] in ("InputLayer", "Functional")) for layer in layers
    }
    left = {
        layer["name"]: list(reversed(items)) for layer, items in zip(layers, calls, strict=True)
    }
    n_tries = _CALLS_PER_LAYER * (len(layers) + sum(map(len, calls))) + _SPARE_CALLS
    waiting, progress = [name for name, items in left.items() if items], True
    while waiting and progress:
        progress = False
        for name in waiting:
            n_tries -= 1
            while left[name] and all(n_made[origin] > index for origin, index in left[name][-1]):
                left[name].pop()
                n_made[name] += 1
                progress = True
        if n_tries < 0:
            raise BrokenFileError("The network's layers do not stand in the order of their calls.")
        waiting = [name for name in waiting if left[name]]


def _no_call(reason: str) -> BrokenFileError:
    return BrokenFileError(f"The network calls a layer {reason}, as Keras never writes it.")
