import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def picture(tmp_path):
    """A function that makes a grey image below tmp_path."""

    def make(name, *, width, height, orientation=None):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        exif = Image.Exif()
        if orientation:
            exif[274] = orientation
        Image.fromarray(np.zeros((height, width), dtype=np.uint8)).save(path, exif=exif)
        return path

    return make
