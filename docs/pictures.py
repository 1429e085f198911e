"""Draw the pictures of the README and of the docs: ``python docs/pictures.py``.

All faces are generated. One network is trained on them, in a minute or two, and the pictures go
into ``docs/_static``, where they are committed.
"""

from pathlib import Path

import cv2
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from PIL import Image
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from sklearn_kpd import AugmentTransformer, CropTransformer, KeypointRegressor
from sklearn_kpd.conformal import ConformalKeypointRegressor
from sklearn_kpd.datasets import make_faces
from sklearn_kpd.inspection import (
    AugmentationDisplay,
    CumulativeErrorDisplay,
    KeypointErrorDisplay,
    MissingLabelDisplay,
    PhotographDisplay,
    RegionDisplay,
)

FOLDER = Path(__file__).parent / "_static"
LABEL, PREDICTION = "#00e676", "#ff1744"
SKELETON = [
    ("left_eye_inner_corner", "left_eye_outer_corner"),
    ("right_eye_inner_corner", "right_eye_outer_corner"),
    ("left_eyebrow_inner_end", "left_eyebrow_outer_end"),
    ("right_eyebrow_inner_end", "right_eyebrow_outer_end"),
    ("mouth_left_corner", "mouth_center_top_lip"),
    ("mouth_center_top_lip", "mouth_right_corner"),
    ("mouth_right_corner", "mouth_center_bottom_lip"),
    ("mouth_center_bottom_lip", "mouth_left_corner"),
]


def train():
    """A Pipeline that was fitted on generated faces, most of which have four labels alone."""
    X, y = make_faces(2000, missing="kaggle", random_state=0)
    pipe = Pipeline(
        [
            ("augment", AugmentTransformer(rotation=15, scale=0.1, translation=4, flip=0.5)),
            (
                "regressor",
                KeypointRegressor(network__width=8, epochs=12, random_state=0, verbose=2),
            ),
        ]
    )
    return pipe.fit(X, y)


