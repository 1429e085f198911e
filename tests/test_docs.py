"""The reference lists all that is public, and docstrings say what is returned."""

import ast
import importlib
import pkgutil
from pathlib import Path

import pytest

import sklearn_kpd

ROOT = Path(sklearn_kpd.__file__).parent
REFERENCE = Path(__file__).parents[1] / "docs" / "api.rst"
# The command line says what it takes by --help; __main__ runs it.
MODULES = [
    module.name
    for module in pkgutil.iter_modules(sklearn_kpd.__path__)
    if not module.name.startswith("_") and module.name != "cli"
]


def public_names():
    yield from (name for name in sklearn_kpd.__all__ if not name.startswith("_"))
    for module in MODULES:
        names = getattr(importlib.import_module(f"sklearn_kpd.{module}"), "__all__", ())
        # what the package itself gives is listed there
        yield from (f"{module}.{n}" for n in names if n not in sklearn_kpd.__all__)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_says_what_is_public(module):
    module = importlib.import_module(f"sklearn_kpd.{module}")
    assert module.__all__ or module.__name__ == "sklearn_kpd.label_quality"
    assert all(hasattr(module, name) for name in module.__all__)


def test_the_package_gives_its_modules():
    assert {*sklearn_kpd._MODULES, "regressor"} == set(MODULES)


@pytest.mark.parametrize("name", list(public_names()))
def test_the_reference_lists(name):
    words = REFERENCE.read_text(encoding="utf-8").replace("`", " ").replace(",", " ").split()
    assert name in words


def returns():
    """Functions whose docstring has a section 'Returns', with its lines."""
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            text = ast.get_docstring(node) if isinstance(node, ast.FunctionDef) else None
            if text and "\nReturns\n-------\n" in text:
                lines = text.split("\nReturns\n-------\n")[1].split("\n\n")[0].splitlines()
                yield f"{path.relative_to(ROOT)}:{node.name}", lines


@pytest.mark.parametrize(
    ("where", "lines"), [pytest.param(*item, id=item[0]) for item in returns()]
)
def test_what_is_returned_is_said_in_words(where, lines):
    """A type alone tells nobody what it is; `self` is known."""
    kinds = [at for at, line in enumerate(lines) if not line.startswith(" ")]
    for at, following in zip(kinds, [*kinds[1:], len(lines)], strict=True):
        assert lines[at] == "self" or following - at > 1, f"{where}: {lines[at]}"
