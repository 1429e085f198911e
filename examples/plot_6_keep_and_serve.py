"""
Keep a pipeline, and serve it
=============================

A fitted pipeline is saved, so that another process can go on with it, and exported, so that other
software can run it.
"""

import tempfile
from pathlib import Path

import joblib
import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import Pipeline

import sklearn_kpd
from sklearn_kpd import AugmentTransformer, KeypointRegressor
from sklearn_kpd.datasets import make_faces
from sklearn_kpd.inspection import KeypointDisplay

# %%
# A pipeline to keep
# ------------------

X, y = make_faces(600, missing="kaggle", random_state=0)
X_test, y_test = make_faces(50, random_state=1)
augment = AugmentTransformer(rotation=15, scale=0.1, translation=3, flip=0.5)
regressor = KeypointRegressor(
    "cnn", network__filters=(16, 32, 64, 64), epochs=12, random_state=0, verbose=0
)
pipe = Pipeline([("augment", augment), ("regressor", regressor)]).fit(X, y)
y_pred = pipe.predict(X_test)
folder = Path(tempfile.mkdtemp())

# %%
# Save and load
# -------------
# ``sklearn_kpd.save`` writes the pipeline to one file, with all that is needed to predict and to
# train further. The file holds no code, and loading it runs none.

path = folder / "faces.kpd"
sklearn_kpd.save(pipe, path)
loaded = sklearn_kpd.load(path)
print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")
print("the same predictions:", np.array_equal(loaded.predict(X_test), y_pred))

# %%
# joblib
# ------
# joblib keeps whatever Python can pickle, a whole ``GridSearchCV`` for example. But a pickle can
# run code when it is loaded: load only what you trust, with the versions that it was saved with.

path = folder / "faces.joblib"
joblib.dump(pipe, path)
print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")
print("the same predictions:", np.array_equal(joblib.load(path).predict(X_test), y_pred))

# %%
# Serve it
# --------
# ``export`` writes the network alone, to run where there is neither scikit-learn nor TensorFlow:
# uint8 images in, pixel coordinates out. ONNX is run here, a path that ends in ``.tflite`` gives
# LiteRT.

served = {"The pipeline": y_pred}
try:
    import onnxruntime
except ImportError:
    print("onnxruntime is not installed: pip install onnxruntime shows the served model too")
else:
    path = folder / "faces.onnx"
    pipe[-1].export(path)
    session = onnxruntime.InferenceSession(path)
    (y_served,) = session.run(["keypoints"], {"images": X_test})
    print(f"largest difference: {np.abs(y_served - y_pred).max():.1e} pixels")
    served["What is served"] = y_served

# %%
# Side by side
# ------------
# Labels are green circles, predictions red crosses.

figure = plt.figure(figsize=(8, 2.3 * len(served)), layout="constrained")
parts = figure.subfigures(len(served), squeeze=False).ravel()
for part, (name, prediction) in zip(parts, served.items(), strict=True):
    part.suptitle(name, fontsize=10)
    KeypointDisplay.from_predictions(
        X_test, y_test, prediction, n_faces=4, order="first", ax=part.subplots(1, 4)
    )
plt.show()
