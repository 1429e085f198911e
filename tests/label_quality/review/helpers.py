"""Small data to review, and the file of issues about them."""

import numpy as np
import pandas as pd

from sklearn_kpd.keypoints import columns_from_names
from sklearn_kpd.label_quality._review.issues import Issue, Suspect
from sklearn_kpd.label_quality._review.journal import Journal, header_of
from sklearn_kpd.label_quality._review.labelled import labelled
from sklearn_kpd.label_quality._review.session import Session

NAMES = ("left_eye", "right_eye", "nose")
LABELS = np.array(
    [
        [[20.0, 30.0], [60.0, 30.0], [40.0, 50.0]],
        [[61.5, 31.0], [21.25, 31.0], [np.nan, np.nan]],
        [[22.0, 32.0], [62.0, 32.0], [90.0, 10.0]],
        [[23.0, 33.0], [63.0, 33.0], [43.0, 53.0]],
    ]
)
PREDICTED = np.array([[21.0, 31.0], [61.0, 31.0], [41.0, 51.0]])
OPEN = []
HEADER = header_of("training.csv", "issues.csv", "f" * 32)

#: Row 2 first, then 1 with two issues; rows 0 and 3 are not looked at.
SUSPECTS = [
    Suspect(2, (Issue("moved", (2,), 1e-4, 60.0),), PREDICTED),
    Suspect(1, (Issue("swapped", (0, 1), 1e-3, 40.0), Issue("moved", (0,), 0.01, 5.0)), PREDICTED),
]


def table_of(labels=LABELS, names=NAMES):
    return pd.DataFrame(labels.reshape(len(labels), -1), columns=columns_from_names(names))


def session(folder, labels=LABELS, names=NAMES, name="training.csv"):
    images = np.random.default_rng(0).integers(0, 255, (len(labels), 96, 96, 1), dtype=np.uint8)
    data = labelled(name, images, table_of(labels, names))
    return Session(data, SUSPECTS, opened(folder), "training_corrected.csv")


def opened(folder):
    """Journal in a folder, which the fixture in conftest.py closes."""
    journal = Journal(folder / "issues.csv.review.jsonl", HEADER)
    OPEN.append(journal)
    return journal


def issues_of(labels, rows, names, predicted):
    """Table as find_label_issues makes it, of (row, kind, keypoints)."""
    records = []
    for row, kind, keypoints in rows:
        distances = np.linalg.norm(labels[row] - predicted[row], axis=1)
        worst = max((names.index(name) for name in keypoints), key=lambda k: distances[k])
        record = {
            "row": row, "keypoint": ", ".join(keypoints), "kind": kind, "p_value": 0.001,
            "distance": distances[worst],
            "labelled_x": labels[row, worst, 0], "labelled_y": labels[row, worst, 1],
            "predicted_x": predicted[row, worst, 0], "predicted_y": predicted[row, worst, 1],
        }  # fmt: skip
        for k, name in enumerate(names):
            record[f"predicted_{name}_x"], record[f"predicted_{name}_y"] = predicted[row, k]
        records.append(record)
    return pd.DataFrame(records)


def write_kaggle_csv(path, X, y):
    images = [" ".join(map(str, image.ravel())) for image in X]
    y.assign(Image=images).to_csv(path, index=False)
