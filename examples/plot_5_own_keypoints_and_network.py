"""
Own keypoints and an own network
================================

Nothing here is about Kaggle's 15 keypoints alone, nor about faces: any points in images of one
size will do. The columns of y name them; 'left' and 'right' in a name tell a flip what to swap.
"""

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from keras import layers
from sklearn.pipeline import Pipeline

from sklearn_kpd import AugmentTransformer, KeypointRegressor, metrics
from sklearn_kpd.inspection import AugmentationDisplay, KeypointDisplay

# %%
# The data
# --------
# Colour images of a bar, 64 pixels wide and 48 high: its white end is called the left one, its
# violet end the right one.

rng = np.random.default_rng(0)
n, height, width = 500, 48, 64
ends = np.stack([rng.uniform(8, 56, (n, 2)), rng.uniform(8, 40, (n, 2))], axis=-1)
rows, columns = np.mgrid[:height, :width]
X = np.full((n, height, width, 3), 40, np.uint8)
for image, (left, right) in zip(X, ends, strict=True):
    for t in np.linspace(0, 1, 60):
        x, y = (1 - t) * left + t * right
        near = (columns - x) ** 2 + (rows - y) ** 2 < 6
        image[near] = [255 - 145 * t, 255 - 195 * t, 255 - 35 * t]
y = pd.DataFrame(
    ends.reshape(n, 4), columns=["left_end_x", "left_end_y", "right_end_x", "right_end_y"]
)
X_train, X_test, y_train, y_test = X[:400], X[400:], y[:400], y[400:]

# %%
# What a flip would do
# --------------------
# A flip swaps the names, as it has to for faces, but it does not swap the colours: the white end
# would be the right one. Here it would teach nonsense, so leave it out.

AugmentationDisplay.from_transformer(
    AugmentTransformer(flip=1.0), X, y, n_faces=1, n_draws=1, random_state=0
)
plt.show()
augment = AugmentTransformer(rotation=20, translation=4)

# %%
# The network
# -----------
# A network is a function of the shape of an image and of the number of coordinates. It takes
# pixels in 0..255 and gives network units: 0 is the centre of the image, ±1 the edge of its longer
# side.


def my_network(image_shape, n_outputs, width=16):
    images = keras.Input(image_shape)
    x = layers.Rescaling(1 / 127.5, offset=-1)(images)
    for filters in (width, 2 * width, 4 * width):
        x = layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Dense(64, activation="relu")(layers.Flatten()(x))
    return keras.Model(images, layers.Dense(n_outputs)(x))


regressor = KeypointRegressor(my_network, network__width=8, epochs=60, random_state=0, verbose=0)
pipe = Pipeline([("augment", augment), ("regressor", regressor)]).fit(X_train, y_train)

# %%
# The result
# ----------

means = np.tile(y_train.mean(), (len(y_test), 1))
for name, prediction in {"column means": means, "network": pipe.predict(X_test)}.items():
    print(f"{name:>12}: RMSE {metrics.mean_squared_error(y_test, prediction) ** 0.5:.2f} pixels")
KeypointDisplay.from_estimator(pipe, X_test, y_test, order="first", n_faces=6)
plt.show()
