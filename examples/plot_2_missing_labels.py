"""
Less but accurate data, or more data with holes?
================================================

Of Kaggle's 7049 training rows only 2140 carry all 15 keypoints. Is it better to train on those
alone, to fill the holes of the others, or to leave the holes out of the loss? A grid search over
the missing-label policy and the strength of the augmentation tells.

The script runs on generated faces in about two minutes. Give it the path of Kaggle's
``training.zip`` to run it on real ones, which takes a quarter of an hour on two cores:
``python plot_2_missing_labels.py training.zip``.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline

from sklearn_kpd import AugmentTransformer, KeypointRegressor, metrics
from sklearn_kpd.datasets import load_kaggle, make_faces
from sklearn_kpd.model_selection import labelling_schemes

# %%
# The search
# ----------
# Labelling schemes and the sampling by labels would tell the kinds of rows apart by themselves;
# they are switched off here, so that the policies are all that differs.

path = next((argument for argument in sys.argv[1:] if argument.endswith((".zip", ".csv"))), None)
if path:
    X, y = load_kaggle(path, return_X_y=True)
    epochs, n_folds, settings = 6, 2, {}
else:
    X, y = make_faces(240, missing="kaggle", random_state=0)
    epochs, n_folds = 14, 3
    settings = {"batch_size": 16, "network__filters": (8, 16, 32), "network__units": (64,)}
strengths = [0, 1]
augment = AugmentTransformer(rotation=15, scale=0.1, translation=3, flip=0.5)
regressor = KeypointRegressor(
    "cnn", schemes=None, sampling="rows", validation_split=0, random_state=0, verbose=0, **settings
)
pipe = Pipeline([("augment", augment), ("regressor", regressor)])

# %%
# The comparison is fair in two ways. All policies are judged by the same labelled values of the
# same faces, and every fold has its share of complete rows. And all policies train for as many
# steps: an epoch of the complete rows alone is shorter, so there are more of them.

complete = y.notna().all(axis=1).mean()
print(f"{len(y)} rows, {complete:.0%} of them complete; {y.isna().to_numpy().mean():.0%} holes")

filled = ["mean", "knn", "iterative"]
grid = [
    {"regressor__missing": ["mask", *filled], "regressor__epochs": [epochs]},
    {"regressor__missing": ["drop"], "regressor__epochs": [round(epochs / complete)]},
]
folds = StratifiedKFold(n_folds, shuffle=True, random_state=0).split(X, labelling_schemes(y))
search = GridSearchCV(
    pipe,
    [{"augment__strength": strengths, **part} for part in grid],
    scoring=metrics.neg_mean_squared_error,
    cv=list(folds),
    refit=False,
)
search.fit(X, y)

# %%
# What it found
# -------------
# RMSE in pixels over all labelled values of the held-out faces, with its spread over the folds.
# Where the bars of two policies overlap, these few faces do not tell which is better.

results = pd.DataFrame(search.cv_results_)
errors = np.sqrt(-results.filter(regex=r"split\d_test_score"))
results["RMSE"], results["spread"] = errors.mean(axis=1), errors.std(axis=1)
results = results.rename(
    columns={"param_regressor__missing": "missing", "param_augment__strength": "strength"}
)
table = results.pivot_table(index="missing", columns="strength", values=["RMSE", "spread"])
table = table.loc[table["RMSE"].min(axis=1).sort_values().index]
print(table.round(2).to_string())

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
places = np.arange(len(table))
for number, strength in enumerate(strengths):
    offset = (number - (len(strengths) - 1) / 2) * 0.15
    ax.errorbar(
        places + offset, table["RMSE", strength], yerr=table["spread", strength], fmt="o",
        capsize=4, label=f"augmentation × {strength}",
    )  # fmt: skip
ax.set_xticks(places, table.index)
ax.set(xlabel="Missing labels", ylabel="RMSE (pixels)")
ax.grid(axis="y", alpha=0.3)
figure.legend(loc="outside upper center", ncols=len(strengths))
plt.show()

best = results.loc[results["RMSE"].idxmin()]
worst = table["RMSE"].min(axis=1).idxmax()
print(
    f"Best: missing={best['missing']!r} with augmentation × {best['strength']}, "
    f"{best['RMSE']:.2f} px; worst policy even at its best strength: {worst!r}, "
    f"{table['RMSE'].min(axis=1).max():.2f} px."
)
