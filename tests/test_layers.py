"""Who may import whom: the rooms of the house, from the ground up."""

import ast
from pathlib import Path

import pytest

import sklearn_kpd

ROOT = Path(sklearn_kpd.__file__).parent

# Each room may import from those above it in this list, and from rooms of its own line.
LAYERS = (
    ("exceptions", "_common", "images", "keypoints"),
    ("losses", "missing"),
    ("networks", "model_selection", "metrics", "augment", "datasets", "photographs"),
    ("_inference", "_training", "inspection"),
    ("regressor",),
    ("conformal",),
    ("_persistence",),
    ("persistence",),
    ("cli",),
    ("__main__", "__init__"),
)
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
# Rooms of one line that must not know each other.
APART = {
    ("_inference", "_training"),
    ("inspection", "_training"),
    ("inspection", "_inference"),
    ("photographs", "networks"),
    ("photographs", "metrics"),
    ("networks", "augment"),
    ("networks", "datasets"),
    ("metrics", "augment"),
}
# Files of trainings and of estimators have one form.
EXCEPTIONS = {("_training", "sklearn_kpd._persistence.archive")}


def room(name):
    return name.split(".")[1] if "." in name else "__init__"


def imports():
    for path in ROOT.rglob("*.py"):
        here = path.relative_to(ROOT).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sklearn_kpd"):
                for alias in node.names:
                    module = node.module
                    if module == "sklearn_kpd" and alias.name in LEVEL:
                        module = f"sklearn_kpd.{alias.name}"
                    yield here, module


@pytest.mark.parametrize(("here", "module"), sorted(set(imports())))
def test_imports_go_down(here, module):
    there = room(module)
    if there in (here, "__init__") or (here, module) in EXCEPTIONS:
        return
    lazily = here in ("__init__", "cli")  # on top of all
    assert lazily or LEVEL[there] <= LEVEL[here], f"{here} imports {module}"
    assert (here, there) not in APART
    assert (there, here) not in APART or here == "_training"


def test_every_room_has_its_place():
    found = {path.name.removesuffix(".py") for path in ROOT.iterdir()}
    assert found - {"__pycache__", "py.typed"} == set(LEVEL)
