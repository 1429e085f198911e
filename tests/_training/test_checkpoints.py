import copy
import functools
import os
import subprocess
import sys
import warnings
from pathlib import Path

import joblib
import keras
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_kpd import AugmentTransformer, KeypointRegressor, metrics
from sklearn_kpd._training.checkpoints import fingerprint
from sklearn_kpd.exceptions import DivergedError
from sklearn_kpd.losses import MaskedHuber
from tests._training.test_stopping import PressCtrlC
from tests.helpers import assert_same_weights, tiny_heatmap, tiny_network, tiny_regressor
from tests.persistence.fuzz import HOSTILE_VALUES, places, put_together, take_apart

OPTIONS = {"epochs": 6, "batch_size": 8, "patience": 2}


def make(folder, **parameters):
    augment = AugmentTransformer(rotation=10, flip=0.5, random_state=1)
    return make_pipeline(
        augment, tiny_regressor(checkpoint_dir=folder, **{**OPTIONS, **parameters})
    )


def interrupt(folder, X, y, epoch=3, **parameters):
    with pytest.warns(UserWarning, match="interrupted"):
        return make(folder, callbacks=[PressCtrlC(epoch, 1)], **parameters).fit(X, y)


@pytest.mark.parametrize("random_state", [0, None])
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"epochs": 9, "patience": 1, "learning_rate": 0.02},  # stops early
        {"patience": None, "weight_average": 0.0},
        {"optimizer": "sgd", "learning_rate_schedule": "constant"},
        {"network": tiny_heatmap, "epochs": 3},
    ],
)
def test_goes_on_to_the_same_weights(kaggle_like, tmp_path, parameters, random_state):
    X, y = kaggle_like
    whole = None
    if random_state is not None:
        whole = make(None, random_state=random_state, **parameters).fit(X, y)
    begun = interrupt(tmp_path, X, y, epoch=1, random_state=random_state, **parameters)
    assert len(os.listdir(tmp_path)) == 1
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="checkpoint_dir")
        again = make(tmp_path, random_state=random_state, **parameters).fit(X, y)
    assert not os.listdir(tmp_path)
    for name, values in begun[-1].history_.items():
        assert again[-1].history_[name][0] == values[0]
    if whole:
        assert again[-1].history_ == whole[-1].history_
        assert_same_weights(again, whole)