def save(figure, name, colors=256):
    """Write a figure, of few colours to keep the file small."""
    path = FOLDER / name
    figure.savefig(path, bbox_inches="tight", pad_inches=0.05)
    plt.close(figure)
    image = Image.open(path).convert("RGB")
    image.quantize(colors, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


def crowd(faces, labels, rng):
    """A picture of 640 × 300 pixels with faces of several sizes, their boxes and labels."""
    blots = rng.integers(90, 130, 3) + rng.normal(0, 12, (6, 12, 1))
    picture = cv2.resize(blots, (640, 300), interpolation=cv2.INTER_CUBIC).clip(0, 255)
    boxes, points = [], []
    for number, (face, label) in enumerate(zip(faces, labels, strict=True)):
        side = int(rng.integers(120, 210))
        left = 213 * number + int(rng.integers(0, 214 - side))
        top = int(rng.integers(0, 300 - side))
        ellipse = np.zeros((side, side), np.float32)
        axes = (int(0.4 * side), int(0.47 * side))
        cv2.ellipse(ellipse, (side // 2, side // 2), axes, 0, 0, 360, 1.0, -1)
        alpha = cv2.GaussianBlur(ellipse, (0, 0), side / 40)[..., np.newaxis]
        large = cv2.resize(face[..., 0], (side, side), interpolation=cv2.INTER_CUBIC)
        tinted = large[..., np.newaxis] * np.array([1.0, 0.88, 0.75])
        part = picture[top : top + side, left : left + side]
        part[:] = (1 - alpha) * part + alpha * tinted
        boxes.append((left, top, left + side, top + side))
        points.append((label + 0.5) * side / 96 - 0.5 + np.tile([left, top], len(label) // 2))
    return picture.round().astype(np.uint8), boxes, points


def faces(pipe):
    """The picture of the README: what is learnt from, and what is found."""
    X, y = make_faces(7, missing="kaggle", random_state=0)
    X_new, _ = make_faces(7, random_state=1)
    y_new = pipe.predict(X_new)
    figure = plt.figure(figsize=(9.1, 3.2), layout="constrained")
    texts = "Labels, many of them missing", "Found in faces that were not trained on"
    styles = (
        {"marker": "o", "facecolors": "none", "edgecolors": LABEL, "s": 20, "linewidths": 1.2},
        {"marker": "x", "c": PREDICTION, "s": 18, "linewidths": 1.3},
    )
    rows = zip(figure.subfigures(2), (X, X_new), (y.to_numpy(), y_new), texts, styles, strict=True)
    for row, images, points, text, style in rows:
        row.suptitle(text, x=0.005, ha="left", fontsize=11)
        for ax, image, point in zip(row.subplots(1, 7), images, points, strict=True):
            ax.imshow(image[..., 0], cmap="gray", vmin=0, vmax=255)
            ax.scatter(point[0::2], point[1::2], **style)
            ax.set_axis_off()
    save(figure, "faces.png", colors=128)


def photographs(pipe):
    """Boxes and keypoints in pictures with several faces."""
    rng = np.random.default_rng(3)
    images, y = make_faces(6, random_state=2)
    rows, pictures = [], []
    for start in (0, 3):
        chosen = slice(start, start + 3)
        picture, boxes, _ = crowd(images[chosen], y.to_numpy()[chosen], rng)
        path = FOLDER / f"crowd{start}.png"
        Image.fromarray(picture).save(path)
        pictures.append(path)
        rows += [(path, *box) for box in boxes]
    X = pd.DataFrame(rows, columns=["path", "left", "top", "right", "bottom"])
    crop = CropTransformer(size=96, margin=0).fit(X)
    found = pd.DataFrame(pipe[-1].predict(crop.transform(X)), columns=y.columns)
    figure, axes = plt.subplots(1, 2, figsize=(9, 2.15), layout="constrained")
    PhotographDisplay.from_predictions(X, None, found, skeleton=SKELETON, ax=axes)
    for ax in axes:
        ax.set_title("")
    save(figure, "photographs.png")
    for path in pictures:
        path.unlink()


def augmentation():
    """A face as it is, and as training sees it."""
    X, y = make_faces(50, random_state=5)
    transformer = AugmentTransformer(
        rotation=20, scale=0.15, translation=5, flip=0.5, contrast=0.3, noise=0.02, cutout=0.2
    )
    display = AugmentationDisplay.from_transformer(
        transformer, X, y, n_faces=1, n_draws=5, random_state=2
    )
    save(display.figure_, "augmentation.png")


def missing():
    """Which keypoints are labelled together."""
    _, y = make_faces(2000, missing="kaggle", random_state=0)
    save(MissingLabelDisplay.from_labels(y, max_patterns=5).figure_, "missing.png")


def errors(pipe, X, y, y_pred):
    """How large errors are, and where."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    means = np.tile(make_faces(200, random_state=0)[1].mean(), (len(y), 1))
    for name, prediction in {"network": y_pred, "column means": means}.items():
        CumulativeErrorDisplay.from_predictions(y, prediction, name=name, ax=axes[0])
    KeypointErrorDisplay.from_predictions(X, y, y_pred, ax=axes[1])
    save(figure, "errors.png")


def regions(pipe):
    """Regions that hold the label in 90 % of the cases."""
    conformal = ConformalKeypointRegressor(FrozenEstimator(pipe), conformity_score="scaled")
    conformal.fit(*make_faces(200, random_state=2))
    X, y = make_faces(6, random_state=4)
    display = RegionDisplay.from_estimator(conformal, X, y, n_faces=6, columns=6)
    for ax in display.axes_:
        ax.set_title("")
    save(display.figure_, "regions.png")


def main():
    """Train, and draw all of them."""
    mpl.use("Agg")
    pipe = train()
    X, y = make_faces(150, random_state=1)
    faces(pipe)
    photographs(pipe)
    augmentation()
    missing()
    errors(pipe, X, y, pipe.predict(X))
    regions(pipe)


if __name__ == "__main__":
    main()
