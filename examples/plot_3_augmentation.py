"""
Augmentation, one magnitude at a time
=====================================

``AugmentationDisplay`` shows what training will see. Blue triangles are the subject's left, orange
ones the right; a keypoint that leaves the frame is not drawn, and not trained on.
"""

# sphinx_gallery_thumbnail_number = 3

import matplotlib.pyplot as plt

from sklearn_kpd import AugmentSampler, AugmentTransformer
from sklearn_kpd.datasets import make_faces
from sklearn_kpd.inspection import AugmentationDisplay

X, y = make_faces(50, random_state=5)


def show_each(**magnitudes):
    """Draw a row for each magnitude: a face as it is, then five draws of that magnitude alone."""
    _, axes = plt.subplots(
        len(magnitudes), 6, figsize=(9, 1.65 * len(magnitudes)), layout="constrained"
    )
    for row, (name, magnitude) in zip(axes, magnitudes.items(), strict=True):
        augment = AugmentTransformer(**{name: magnitude})
        AugmentationDisplay.from_transformer(
            augment, X, y, n_faces=1, n_draws=5, random_state=4, ax=row
        )
        for ax in row[1:]:
            ax.set_title("")
        row[0].set_title(f"{name}={magnitude}", fontsize=10)


# %%
# Geometry
# --------
# Keypoints move with the pixels. A flip also swaps the names of left and right.

show_each(rotation=30, scale=0.3, aspect=0.3, translation=30, shear=20, crop=0.2, flip=0.5,
          perspective=0.15, elastic=8)  # fmt: skip
plt.show()

# %%
# Grey levels
# -----------
# Keypoints stay where they are, also below the patch that ``cutout`` puts over the image.

show_each(brightness=0.3, contrast=0.6, gamma=0.6, shadow=0.6, noise=0.1, blur=2.0, cutout=0.4)
plt.show()

# %%
# All of it together
# ------------------
# In a Pipeline every batch of every epoch is drawn anew, and ``patches`` shows parts of other
# images of the batch. ``AugmentSampler`` makes real copies instead, as arrays.

everything = {"rotation": 20, "scale": 0.15, "translation": 5, "flip": 0.5, "contrast": 0.3,
              "noise": 0.03, "shadow": 0.3, "cutout": 0.2, "patches": 0.4}  # fmt: skip
AugmentationDisplay.from_transformer(
    AugmentTransformer(**everything), X, y, n_faces=3, n_draws=5, random_state=0
)
plt.show()

X_more, y_more = AugmentSampler(**everything, random_state=0).fit_resample(X, y)
print(X.shape, "▶", X_more.shape)
