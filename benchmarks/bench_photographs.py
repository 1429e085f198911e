"""What photographs cost beside arrays that were cropped before.

Three questions, each compared in one run:

- an epoch from the pieces that are kept, with augmentation, beside one on arrays of crops;
- reading photographs of 12 megapixels, beside OpenCV's own decoding at the resolution used;
- peak memory of `fit` with many photographs of 640 x 480, beside a thousand. Few files under many
  names (hard links); what is cut out is kept for each.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from _clock import Clock
from _sides import PeakMemory, compare, faces

N_FILES = 20


def photograph(face, size, rng):
    """A generated face in a larger picture, and its box."""
    height, width = size
    coarse = rng.uniform(0, 255, (24, 32, 3)).astype(np.float32)
    picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    picture = np.clip(picture + rng.normal(0, 6, picture.shape), 0, 255).astype(np.uint8)
    side = int(rng.uniform(0.3, 0.6) * height)
    left, top = rng.integers(0, width - side), rng.integers(0, height - side)
    large = cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC)
    picture[top : top + side, left : left + side] = large[..., np.newaxis]
    return picture, (left, top, left + side, top + side)


def photographs(folder, n_rows, size):
    """Table of photographs: few files, each under as many names as are needed."""
    images, y = faces(N_FILES)
    rng = np.random.default_rng(0)
    rows, labels = [], []
    for i, face in enumerate(images):
        picture, box = photograph(face, size, rng)
        first = Path(folder) / f"{i}.jpg"
        cv2.imwrite(str(first), picture, [cv2.IMWRITE_JPEG_QUALITY, 90])
        scale = (box[2] - box[0]) / 96
        points = (y.iloc[i].to_numpy().reshape(-1, 2) + 0.5) * scale - 0.5 + box[:2]
        for number in range(i, n_rows, N_FILES):
            name = Path(folder) / f"row-{number}.jpg"
            os.link(first, name)
            rows.append((number, str(name), *box))
            labels.append((number, *points.ravel()))
    X = pd.DataFrame(sorted(rows), columns=["row", "path", "left", "top", "right", "bottom"])
    y = pd.DataFrame(sorted(labels)).drop(columns=0).set_axis(y.columns, axis=1)
    return X.drop(columns="row"), y


class LastClock(Clock):
    """The regressor copies callbacks: seconds are kept where they are found after that."""

    last: list[float] = []

    def on_train_end(self, logs=None):
        LastClock.last = self.seconds


def epochs(arguments, from_arrays):
    """Seconds of an epoch, the fastest of those after the first."""
    from sklearn_kpd import AugmentTransformer, CropTransformer, KeypointRegressor

    with tempfile.TemporaryDirectory() as folder:
        X, y = photographs(folder, arguments.rows, (480, 640))
        crops = CropTransformer(96).fit_transform(X)
        y_crops = pd.DataFrame(crops.to_crop(y.to_numpy()), columns=y.columns)
        augment = AugmentTransformer(rotation=15, scale=0.1, flip=0.5, brightness=0.1)
        regressor = KeypointRegressor(
            arguments.network, epochs=arguments.epochs, callbacks=[LastClock], validation_split=0,
            patience=None, verbose=0, random_state=0,
        )  # fmt: skip
        if from_arrays:
            regressor.fit(augment.fit_transform(crops.pixels(), y_crops), y_crops)
        else:
            regressor.fit(augment.fit_transform(crops, y_crops), y)
    return {"seconds": min(LastClock.last[1:])}


def reading(arguments, by_opencv):
    """Processor and wall time of reading photographs of 12 megapixels for crops of 96 pixels."""
    from sklearn_kpd import CropTransformer
    from sklearn_kpd.photographs._geometry import reduction

    flags = {
        1: cv2.IMREAD_GRAYSCALE,
        2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
        4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
        8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
    }
    with tempfile.TemporaryDirectory() as folder:
        X, _ = photographs(folder, arguments.photographs, (3000, 4000))
        crops = CropTransformer(arguments.size).fit_transform(X)
        factors = [reduction(area, crops.frame) for area in crops.areas]
        used = [max(f for f in flags if f <= factor) for factor in factors]
        for path in X["path"][:N_FILES]:  # from the page cache on both sides
            Path(path).read_bytes()
        wall, processor = time.perf_counter(), time.process_time()
        if by_opencv:
            for path, factor in zip(X["path"], used, strict=True):
                cv2.imread(path, flags[factor])
        else:
            crops.read(0.2)
        return {
            "seconds": time.perf_counter() - wall,
            "processor": time.process_time() - processor,
            "reduction": statistics.mean(used),
        }


def memory(arguments, n_rows):
    """Peak of the memory of a fit, in megabytes."""
    from sklearn.pipeline import Pipeline

    from sklearn_kpd import AugmentTransformer, CropTransformer, KeypointRegressor

    with tempfile.TemporaryDirectory() as folder:
        X, y = photographs(folder, n_rows, (480, 640))
        pipe = Pipeline([
            ("crop", CropTransformer(96)),
            ("augment", AugmentTransformer(rotation=15, scale=0.1, flip=0.5)),
            ("regressor", KeypointRegressor("cnn", epochs=1, verbose=0)),
        ])  # fmt: skip
        start = time.perf_counter()
        with PeakMemory() as found:
            pipe.fit(X, y)
    return {"seconds": time.perf_counter() - start, "megabytes": found.peak}


QUESTIONS = {
    "epoch": {
        "arrays": lambda arguments: epochs(arguments, from_arrays=True),
        "pieces": lambda arguments: epochs(arguments, from_arrays=False),
    },
    "reading": {
        "opencv": lambda arguments: reading(arguments, by_opencv=True),
        "ours": lambda arguments: reading(arguments, by_opencv=False),
    },
    "memory": {
        "few": lambda arguments: memory(arguments, 1000),
        "many": lambda arguments: memory(arguments, arguments.many),
    },
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("question", choices=QUESTIONS)
    parser.add_argument("--network", choices=["cnn", "heatmap"], default="cnn")
    parser.add_argument("--rows", type=int, default=2000, help="of an epoch")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--photographs", type=int, default=1000, help="of 12 megapixels")
    parser.add_argument("--size", type=int, default=96, help="of the crops that are read")
    parser.add_argument("--many", type=int, default=20_000)
    question = parser.parse_known_args()[0].question
    found = compare(QUESTIONS[question], parser)
    if not found:
        return
    if question == "memory":
        few, many = found["few"]["megabytes"], found["many"]["megabytes"]
        print(f"peak: 1000 photographs {few:.0f} MB, many {many:.0f} MB, {many - few:+.0f} MB")
        return
    theirs, ours = (found[side] for side in QUESTIONS[question])
    for name in theirs.keys() & {"seconds", "processor"}:
        print(f"{question}, {name}: {ours[name] / theirs[name]:.2f} x")


if __name__ == "__main__":
    main()
