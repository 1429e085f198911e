"""The training itself: batches in, a trained network and its history out."""

import warnings
from contextlib import nullcontext
from dataclasses import dataclass, replace

import keras

from sklearn_kpd._common.keras import (
    deterministic,
    has_schedule,
    inner_optimizer,
    learning_rate,
    without_retracing_warnings,
)
from sklearn_kpd._training.allocator import freed_memory_kept
from sklearn_kpd._training.averaging import AveragedWeights
from sklearn_kpd._training.batches import Batches
from sklearn_kpd._training.data import Run
from sklearn_kpd._training.optimizer import prepare
from sklearn_kpd._training.schedules import CosineDecay, sets_learning_rate
from sklearn_kpd._training.state import restore_training_state, training_state
from sklearn_kpd._training.stopping import StopOnDivergence, StopOnInterrupt
from sklearn_kpd._training.stream import DrawEpochs, makers, stream
from sklearn_kpd.exceptions import DivergedError
from sklearn_kpd.losses import leaves_missing_out

Callbacks = list[keras.callbacks.Callback]


@dataclass(frozen=True)
class Outcome:
    """What a training has left behind, beside the weights.

    Attributes
    ----------
    history : dict of str to list of float
        Of all epochs, those of earlier calls included.
    interrupted : bool
        Whether Ctrl-C ended it early.
    """

    history: dict[str, list[float]]
    interrupted: bool


def train(
    model: keras.Model,
    epochs: DrawEpochs,
    validation: Batches | None,
    run: Run,
    callbacks: Callbacks,
    *,
    verbose: int | str = 0,
) -> Outcome:
    """Train a compiled model.

    Whatever ends it by an error, a model that goes on from an earlier training is left as it was;
    images and labels are let go of.

    Parameters
    ----------
    model : keras.Model
        Compiled, its optimizer built.
    epochs : DrawEpochs
        What to train on, and how each epoch is drawn from it.
    validation : Batches or None
        What to validate on.
    run : Run
        Seed, epochs, and where it goes on.
    callbacks : list of Callback
        The user's first, then those of :func:`schedule_callbacks`.
    verbose : int or str
        As for ``keras.Model.fit``.

    Returns
    -------
    Outcome
        The history, and whether Ctrl-C ended the training.

    Raises
    ------
    DivergedError
        If the loss became NaN or infinite.
    """
    prepare(model)
    training = epochs.batches
    divergence, interrupt = StopOnDivergence(), StopOnInterrupt()
    callbacks = [divergence, interrupt, epochs, *callbacks]
    if inner_optimizer(model.optimizer).use_ema:
        callbacks.append(AveragedWeights())
    before = training_state(model) if run.goes_on else None
    if run.checkpoint is not None:
        if not run.checkpoint.restore(model, callbacks):
            run = replace(run, history={})
        callbacks.append(run.checkpoint)
    try:
        with (
            run.checkpoint.in_use() if run.checkpoint is not None else nullcontext(),
            interrupt.listening(),
            deterministic(run.deterministic_seed),
            without_retracing_warnings(),
            freed_memory_kept(),
            makers() as threads,
        ):
            done = model.fit(
                stream(training, threads),
                validation_data=None if validation is None else stream(validation, threads),
                initial_epoch=run.n_done,
                epochs=run.last_epoch,
                callbacks=callbacks,
                shuffle=False,  # by Python's global random numbers; the batches are drawn
                verbose=verbose,
            ).history
        if divergence.epoch is not None:
            raise DivergedError(_diverged(divergence.epoch, model, training))
    except BaseException:
        if before is not None:
            restore_training_state(model, before)
        raise
    finally:
        for batches in filter(None, (training, validation)):
            batches.release()
    history = {name: list(values) for name, values in run.history.items()}
    for name, values in done.items():
        history.setdefault(name, []).extend(float(value) for value in values)
    return Outcome(history, interrupt.pressed)


def schedule_callbacks(
    model: keras.Model,
    run: Run,
    n_batches: int,
    users: Callbacks,
    *,
    schedule: str,
    patience: int | None,
) -> Callbacks:
    """Callbacks of a whole training: the learning rate, and when to stop.

    Parameters
    ----------
    model : keras.Model
        Compiled.
    run : Run
        A single epoch has none.
    n_batches : int
        In the whole training.
    users : list of Callback
        The user's. One that sets the learning rate goes before the schedule.
    schedule : {"cosine", "constant"}
        Of the learning rate.
    patience : int or None
        Epochs without a better validation RMSE after which the training stops; None where
        nothing is validated, or all epochs are trained.
    """
    if not run.whole:
        return []
    callbacks: Callbacks = []
    if schedule == "cosine" and not has_schedule(model.optimizer):
        overruling = next(filter(sets_learning_rate, users), None)
        if overruling is None:
            rate = learning_rate(model.optimizer)
            callbacks.append(CosineDecay(rate, n_batches, run.first_epoch))
        else:
            warnings.warn(
                f"{type(overruling).__name__} sets the learning rate, so "
                "learning_rate_schedule='cosine' is left out: pass "
                "learning_rate_schedule='constant' with it.",
                UserWarning,
                stacklevel=5,
            )
    if patience is not None:
        callbacks.append(
            keras.callbacks.EarlyStopping(
                "val_rmse", mode="min", patience=patience, restore_best_weights=True
            )
        )
    return callbacks


def _diverged(epoch: int, model: keras.Model, training: Batches) -> str:
    found = f"The loss became NaN or infinite in epoch {epoch + 1}. "
    if training.augmentations and not leaves_missing_out(model.loss, model.output_shape[1]):
        return found + (
            f"{type(model.loss).__name__} does not leave missing labels out, and what the "
            "augmentation moves out of the frame is missing: set out_of_frame='clip' there, or "
            "use a loss of sklearn_kpd.losses, or derive yours from losses.MaskedLoss."
        )
    return found + (
        f"Try a smaller learning_rate (it was {learning_rate(model.optimizer):g}) or "
        "optimizer__clipnorm=1.0, and look for labels far outside the images."
    )
