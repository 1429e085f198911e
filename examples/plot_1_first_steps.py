"""
First steps: from data to results
=================================

Find the 15 keypoints of a face in a grey image of 96 × 96 pixels, where about half the labels
are missing: look at the data, augment them, train a network and measure it.

The script runs on generated faces in a minute. Give it the path of Kaggle's ``training.zip``
(`Facial Keypoints Detection <https://www.kaggle.com/c/facial-keypoints-detection>`_) to run it on
real ones: ``python plot_1_first_steps.py training.zip``.
"""

# sphinx_gallery_thumbnail_number = 4

import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline

from sklearn_kpd import AugmentTransformer, KeypointRegressor, metrics
from sklearn_kpd.datasets import load_kaggle, make_faces
from sklearn_kpd.inspection import (
    AugmentationDisplay,
    HistoryDisplay,
    KeypointDisplay,
    MissingLabelDisplay,
)

# %%
# The data
# --------
# X holds the images, y the coordinates in pixels. NaN means 'not labelled'.

path = next((argument for argument in sys.argv[1:] if argument.endswith((".zip", ".csv"))), None)
if path:
    X, y = load_kaggle(path, return_X_y=True)
else:
    X, y = make_faces(1200, missing="kaggle", random_state=0)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)
MissingLabelDisplay.from_labels(y, max_patterns=6)
plt.show()

# %%
# Augmentation
# ------------
# Turning, scaling and mirroring make new faces of old ones. A mirrored left eye is a right eye:
# blue and orange triangles show that the labels swap.

augment = AugmentTransformer(rotation=15, scale=0.1, translation=3, flip=0.5, contrast=0.2)
AugmentationDisplay.from_transformer(augment, X_train, y_train, random_state=0)
plt.show()

# %%
# Training
# --------
# The augmentation is applied to each batch anew, to the training rows alone. The defaults are the
# accurate network and a recipe that suits it; on generated faces the plain CNN will do. The
# validation faces are not augmented, so their error may well be the smaller one.

small = {} if path else {"network": "cnn", "network__filters": (16, 32, 64, 64)}
regressor = KeypointRegressor(epochs=20, random_state=0, verbose=2, **small)
pipe = Pipeline([("augment", augment), ("regressor", regressor)])
pipe.fit(X_train, y_train)
HistoryDisplay.from_estimator(pipe)
plt.show()

# %%
# Results
# -------
# The root of the mean squared error over the labelled values, beside that of always predicting the
# mean face. Green circles are labels, red crosses predictions: the network finds all 15 keypoints,
# also in faces that only four are labelled in.

y_pred = pipe.predict(X_test)
means = np.tile(y_train.mean(), (len(y_test), 1))
for name, prediction in {"column means": means, "network": y_pred}.items():
    print(f"{name:>12}: RMSE {metrics.mean_squared_error(y_test, prediction) ** 0.5:.2f} pixels")

KeypointDisplay.from_predictions(X_test, y_test, y_pred, order="random", random_state=0)
plt.show()
