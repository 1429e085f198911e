"""
Finding wrong labels
====================

Labels that are wrong cost more than labels that are missing. Networks that did not see a label
tell which ones are hardly believable; those are looked at, mended or left out.
"""

# sphinx_gallery_thumbnail_number = 1

import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import Pipeline

from sklearn_kpd import AugmentTransformer, KeypointRegressor, metrics
from sklearn_kpd.datasets import make_faces
from sklearn_kpd.inspection import LabelIssueDisplay
from sklearn_kpd.keypoints import flip_permutation, names_from_columns
from sklearn_kpd.label_quality import find_label_issues

# %%
# Faces, and mistakes as people and programs make them: keypoints that slipped, left and right
# swapped, faces whose labels were shifted, and labels of another face.

X, y_right = make_faces(900, random_state=0)
X_test, y_test = make_faces(300, random_state=1)
rng = np.random.default_rng(0)
y = y_right.copy()
twins = flip_permutation(15, names_from_columns(y.columns))
rows = rng.permutation(len(y))
for row in rows[:60]:
    k = rng.integers(15)
    y.iloc[row, 2 * k : 2 * k + 2] += rng.choice([-1, 1], 2) * rng.uniform(6, 12, 2)
for row in rows[60:80]:
    y.iloc[row] = y_right.iloc[row].to_numpy().reshape(15, 2)[twins].ravel()
for row in rows[80:100]:
    y.iloc[row] += np.tile(rng.choice([-1, 1], 2) * rng.uniform(5, 10, 2), 15)
y.iloc[rows[100:120]] = y_right.iloc[rows[120:140]].to_numpy()

# %%
# Three networks are trained, each without a third of the rows, and predict what they have not
# seen.
# On a file, ``sklearn-kpd audit training.zip --out issues.csv`` does the same.

pipe = Pipeline(
    [
        ("augment", AugmentTransformer(rotation=15, scale=0.1, translation=3, flip=0.5)),
        (
            "regressor",
            KeypointRegressor(
                "cnn", network__filters=(16, 32, 64, 64), epochs=12, verbose=0, random_state=0
            ),
        ),
    ]
)
issues = find_label_issues(pipe, X, y, cv=3, random_state=0)
issues.iloc[:10, :5]

# %%
# The first ones in pictures: green circles are labels, red ones those that are probably wrong, the
# blue crosses are where they were predicted.

LabelIssueDisplay.from_issues(X, y, issues, n_issues=15)
plt.show()

# %%
# What the list holds. Keypoints that slipped a little stay hidden among what the network itself
# does not know better; of what is listed, hardly anything is right.

spoilt = set(rows[:120].tolist())
listed = set(issues["row"])
print(issues["kind"].value_counts().to_string())
print(f"rows listed: {len(listed)}, of which {len(listed & spoilt)} were spoilt, of {len(spoilt)}")

# %%
# What it gains: labels that are listed are left out, NaN, and the network is trained again.

y_masked = y.copy()
for row, keypoints in zip(issues["row"], issues["keypoint"], strict=True):
    for name in keypoints.split(", "):
        y_masked.loc[row, [f"{name}_x", f"{name}_y"]] = np.nan

for name, labels in {"as they are": y, "listed left out": y_masked, "right": y_right}.items():
    y_pred = pipe.fit(X, labels).predict(X_test)
    print(f"labels {name:>15}: RMSE {metrics.root_mean_squared_error(y_test, y_pred):.2f} px")
