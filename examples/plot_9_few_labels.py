"""
Few labels, many images
=======================

Images are there by the thousand, and somebody has to label them one by one. How far do a few dozen
labels go, and can the images without labels help?

The script runs on generated faces in about a minute and a half.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import Pipeline

from sklearn_kpd import AugmentTransformer, KeypointRegressor, metrics
from sklearn_kpd.datasets import make_faces
from sklearn_kpd.inspection import CumulativeErrorDisplay, KeypointDisplay

# %%
# Forty faces are labelled, and 560 are not: their rows of y are NaN. Two hundred others, all
# labelled, are for measuring alone.

X, y = make_faces(600, random_state=0)
y.iloc[40:] = np.nan
X_test, y_test = make_faces(200, random_state=1)

# %%
# The labels alone
# ----------------
# Rows without a label are left out by themselves. Few rows are shown many times, moved, scaled and
# mirrored anew each time: that is most of what can be done with forty faces.

augment = AugmentTransformer(rotation=15, scale=0.1, translation=4, flip=0.5, contrast=0.2)
regressor = KeypointRegressor(
    network__width=8, batch_size=16, validation_split=0.1, patience=None, random_state=0, verbose=0
)
pipe = Pipeline([("augment", augment), ("regressor", regressor)])
n_images, n_passes = len(X), 10
labelled = y.notna().all(axis=1)
pipe.set_params(regressor__epochs=round(n_passes * n_images / labelled.sum())).fit(X, y)
alone = pipe.predict(X_test)


def rmse(y_pred):
    return metrics.mean_squared_error(y_test, y_pred) ** 0.5


print(f"RMSE with {labelled.sum()} labelled faces: {rmse(alone):.2f} pixels")

# %%
# And the images
# --------------
# With `self_training` the network labels the other images itself, anew for each epoch, and learns
# to find in their moved copies what it has found in the images as they are. It is as long a
# training: up to half of its images come from rows without labels.

pipe.set_params(regressor__self_training=0.5, regressor__epochs=n_passes).fit(X, y)
together = pipe.predict(X_test)
print(f"and {(~labelled).sum()} images without labels: {rmse(together):.2f} pixels")

# %%
# Where it helps
# --------------
# How many of the test faces have at most a given error, in shares of the distance of the outer
# corners of the eyes, and the worst of the faces themselves.

_, ax = plt.subplots(layout="constrained")
for name, y_pred in (("labels alone", alone), ("and images without labels", together)):
    CumulativeErrorDisplay.from_predictions(y_test, y_pred, name=name, ax=ax)

# %%

KeypointDisplay.from_predictions(X_test, y_test, together, n_faces=12)
plt.show()
