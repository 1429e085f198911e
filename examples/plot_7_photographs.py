"""
Photographs: from the labels of a tool to keypoints
===================================================

Photographs of any size, a file of labels as an annotation tool writes it, and in the end
keypoints on photographs that nobody has labelled. The photographs are made here, of generated
faces on a blurred ground; everything else is as with real ones.
"""

# sphinx_gallery_thumbnail_number = 3

import tempfile
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from sklearn_kpd import AugmentTransformer, CropTransformer, KeypointRegressor, metrics
from sklearn_kpd.datasets import load_annotations, make_faces, save_annotations
from sklearn_kpd.inspection import KeypointDisplay, PhotographDisplay
from sklearn_kpd.photographs import BoxFinder

folder = Path(tempfile.mkdtemp())
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

# %%
# Photographs
# -----------
# Faces of 120 to 240 pixels somewhere in photographs of 320 × 300 pixels and more.


def photograph(faces, labels, rng):
    """Put faces side by side into a picture of soft blots."""
    height, width = int(rng.integers(300, 420)), 320 * len(faces) + int(rng.integers(0, 80))
    blots = rng.integers(60, 140, 3) + rng.normal(0, 14, (height // 40, width // 40, 3))
    picture = cv2.resize(blots, (width, height), interpolation=cv2.INTER_CUBIC)
    picture = picture.clip(0, 255).astype(np.uint8)
    rows, points = [], []
    for number, (face, label) in enumerate(zip(faces, labels, strict=True)):
        side = int(rng.integers(120, 240))
        left = 320 * number + int(rng.integers(0, 320 - side))
        top = int(rng.integers(0, height - side))
        face = cv2.resize(face[..., 0], (side, side), interpolation=cv2.INTER_AREA)
        ellipse = np.zeros((side, side), np.float32)
        middle, axes = (side // 2, side // 2), (int(0.4 * side), int(0.47 * side))
        cv2.ellipse(ellipse, middle, axes, 0, 0, 360, 1.0, -1)
        alpha = cv2.GaussianBlur(ellipse, (0, 0), side / 40)[..., np.newaxis]
        tinted = face[..., np.newaxis] * np.array([0.75, 0.88, 1.0])
        part = picture[top : top + side, left : left + side]
        part[:] = np.round((1 - alpha) * part + alpha * tinted).astype(np.uint8)
        rows.append((left, top, left + side, top + side))
        points.append((label + 0.5) * side / 96 - 0.5 + np.tile([left, top], len(label) // 2))
    return picture, rows, points


def make_photographs(n_photographs, name, seed):
    """Photographs of one or two faces in files; their table and labels."""
    rng = np.random.default_rng(seed)
    faces, y = make_faces(2 * n_photographs, random_state=seed)
    tables, labels = [], []
    for number in range(n_photographs):
        chosen = slice(2 * number, 2 * number + 1 + int(rng.random() < 0.3))
        picture, rows, points = photograph(faces[chosen], y.to_numpy()[chosen], rng)
        path = folder / f"{name}{number:03}.jpg"
        cv2.imwrite(str(path), picture)
        tables.append(pd.DataFrame(rows, columns=["left", "top", "right", "bottom"], dtype=float))
        tables[-1].insert(0, "path", str(path))
        labels.append(pd.DataFrame(points, columns=y.columns))
    return pd.concat(tables, ignore_index=True), pd.concat(labels, ignore_index=True)


# %%
# Labels of a tool
# ----------------
# The labels go into a file in COCO's format, as CVAT or Label Studio export it. That is where
# one's own project begins: ``load_annotations`` finds out what format it is, and gives a table of
# photographs and boxes, and keypoints in pixels of the photographs.

save_annotations(*make_photographs(300, "train", 0), folder / "annotations.json", "coco")

X, y = load_annotations(folder / "annotations.json", return_X_y=True)
print(X.assign(path=X["path"].map(lambda path: Path(path).name)).head(3))
PhotographDisplay.from_predictions(X, y, n_photographs=6, skeleton=SKELETON)
plt.show()

# %%
# Training
# --------
# The objects are cut out of the photographs, moved, and learnt from. Keypoints go along, and come
# back: X and y stay as they are, whatever the sizes.

pipe = Pipeline(
    [
        ("crop", CropTransformer(size=64, margin=0.1)),
        ("augment", AugmentTransformer(rotation=15, scale=0.15, translation=4, flip=0.5)),
        (
            "regressor",
            KeypointRegressor(
                "cnn", network__filters=(16, 32, 64), epochs=30, random_state=0, verbose=2
            ),
        ),
    ]
)
pipe.fit(X, y)

# %%
# Results
# -------
# Errors are in pixels of the photographs, whose faces are of many sizes; so they are divided by
# the distance of the eyes. The crops with the largest errors first: green circles are labels, red
# crosses predictions.

X_test, y_test = make_photographs(60, "test", 1)
y_pred = pipe.predict(X_test)
error = metrics.normalized_mean_error(y_test, y_pred, normalize="interpupil")
print(f"{100 * error:.1f} % of the distance of the eyes")
KeypointDisplay.from_predictions(X_test, y_test, y_pred, n_faces=12)
plt.show()

# %%
# New photographs
# ---------------
# Nobody has drawn boxes into new photographs. ``BoxFinder`` learns them from photographs of one
# face; for real faces there is ``find_faces``, which needs no training. Then keypoints are
# found in what it has found.

alone = ~X["path"].duplicated(keep=False)
finder = BoxFinder(size=48, epochs=20, random_state=0).fit(X[alone], y[alone])

X_new, _ = make_photographs(40, "new", 2)
paths = X_new["path"][~X_new["path"].duplicated(keep=False)].tolist()
found = finder.predict(paths[:6])
y_found = pd.DataFrame(pipe.predict(found), columns=y.columns)
PhotographDisplay.from_predictions(found, None, y_found, skeleton=SKELETON)
plt.show()

# %%
# Back to the tool
# ----------------
# What was found can be mended in the tool, and be learnt from the next time.

save_annotations(found, y_found, folder / "predictions.xml", "cvat", category="face")
print((folder / "predictions.xml").read_text()[:300])
