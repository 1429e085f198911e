"""Each fault is named as what it is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_kpd.datasets import make_faces
from sklearn_kpd.keypoints import KAGGLE_KEYPOINTS, flip_permutation
from sklearn_kpd.label_quality._kinds import Row, faults_of

TWINS = flip_permutation(15, KAGGLE_KEYPOINTS)
FACES = make_faces(20, random_state=0)[1].to_numpy().reshape(20, 15, 2)
seeds = st.integers(0, 10_000)


def named(labels, expected, suspicious=None, twins=TWINS):
    m = len(labels)
    row = Row(labels, expected, np.ones(m), twins, degrees=10.0)
    far = np.hypot(*(labels - expected).T) > 4
    return faults_of(row, far if suspicious is None else suspicious, far)


def labelled(rng):
    expected = FACES[rng.integers(len(FACES))]
    return expected, expected + rng.normal(size=expected.shape) * 0.7


@given(seeds)
def test_moved(seed):
    rng = np.random.default_rng(seed)
    expected, labels = labelled(rng)
    k = rng.integers(15)
    labels[k] = expected[k] + [0, -14]
    # a keypoint that lies on its neighbour now could be any fault of the two
    if np.hypot(*(np.delete(expected, k, 0) - labels[k]).T).min() > 5:
        assert named(labels, expected) == [("moved", (k,))]


@given(seeds, st.sampled_from([(0, 1), (10, 11), (10, 14), (2, 13), (7, 8)]))
def test_two_swapped(seed, pair):
    expected, labels = labelled(np.random.default_rng(seed))
    labels[list(pair)] = labels[list(pair[::-1])]
    assert named(labels, expected, np.ones(15, bool))[0] == ("swapped", pair)


@given(seeds)
def test_all_sides_swapped(seed):
    expected, labels = labelled(np.random.default_rng(seed))
    ((kind, keypoints),) = named(labels[TWINS], expected)
    assert kind in ("swapped", "mirrored")  # the same for a face that looks straight ahead
    assert len(keypoints) >= 12


@given(seeds, st.booleans())
def test_mirrored(seed, names_too):
    expected, labels = labelled(np.random.default_rng(seed))
    turned = expected[:, 0] - expected[10, 0]
    labels = labels * [-1, 1] + [95, 0]
    if names_too:
        labels = labels[TWINS]
    if np.hypot(*(labels - expected).T).min() > 5 and abs(turned.mean()) > 4:
        assert named(labels, expected)[0].kind in ("mirrored", "shifted")


def test_mirrored_is_not_shifted_where_the_face_looks_aside():
    expected = FACES[0].copy()
    expected[:, 0] += np.where(np.arange(15) == 10, 12, 0)  # the nose, to one side
    labels = (expected * [-1, 1] + [95, 0])[TWINS]
    assert named(labels, expected)[0].kind == "mirrored"


@given(seeds, st.floats(0, 6.28))
def test_shifted(seed, angle):
    expected, labels = labelled(np.random.default_rng(seed))
    labels += 9 * np.array([np.cos(angle), np.sin(angle)])
    ((kind, keypoints),) = named(labels, expected)
    assert keypoints == tuple(range(15))
    # to the side, it may be what the mirror image of a face is that looks straight ahead
    sideways = abs(np.sin(angle)) < 0.1
    assert kind == "shifted" or (sideways and kind == "mirrored")


def test_wrong_object():
    rng = np.random.default_rng(0)
    expected = FACES[0]
    labels = expected + rng.normal(size=expected.shape) * 8
    assert named(labels, expected, np.ones(15, bool)) == [("wrong object", tuple(range(15)))]


def test_most_keypoints_a_little_off_are_one_fault():
    expected = FACES[0]
    labels = expected + np.random.default_rng(0).choice([-2.5, 2.5], expected.shape)
    assert [fault.kind for fault in named(labels, expected, np.ones(15, bool))] == ["wrong object"]


def test_two_faults_of_one_object_are_two():
    expected = FACES[1]
    labels = expected.copy()
    labels[[0, 1]] = labels[[1, 0]]
    labels[10] += [0, 20]
    found = named(labels, expected)
    assert found == [("swapped", (0, 1)), ("moved", (10,))]


@pytest.mark.parametrize("m", [1, 2])
def test_objects_of_few_keypoints(m):
    expected = FACES[2][:m]
    labels = expected + [30, 0]
    twins = np.arange(m)
    assert {fault.kind for fault in named(labels, expected, twins=twins)} == {"moved"}


@given(seeds)
def test_every_suspicious_keypoint_is_explained(seed):
    rng = np.random.default_rng(seed)
    expected = FACES[rng.integers(len(FACES))]
    labels = expected + rng.normal(size=expected.shape) * rng.choice([1, 5, 20])
    suspicious = rng.random(15) < 0.4
    row = Row(labels, expected, np.ones(15), TWINS, degrees=10.0)
    said = {k for fault in faults_of(row, suspicious, suspicious) for k in fault.keypoints}
    assert set(np.flatnonzero(suspicious)) <= said


def test_what_is_suspicious_for_the_others_sake_is_explained_with_them():
    expected = FACES[3]
    found = named(expected[TWINS], expected, np.ones(15, bool))
    assert len(found) == 1
