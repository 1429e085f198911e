"""A review under way: nothing counts that is not kept, and it goes on where it was."""

import json
import os
import threading

import numpy as np
import pytest

from sklearn_kpd.label_quality._review.session import OutOfDateError
from tests.label_quality.review import helpers


@pytest.fixture
def now(tmp_path):
    return helpers.session(tmp_path)


def reopened(now, tmp_path):
    """The same review in another process: the journal is all that it has."""
    now._journal.close()
    return helpers.session(tmp_path)


def test_worst_first_and_all_that_the_page_shows(now):
    state = now.state()
    json.dumps(state, allow_nan=False)
    assert (state["row"], state["position"], state["total"]) == (2, 0, 2)
    assert state["names"] == list(helpers.NAMES)
    assert state["counterparts"] == [1, 0, 2]
    assert state["labels"] == helpers.LABELS[2].tolist() == state["before"]
    assert state["predicted"] == helpers.PREDICTED.tolist()
    assert state["region"] == [0, 0, 96, 96]
    (issue,) = state["issues"]
    assert issue == {"kind": "moved", "keypoints": [2], "p_value": 1e-4, "distance": 60.0}
    now.show(0, 2, 1, False)
    assert now.state()["labels"][2] is None
    assert len(now.state()["issues"]) == 2


def test_every_action_is_kept_and_undone_after_a_restart(now, tmp_path):
    now.change(0, 2, "accept", [2])
    now.show(1, 2, 1, True)
    now.change(2, 1, "swap", [0, 1])
    now.change(3, 1, "clear", [1])
    now.change(4, 1, "move", [2], [[40.12345, 51]])
    state = now.state()
    assert state["labels"] == [[21.25, 31.0], None, [40.123, 51.0]]
    assert (state["looked_at"], state["changed"], state["version"]) == (1, 2, 5)
    now = reopened(now, tmp_path)
    assert now.state() == state
    for version, labels in enumerate(
        ([[21.25, 31.0], None, None], [[21.25, 31.0], [61.5, 31.0], None],
         [[61.5, 31.0], [21.25, 31.0], None]), start=5,
    ):  # fmt: skip
        now.undo(version)
        assert now.state()["labels"] == labels
    now.undo(8)
    state = now.state()
    assert (state["row"], state["changed"], state["can_undo"]) == (2, 0, False)
    now.undo(9)  # nothing is left, and nothing happens
    assert now.state() == state


def test_what_changes_nothing_is_not_kept(now):
    now.change(0, 2, "move", [2], [[90, 10]])
    now.show(0, 2, -1, False)
    assert now.state()["version"] == 0
    assert not now.state()["can_undo"]


def test_after_the_last_one(now):
    now.show(0, 2, 1, False)
    now.show(1, 1, 1, True)
    assert now.state()["row"] == 2  # it was skipped
    now.show(2, 2, 1, True)
    assert now.state()["looked_at"] == 2
    now.show(3, now.state()["row"], 1, True)
    assert now.state()["row"] == 1


@pytest.mark.parametrize(
    "act",
    [
        lambda now: now.change(3, 2, "accept", [2]),
        lambda now: now.change(0, 1, "accept", [0]),
        lambda now: now.change("0", 2, "accept", [0]),
        lambda now: now.show(0, 1, 1, True),
        lambda now: now.undo(None),
    ],
)
def test_a_page_that_is_out_of_date_changes_nothing(now, act):
    before = now.state()
    with pytest.raises(OutOfDateError, match="another window"):
        act(now)
    assert now.state() == before


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("move", [0], None), "as many points"),
        (("move", [0], [[1, 2], [3, 4]]), "as many points"),
        (("move", [0], ["ab"]), "no coordinate"),
        (("move", [0], [[1, 2, 3]]), "no point"),
        (("move", [0], [[1, float("inf")]]), "no coordinate"),
        (("move", [], []), "no keypoints"),
        (("clear", [3]), "none of 0 to 2"),
        (("clear", [-1]), "none of 0 to 2"),
        (("clear", [True]), "none of 0 to 2"),
        (("clear", "all"), "no keypoints"),
        (("swap", [0]), "in pairs"),
        (("swap", [0, 1, 1, 2]), "in pairs"),
        (("undo", [0]), "'undo' is unknown"),
        (([1], [0]), "is unknown"),
    ],
)
def test_requests_that_make_no_sense_change_nothing(now, arguments, reason):
    before = now.state()
    with pytest.raises(ValueError, match=reason):
        now.change(0, 2, *arguments)
    assert now.state() == before


@pytest.mark.parametrize(("step", "looked_at"), [(2, True), (0, True), ("1", True), (1, 1)])
def test_steps_that_make_no_sense(now, step, looked_at):
    with pytest.raises(ValueError, match="a step is 1 or -1"):
        now.show(0, 2, step, looked_at)


def test_what_cannot_be_kept_does_not_count(now, tmp_path, monkeypatch):
    before = now.state()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            now.change(0, 2, "accept", [2])
    assert now.state() == before
    assert reopened(now, tmp_path).state() == before


def test_of_two_windows_at_once_one_wins(now):
    failures = []

    def act(value):
        try:
            now.change(0, 2, "move", [0], [[value, value]])
        except OutOfDateError as error:
            failures.append(error)

    threads = [threading.Thread(target=act, args=[value]) for value in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failures) == 7
    assert now.state()["version"] == 1


def test_names_that_tell_no_sides_have_no_counterparts(tmp_path):
    now = helpers.session(tmp_path, names=("a", "b", "c"))
    assert now.state()["counterparts"] == [0, 1, 2]
    now.change(0, 2, "swap", [0, 2])  # two may change places all the same
    assert now.state()["labels"] == helpers.LABELS[2][[2, 1, 0]].tolist()


def test_a_journal_that_does_not_fit_is_named(now, tmp_path):
    now._journal.append({"action": "move", "row": 0, "points": {"nose": [1, 2]}})
    with pytest.raises(ValueError, match="line 2: the row 0 is not looked at"):
        reopened(now, tmp_path)


def test_the_fingerprint_tells_labels_names_and_issues_apart(now, tmp_path):
    data = now._data
    other = helpers.LABELS.copy()
    other[0, 0, 0] += 1e-9
    prints = {
        data.fingerprint(b"issues"),
        data.fingerprint(b"others"),
        helpers.labelled("x", np.zeros((4, 96, 96, 1), np.uint8), helpers.table_of(other))
        .fingerprint(b"issues"),
        helpers.labelled("x", np.zeros((4, 96, 96, 1), np.uint8),
                         helpers.table_of(names=("a", "b", "c"))).fingerprint(b"issues"),
    }  # fmt: skip
    assert len(prints) == 4
    same = helpers.labelled("y", np.ones((4, 96, 96, 1), np.uint8), helpers.table_of())
    assert same.fingerprint(b"issues") == data.fingerprint(b"issues")
