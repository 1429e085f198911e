"""The user's callbacks, as they are trained with."""

import copy
from typing import Any

import keras


def make_callbacks(callbacks: Any, options: dict[str, Any]) -> list[keras.callbacks.Callback]:
    """Make callbacks of classes, and copies of instances.

    The user's own instances stay as they are: a callback that was trained with may hold the model,
    open files and counts of its own, so that the estimator could neither be cloned nor kept.

    Parameters
    ----------
    callbacks : Callback, class, list or dict of these, or None
        What the user gave. Lists may hold lists.
    options : dict
        Arguments of the classes: ``<argument>`` for all of them, ``<index>__<argument>`` or
        ``<key>__<argument>`` for one of a list or a dict.

    Returns
    -------
    list of keras.callbacks.Callback
        In the order in which they were given.

    Raises
    ------
    ValueError
        For something else, or for an argument that no class takes.

    Examples
    --------
    >>> import keras
    >>> from sklearn_kpd._training.callbacks import make_callbacks
    >>> [stop] = make_callbacks([keras.callbacks.EarlyStopping], {"0__patience": 3})
    >>> stop.patience
    3
    """
    unused = set(options)
    made = list(_made(callbacks, "", options, unused))
    if unused:
        raise ValueError(
            f"callbacks__{sorted(unused)[0]} belongs to no callback: arguments are given to "
            "classes, as callbacks__<argument>, or callbacks__<index>__<argument> in a list; an "
            "instance keeps its own."
        )
    return made


def _made(item: Any, place: str, options: dict[str, Any], unused: set[str]) -> Any:
    if item is None:
        return
    if isinstance(item, list | tuple | dict):
        named = item.items() if isinstance(item, dict) else enumerate(item)
        for name, part in named:
            yield from _made(part, f"{place}{name}__", options, unused)
    elif isinstance(item, keras.callbacks.Callback):
        yield _copied(item)
    elif isinstance(item, type) and issubclass(item, keras.callbacks.Callback):
        chosen = {
            name: name.removeprefix(place)
            for name in options
            if "__" not in name or (place and name.startswith(place))
        }
        unused.difference_update(chosen)
        yield item(**{argument: options[name] for name, argument in chosen.items()})
    else:
        raise ValueError(
            f"callbacks holds {item!r:.200}; it may hold keras.callbacks.Callback, instances or "
            "classes."
        )


def _copied(callback: keras.callbacks.Callback) -> keras.callbacks.Callback:
    try:
        return copy.deepcopy(callback)
    except Exception:  # whatever holds a file, a lock or a connection raises anything
        return copy.copy(callback)
