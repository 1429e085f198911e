"""
Reading errors
==============

One figure says little. Which faces fail, which keypoints, by how much, and does the network know?
"""

# sphinx_gallery_thumbnail_number = 3

import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import Pipeline

from sklearn_kpd import AugmentTransformer, KeypointRegressor, metrics
from sklearn_kpd.datasets import make_faces
from sklearn_kpd.inspection import (
    CumulativeErrorDisplay,
    KeypointDisplay,
    KeypointErrorDisplay,
)

# %%
# Two estimators to compare: the same network without augmentation, and with it.

X, y = make_faces(900, missing="kaggle", random_state=0)
X_test, y_test = make_faces(400, random_state=1)
settings = {"network__filters": (16, 32, 64, 64), "epochs": 12, "random_state": 0, "verbose": 0}
plain = KeypointRegressor("cnn", **settings).fit(X, y)
augmented = Pipeline(
    [
        ("augment", AugmentTransformer(rotation=15, scale=0.1, translation=3, flip=0.5)),
        ("regressor", KeypointRegressor("cnn", tta="flip", **settings)),
    ]
).fit(X, y)

# %%
# Metrics of the landmark literature
# ----------------------------------
# They are relative to the size of the face. The normalised mean error (NME) is divided by the
# distance of the outer corners of the eyes; a face with more than 8 % is a failure. PCK is the
# percentage of correct keypoints, those that are off by no more than 5 % of that distance.

pck = {"alpha": 0.05, "normalize": "interocular"}
for name, estimator in {"plain": plain, "augmented": augmented}.items():
    y_pred = estimator.predict(X_test)
    print(
        f"{name:>10}: RMSE {metrics.mean_squared_error(y_test, y_pred) ** 0.5:.2f} px, "
        f"NME {metrics.normalized_mean_error(y_test, y_pred):.1%}, "
        f"failures {metrics.failure_rate(y_test, y_pred):.1%}, "
        f"PCK {metrics.percentage_correct_keypoints(y_test, y_pred, **pck):.1%}"
    )

# %%
# The share of the faces with at most each error, for both in one plot: the higher curve is the
# better one.

display = CumulativeErrorDisplay.from_estimator(plain, X_test, y_test, name="plain")
CumulativeErrorDisplay.from_estimator(augmented, X_test, y_test, name="augmented", ax=display.ax_)
plt.show()

# %%
# Where the errors are
# --------------------
# The error of each keypoint on the mean face, then the worst faces, with labels as green circles
# and predictions as red crosses.

KeypointErrorDisplay.from_estimator(augmented, X_test, y_test)
KeypointDisplay.from_estimator(augmented, X_test, y_test)
plt.show()

# %%
# How sure it is
# --------------
# ``return_std=True`` gives a standard deviation for each coordinate. Throw out the faces that the
# network is least sure of, and the error of the others falls.

y_pred, y_std = augmented.predict(X_test, return_std=True)
surest_first = np.argsort(y_std.mean(axis=1))
shares = np.linspace(0.3, 1, 15)
errors = [
    metrics.mean_squared_error(y_test.iloc[rows], y_pred[rows]) ** 0.5
    for rows in (surest_first[: round(share * len(y_pred))] for share in shares)
]
figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
ax.plot(100 * shares, errors, marker=".")
ax.set(xlabel="Faces kept (%), the surest first", ylabel="RMSE (pixels)")
ax.grid(alpha=0.3)
plt.show()

# %%
# Does a standard deviation mean what it says? If errors were normal, 68 % would be within one.

within = (np.abs(y_pred - y_test) < y_std).to_numpy().mean()
print(f"{within:.0%} of the errors are within one standard deviation.")
