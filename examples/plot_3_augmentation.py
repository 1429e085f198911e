"""
Augmentation, one magnitude at a time
=====================================

``AugmentationDisplay`` shows what training will see. Blue triangles are the subject's left, orange
ones the right; a keypoint that leaves the frame is not drawn, and not trained on.
"""

import matplotlib.pyplot as plt

from sklearn_kpd import AugmentSampler, AugmentTransformer
from sklearn_kpd.datasets import make_faces
from sklearn_kpd.inspection import AugmentationDisplay

X, y = make_faces(50, random_state=3)

# %%
# Geometry: keypoints move with the pixels.

for magnitude in (
    {"rotation": 30},
    {"scale": 0.3},
    {"translation": 20},
    {"shear": 20},
    {"flip": 0.5},
    {"perspective": 0.15},
    {"elastic": 5},
):
    display = AugmentationDisplay.from_transformer(
        AugmentTransformer(**magnitude), X, y, n_faces=1, n_draws=5, random_state=0
    )
    display.figure_.suptitle(str(magnitude))
plt.show()

# %%
# Grey levels: keypoints stay where they are.

for magnitude in (
    {"brightness": 0.3},
    {"contrast": 0.6},
    {"noise": 0.1},
    {"blur": 2.0},
    {"cutout": 0.4},
):
    display = AugmentationDisplay.from_transformer(
        AugmentTransformer(**magnitude), X, y, n_faces=1, n_draws=5, random_state=0
    )
    display.figure_.suptitle(str(magnitude))
plt.show()

# %%
# All of it together, and real copies of it as arrays.

everything = {"rotation": 20, "scale": 0.15, "translation": 5, "flip": 0.5, "contrast": 0.3,
              "noise": 0.03, "cutout": 0.2}  # fmt: skip
AugmentationDisplay.from_transformer(
    AugmentTransformer(**everything), X, y, n_faces=2, n_draws=5, random_state=0
)
plt.show()

X_more, y_more = AugmentSampler(**everything, random_state=0).fit_resample(X, y)
print(X.shape, "▶", X_more.shape)
