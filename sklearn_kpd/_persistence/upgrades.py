"""Manifests of older files, made into today's.

A release that changes what a manifest holds appends one function here, which takes a manifest of
the version before and returns one of the next. The functions are pure, know nothing of the rest
of the package, and stay as they are for ever: so every file that was ever saved is read.
"""

from collections.abc import Callable
from typing import Any

# Where Keras 3 had the classes that it does not export, and what version 2 calls the modules.
_MODULES_OF_VERSION_1 = {
    "keras.src.models.functional": "keras",
    "keras.src.ops.nn": "keras.ops",
    "keras.src.ops.numpy": "keras.ops",
}


def upgraded(manifest: dict[str, Any], version: int) -> dict[str, Any]:
    """Manifest in the newest version of the format.

    Parameters
    ----------
    manifest : dict
        As it was written; left as it is.
    version : int
        Of the format that it was written in, from 1.

    Examples
    --------
    >>> from sklearn_kpd._persistence.upgrades import upgraded
    >>> upgraded({"class_name": "Add", "module": "keras.src.ops.numpy"}, version=1)
    {'class_name': 'Add', 'module': 'keras.ops'}
    """
    for upgrade in UPGRADES[version - 1 :]:
        manifest = upgrade(manifest)
    return manifest


def _without_private_modules(node: Any) -> Any:
    """Version 2: classes of Keras have public names, or names of ours."""
    if isinstance(node, list):
        return [_without_private_modules(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {name: _without_private_modules(item) for name, item in node.items()}
    module = node.get("module")
    if "class_name" in node and isinstance(module, str):
        node["module"] = _MODULES_OF_VERSION_1.get(module, module)
    return node


UPGRADES: list[Callable[[dict[str, Any]], dict[str, Any]]] = [_without_private_modules]
