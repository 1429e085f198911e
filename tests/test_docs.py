"""The reference lists all that is public."""

import importlib
import pkgutil
from pathlib import Path

import pytest

import sklearn_kpd

REFERENCE = Path(__file__).parents[1] / "docs" / "api.rst"


def public_names():
    yield from (name for name in sklearn_kpd.__all__ if not name.startswith("_"))
    for module in pkgutil.iter_modules(sklearn_kpd.__path__):
        if module.name.startswith("_"):
            continue
        names = getattr(importlib.import_module(f"sklearn_kpd.{module.name}"), "__all__", ())
        # what the package itself gives is listed there
        yield from (f"{module.name}.{n}" for n in names if n not in sklearn_kpd.__all__)


@pytest.mark.parametrize("name", list(public_names()))
def test_the_reference_lists(name):
    words = REFERENCE.read_text(encoding="utf-8").replace("`", " ").replace(",", " ").split()
    assert name in words