KILLED = """
import os, signal, sys, time
import numpy as np
import joblib
from sklearn.pipeline import make_pipeline
from sklearn_kpd import AugmentTransformer
from tests.helpers import tiny_regressor

# as in the tests, whose module makes objects of Keras' and so starts TensorFlow
def make(folder, **parameters):
    augment = AugmentTransformer(rotation=10, flip=0.5, random_state=1)
    options = {"epochs": 6, "batch_size": 8, "patience": 2, **parameters}
    return make_pipeline(augment, tiny_regressor(checkpoint_dir=folder, **options))

X, y = joblib.load(sys.argv[1])
rng = np.random.default_rng(0)

def begin():
    child = os.fork()  # before TensorFlow has started its threads
    if not child:
        make(sys.argv[2], epochs=40, patience=None).fit(X, y)
        os._exit(0)
    return child

start = time.perf_counter()
assert os.waitpid(begin(), 0)[1] == 0
seconds = time.perf_counter() - start
n_killed = 0
while n_killed < 10:
    child = begin()
    time.sleep(rng.uniform(0.1, 0.9) * seconds)
    os.kill(child, signal.SIGKILL)
    n_killed += os.waitpid(child, 0)[1] != 0
    print(n_killed, os.listdir(sys.argv[2]), flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_killed_at_random_moments_goes_on(kaggle_like, tmp_path):
    X, y = kaggle_like
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    joblib.dump((X, y), tmp_path / "data.joblib")
    command = [sys.executable, "-W", "ignore", "-c", KILLED, tmp_path / "data.joblib", folder]
    out = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    ).stdout
    assert ".checkpoint" in out  # there was something to go on from
    whole = make(None, epochs=40, patience=None).fit(X, y)
    again = make(folder, epochs=40, patience=None).fit(X, y)
    assert again[-1].history_ == whole[-1].history_
    assert_same_weights(again, whole)


def test_other_data_or_parameters_start_anew_and_say_so(faces, tmp_path):
    X, y = faces
    interrupt(tmp_path, X, y)
    with pytest.warns(UserWarning, match=r"holds 1 training\(s\) of other data or parameters"):
        other = make(tmp_path, epochs=3).fit(X, y)
    assert len(other[-1].history_["loss"]) == 3
    with pytest.warns(UserWarning, match="starts anew"):
        make(tmp_path).fit(X[::-1], y)
    assert len(os.listdir(tmp_path)) == 1  # the first one's


def test_trainings_that_run_are_no_reason_for_alarm(faces, tmp_path):
    X, y = faces

    class Trains(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                assert list(tmp_path.glob("*.checkpoint"))
                make(tmp_path, epochs=1).fit(X, y)

    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="checkpoint_dir")
        make(tmp_path, callbacks=[Trains()]).fit(X, y)
        search = GridSearchCV(
            tiny_regressor(checkpoint_dir=tmp_path, epochs=3, batch_size=4),
            {"learning_rate": [1e-3, 2e-3, 3e-3]},
            cv=2,
            n_jobs=2,
            scoring=metrics.neg_mean_squared_error,
        ).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert not os.listdir(tmp_path)


def test_a_training_of_another_machine_counts_as_running(faces, tmp_path, monkeypatch):
    X, y = faces
    monkeypatch.setattr("platform.node", lambda: "elsewhere")
    interrupt(tmp_path, X, y)
    monkeypatch.undo()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="checkpoint_dir")
        make(tmp_path, epochs=2).fit(X, y)


def test_a_damaged_file_starts_anew_and_says_so(faces, tmp_path):
    X, y = faces
    interrupt(tmp_path, X, y)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.warns(UserWarning, match=r"is damaged.*starts anew"):
        fitted = make(tmp_path).fit(X, y)
    assert fitted[-1].history_ == make(None).fit(X, y)[-1].history_


def test_what_goes_on_by_itself_leaves_no_files(faces, tmp_path):
    X, y = faces
    fitted = tiny_regressor(checkpoint_dir=tmp_path, warm_start=True).fit(X, y)
    fitted.fit(X, y).partial_fit(X, y)
    assert len(fitted.history_["loss"]) == 5
    assert not os.listdir(tmp_path)


def enclosing(number):
    return lambda x: x * number


def schedule(rate):
    return keras.optimizers.schedules.ExponentialDecay(1e-3, 10, rate)


class Plain:
    def __init__(self, value):
        self.value = value


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": 1, "b": [2.0, None]}, {"b": [2.0, None], "a": 1}, True),
        ({"a": 1}, {"a": 1.0}, False),
        (np.arange(3), np.arange(3), True),
        (np.arange(3), np.arange(3.0), False),
        (np.array([1.0, np.nan]), np.array([np.nan, 1.0]), False),
        (MaskedHuber(2.0), MaskedHuber(2.0), True),
        ({"b", "a"}, {"a", "b"}, True),
        ({"b"}, {"a"}, False),
        ({"b": 1}, {"b": True}, False),
        (1, True, False),
        (lambda x: x + 1, lambda x: x + 2, False),
        (lambda x: x + 1, lambda x: x + 1, True),
        (lambda x: np.sin(x), lambda x: np.cos(x), False),
        (enclosing(1), enclosing(2), False),
        (
            functools.partial(tiny_network, width=2),
            functools.partial(tiny_network, width=3),
            False,
        ),
        (functools.partial(tiny_network, width=2), functools.partial(tiny_network, width=2), True),
        (keras.initializers.HeNormal(1), keras.initializers.HeNormal(1), True),
        (keras.initializers.HeNormal(1), keras.initializers.HeNormal(2), False),
        (schedule(0.9), schedule(0.9), True),
        (schedule(0.9), schedule(0.8), False),
        (keras.optimizers.SGD(schedule(0.9)), keras.optimizers.SGD(schedule(0.9)), True),
        (keras.optimizers.SGD(schedule(0.9)), keras.optimizers.SGD(schedule(0.8)), False),
        (np.array([1, "a"], object), np.array([1, "a"], object), True),
        (np.array([1, "a"], object), np.array([1, "b"], object), False),
        (Plain(1), Plain(1), True),
        (Plain(1), Plain(2), False),
        (np.random.RandomState(1), np.random.RandomState(1), True),
        (np.random.RandomState(1), np.random.RandomState(2), False),
        (MaskedHuber(2.0), MaskedHuber(3.0), False),
        (tiny_network, tiny_network, True),
        (tiny_network, make, False),
        (AugmentTransformer(flip=0.5), AugmentTransformer(flip=0.5), True),
        (AugmentTransformer(flip=0.5), AugmentTransformer(flip=0.4), False),
    ],
)
def test_fingerprint_tells_settings_apart(one, other, same):
    images = np.zeros((3, 4, 4, 1), np.uint8)
    assert (fingerprint(images, one) == fingerprint(images, other)) == same


def test_fingerprint_tells_images_apart():
    images = np.zeros((1500, 4, 4, 1), np.uint8)
    others = images.copy()
    others[-1, -1, -1] = 1
    found = {fingerprint(x, None) for x in (images, others, images[:, :2], images.astype(float))}
    assert len(found) == 4
    assert fingerprint(images[::-1], None) in found


def altered_contents(manifest, parts):
    """A checkpoint with one thing after the other changed, hashes right."""
    for number in range(len(places(manifest["training"]))):
        for value in [HOSTILE_VALUES[(7 * number + i) % len(HOSTILE_VALUES)] for i in range(2)]:
            changed = copy.deepcopy(manifest)
            container, key = places(changed["training"])[number]
            container[key] = value
            yield f"{key}={str(value)[:30]!r}", put_together(changed, parts)
        changed = copy.deepcopy(manifest)
        container, key = places(changed["training"])[number]
        del container[key]
        yield f"without {key}", put_together(changed, parts)
    for name in parts:
        less = {n: part for n, part in parts.items() if n != name}
        yield f"without {name}", put_together(manifest, less)
    names = sorted(parts)
    yield (
        "parts in another order",
        put_together(
            manifest, dict(zip(names, [parts[name] for name in reversed(names)], strict=True))
        ),
    )
    yield "training=[]", put_together({**manifest, "training": []}, parts)
    yield "more", put_together({**manifest, "more": 1}, parts)


@pytest.mark.slow
def test_whatever_is_altered_starts_anew(faces, tmp_path):
    """Or goes on, where the change is a number that may have been; nothing else is raised."""
    run_altered(faces, tmp_path, 1)


def test_what_is_altered_starts_anew(faces, tmp_path):
    run_altered(faces, tmp_path, 13)


def run_altered(faces, tmp_path, every):
    X, y = faces[0][:16, ::8, ::8], faces[1][:16] / 8
    # Nothing is compiled, which is most of what such a fit takes.
    options = {
        "epochs": 3, "batch_size": 8, "network__width": 2, "compile__run_eagerly": True
    }  # fmt: skip
    with pytest.warns(UserWarning, match="interrupted"):
        tiny_regressor(
            checkpoint_dir=tmp_path, callbacks=[PressCtrlC(2, 0)], patience=2, **options
        ).fit(X, y)
    (path,) = tmp_path.iterdir()
    manifest, parts = take_apart(path.read_bytes())
    anew = 0
    for done, data in list(altered_contents(manifest, parts))[::every]:
        path.write_bytes(data)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                fitted = tiny_regressor(checkpoint_dir=tmp_path, patience=2, **options).fit(X, y)
            except Exception as error:
                raise AssertionError(done) from error
        anew += any("starts anew" in str(item.message) for item in caught)
        assert all(len(v) <= 3 for v in fitted.history_.values()), done
    assert anew


def test_another_network_of_the_same_name_starts_anew(faces, tmp_path):
    """What a function makes may depend on what the fingerprint does not see."""
    X, y = faces
    units = [3]

    def network(image_shape, n_outputs):
        images = keras.Input(image_shape)
        x = keras.layers.Flatten()(keras.layers.AveragePooling2D(32)(images))
        x = keras.layers.Dense(units[0])(x)
        return keras.Model(images, keras.layers.Dense(n_outputs)(x))

    with pytest.warns(UserWarning, match="interrupted"):
        make_of(network, tmp_path, callbacks=[PressCtrlC(2, 1)]).fit(X, y)
    units[0] = 4
    with pytest.warns(UserWarning, match="another network.*starts anew"):
        fitted = make_of(network, tmp_path).fit(X, y)
    assert len(fitted.history_["loss"]) == 4
    assert not os.listdir(tmp_path)


def make_of(network, folder, **options):
    return KeypointRegressor(
        network,
        epochs=4,
        batch_size=8,
        verbose=0,
        random_state=0,
        checkpoint_dir=folder,
        **options,
    )


def test_a_training_that_diverges_says_so(faces, tmp_path):
    """The loss of the first epoch, of one step, is a number; what is validated is none."""
    X, y = faces
    options = {
        "optimizer": "sgd", "learning_rate": 1e30, "learning_rate_schedule": "constant",
        "batch_size": 64, "epochs": 4, "weight_average": 0.0,
    }  # fmt: skip
    for folder in (None, tmp_path):
        with pytest.raises(DivergedError):
            tiny_regressor(checkpoint_dir=folder, **options).fit(X, y)


def test_files_of_others_stay(faces, tmp_path):
    X, y = faces
    interrupt(tmp_path, X, y)
    (path,) = tmp_path.iterdir()
    temporary = tmp_path / f"{path.name}.{'0' * 16}.tmp"
    others = [tmp_path / f"{path.name}{end}" for end in ("-backup", ".tmp", ".123.tmp")]
    for one in (temporary, *others):
        one.write_text("")
    make(tmp_path).fit(X, y)
    assert sorted(tmp_path.iterdir()) == sorted(others)


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_no_link_is_followed(faces, tmp_path):
    X, y = faces
    interrupt(tmp_path, X, y)
    (path,) = tmp_path.iterdir()
    target = tmp_path / "target"
    path.rename(target)
    before = target.read_bytes()
    path.symlink_to(target)
    with pytest.warns(UserWarning, match="is a link.*starts anew"):
        interrupt(tmp_path, X, y)
    assert target.read_bytes() == before
    assert not path.is_symlink()
