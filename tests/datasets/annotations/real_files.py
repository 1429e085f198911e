"""Real annotation files beside the repository, which are not part of it."""

from pathlib import Path

import pytest

from sklearn_kpd.datasets.annotations._images import Images

FOLDER = Path(__file__).parents[3] / "../shared/data/annotations"


def real(name):
    """Path of a real file or folder; skips the test where it is absent."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"the real file {name} is not here")
    return path


def read(module, path, images=None, **parameters):
    """Read a path that a format must know as its own."""
    head = b"" if path.is_dir() else path.read_bytes()[:65536]
    assert module.is_this(path, head)
    return module.read(path, Images(images), **parameters)
