"""
Finding facial keypoints, from data to results
==============================================

Find the 15 keypoints of a face in a grey image of 96 × 96 pixels, where most labels are missing:
look at the data, augment them, train a CNN, measure it, and learn whether less but accurate data
beats more data with holes.

The script runs on generated faces in a few minutes. Give it the path of Kaggle's ``training.zip``
(`Facial Keypoints Detection <https://www.kaggle.com/c/facial-keypoints-detection>`_) to run it on
real ones: ``python plot_facial_keypoints.py training.zip``.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline

from sklearn_kpd import AugmentTransformer, KeypointRegressor, metrics
from sklearn_kpd.datasets import load_kaggle, make_faces
from sklearn_kpd.inspection import AugmentationDisplay, HistoryDisplay, KeypointDisplay

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
print(f"{len(X)} faces, {y.notna().all(axis=1).mean():.0%} of them with all labels")
print(y.notna().mean().iloc[::2].rename(lambda name: name[:-2]).map("{:.0%}".format).to_string())

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
# The augmentation is applied to each batch anew, to the training rows alone.

settings = {
    "network": "cnn",
    "random_state": 0,
    "verbose": 2,
    "network__filters": (16, 32, 64, 64),
}
if path:
    settings = {"network": "cnn", "random_state": 0, "verbose": 2}
pipe = Pipeline(
    [("augment", augment), ("cnn", KeypointRegressor(epochs=30 if path else 20, **settings))]
)
pipe.fit(X_train, y_train)
HistoryDisplay.from_estimator(pipe)
plt.show()

# %%
# Results
# -------
# The root of the mean squared error over the labelled values, beside that of always predicting the
# mean face.

y_pred = pipe.predict(X_test)
means = np.tile(y_train.mean(), (len(y_test), 1))
for name, prediction in {"column means": means, "CNN": y_pred}.items():
    print(f"{name:>12}: RMSE {metrics.mean_squared_error(y_test, prediction) ** 0.5:.2f} pixels")

KeypointDisplay.from_predictions(X_test, y_test, y_pred, order="random", random_state=0)
plt.show()

# %%
# The faces on which it does worst:

KeypointDisplay.from_predictions(X_test, y_test, y_pred)
plt.show()

# %%
# Less but accurate data, or more data with holes?
# ------------------------------------------------
# "drop" trains on the complete rows alone, "mean" fills the holes with the mean of the column,
# "mask" takes what is labelled. Every policy is judged by the same labelled values of the same
# held-out faces, with and without augmentation.

some = slice(0, 2000 if path else 600)
search = GridSearchCV(
    pipe.set_params(cnn__epochs=8, cnn__verbose=0),
    {"cnn__missing": ["drop", "mean", "mask"], "augment__strength": [0, 1]},
    scoring=metrics.neg_mean_squared_error,
    cv=2,
)
search.fit(X_train[some], y_train[some])
for parameters, score in zip(
    search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
):
    print(f"RMSE {(-score) ** 0.5:.2f} pixels with {parameters}")
