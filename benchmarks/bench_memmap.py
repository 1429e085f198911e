"""Peak memory of an epoch on a memory map of many images, beside that on a few.

The mapped file's own pages are not counted. The images are generated faces, over and over.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from _sides import PeakMemory, compare, faces


def run(arguments, n_images):
    from sklearn_kpd import KeypointRegressor

    X, y = faces(1000)
    y = y.iloc[np.arange(n_images) % len(X)].reset_index(drop=True)
    with tempfile.TemporaryDirectory() as folder:
        path, shape = Path(folder) / "images.dat", (n_images, 96, 96, 1)
        with path.open("wb") as file:
            for _ in range(n_images // len(X)):
                file.write(X.tobytes())
        del X
        images = np.memmap(path, dtype=np.uint8, mode="r", shape=shape)
        start = time.perf_counter()
        with PeakMemory() as memory:
            KeypointRegressor(arguments.network, epochs=1, verbose=0).fit(images, y)
    return {"seconds": time.perf_counter() - start, "megabytes": memory.peak}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", choices=["cnn", "heatmap"], default="cnn")
    parser.add_argument("--images", type=int, default=100_000)
    sides = {
        "few": lambda arguments: run(arguments, 1000),
        "many": lambda arguments: run(arguments, arguments.images),
    }
    found = compare(sides, parser)
    if found:
        few, many = found["few"]["megabytes"], found["many"]["megabytes"]
        print(f"peak: 1000 images {few:.0f} MB, many {many:.0f} MB, {many - few:+.0f} MB")


if __name__ == "__main__":
    main()
