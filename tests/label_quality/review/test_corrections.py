"""Labels that follow from the journal: replayed, undone, swapped."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_kpd.label_quality._review import corrections
from sklearn_kpd.label_quality._review.corrections import Corrections, entry_of
from tests.label_quality.review.helpers import LABELS, NAMES

ROWS = [2, 0, 3]

COORDINATE = st.floats(-50, 200).map(lambda value: round(value, 3))
POINT = st.none() | st.tuples(COORDINATE, COORDINATE).map(list)
CHANGE = st.fixed_dictionaries(
    {
        "action": st.sampled_from(corrections.CHANGES),
        "row": st.sampled_from(ROWS),
        "points": st.dictionaries(st.sampled_from(NAMES), POINT, min_size=1),
    }
)
SHOW = st.fixed_dictionaries(
    {
        "action": st.just("show"),
        "row": st.sampled_from(ROWS),
        "looked_at": st.none() | st.sampled_from(ROWS),
    }
)


def start():
    return Corrections(LABELS, NAMES, ROWS)


def seen(now):
    return now.row, now.looked_at, now.changed, now.can_undo, now.corrected().tolist()


@given(st.lists(CHANGE | SHOW))
def test_undone_to_the_end_all_is_as_it_was(entries):
    now = start()
    for entry in entries:
        now.apply(entry)
    while now.can_undo:
        now.apply({"action": "undo"})
    np.testing.assert_array_equal(now.corrected(), LABELS)
    assert now.changed == []
    with pytest.raises(ValueError, match="no change to take back"):
        now.apply({"action": "undo"})


@given(st.lists(CHANGE | SHOW), CHANGE)
def test_one_undo_takes_back_one_change_and_goes_there(entries, change):
    now = start()
    for entry in entries:
        now.apply(entry)
    before = now.corrected()
    now.apply(change)
    assert now.row == change["row"]
    now.apply({"action": "show", "row": 0, "looked_at": None})
    now.apply({"action": "undo"})
    np.testing.assert_array_equal(now.corrected(), before)
    assert now.row == change["row"]


@given(st.lists(CHANGE | SHOW | st.just({"action": "undo"})))
def test_a_replay_gives_the_same_state(entries):
    now, kept = start(), []
    for entry in entries:
        try:
            now.apply(entry)
        except ValueError:  # nothing to undo
            continue
        kept.append(json.dumps(entry))
    again = start()
    for line in kept:
        again.apply(json.loads(line))
    assert str(seen(again)) == str(seen(now))


def test_labels_that_came_in_are_left_alone():
    before = LABELS.copy()
    now = start()
    now.apply({"action": "move", "row": 0, "points": {"nose": [1, 2]}})
    np.testing.assert_array_equal(LABELS, before)
    assert now.corrected()[0, 2].tolist() == [1, 2]


def test_what_comes_back_to_what_it_was_is_not_changed():
    now = start()
    now.apply({"action": "move", "row": 3, "points": {"nose": [1, 2]}})
    assert now.changed == [3]
    now.apply({"action": "move", "row": 3, "points": {"nose": [43, 53]}})
    assert now.changed == []
    assert now.can_undo


def test_after_the_last_comes_the_first_that_was_skipped():
    now = start()
    for _, there, looked_at in ((2, 0, None), (0, 3, 0)):
        assert now.neighbour(1) == there
        now.apply({"action": "show", "row": there, "looked_at": looked_at})
    assert now.neighbour(-1) == 0
    assert now.neighbour(1) == 2
    now.apply({"action": "show", "row": 2, "looked_at": 3})
    assert now.neighbour(-1) == 2
    now.apply({"action": "show", "row": 3, "looked_at": 2})
    assert now.neighbour(1) == 3  # all were looked at


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({}, "action None is unknown"),
        ({"action": "format disk"}, "is unknown"),
        ({"action": "move", "row": 1, "points": {"nose": [1, 2]}}, "row 1 is not looked at"),
        ({"action": "move", "row": True, "points": {"nose": [1, 2]}}, "row True"),
        ({"action": "move", "row": [2], "points": {"nose": [1, 2]}}, r"row \[2\]"),
        ({"action": "move", "row": 2, "points": {"ear": [1, 2]}}, "keypoint 'ear' is unknown"),
        ({"action": "move", "row": 2, "points": {}}, "points are missing"),
        ({"action": "move", "row": 2}, "points are missing"),
        ({"action": "move", "row": 2, "points": {"nose": [1]}}, "no point"),
        ({"action": "move", "row": 2, "points": {"nose": "12"}}, "no coordinate"),
        ({"action": "move", "row": 2, "points": {"nose": [1, float("nan")]}}, "no coordinate"),
        ({"action": "move", "row": 2, "points": {"nose": [1, 1e300]}}, "no coordinate"),
        ({"action": "move", "row": 2, "points": {"nose": [1, True]}}, "no coordinate"),
        ({"action": "show", "row": 9}, "row 9"),
        ({"action": "show", "row": 2, "looked_at": 9}, "row 9"),
    ],
)
def test_what_is_no_entry_changes_nothing(entry, reason):
    now = start()
    before = str(seen(now))
    with pytest.raises(ValueError, match=reason):
        now.apply(entry)
    assert str(seen(now)) == before


@given(st.permutations(range(7)), st.integers(0, 3))
def test_swapped_twice_is_as_before(order, n_pairs):
    points, pairs = np.arange(14.0).reshape(7, 2), order[: 2 * n_pairs]
    once = corrections.swapped(points, pairs)
    np.testing.assert_array_equal(corrections.swapped(once, pairs), points)
    for a, b in zip(pairs[::2], pairs[1::2], strict=True):
        np.testing.assert_array_equal(once[[a, b]], points[[b, a]])
    others = order[2 * n_pairs :]
    np.testing.assert_array_equal(once[others], points[others])


def test_only_what_is_predicted_is_accepted():
    predicted = np.array([[1.23456, 2], [np.nan, np.nan], [5, 6]])
    found = corrections.accepted(LABELS[0], [0, 1], predicted)
    np.testing.assert_array_equal(found, [[1.235, 2], [60, 30], [40, 50]])


def test_cleared():
    found = corrections.cleared(LABELS[0], [1])
    np.testing.assert_array_equal(found, [[20, 30], [np.nan, np.nan], [40, 50]])


def test_an_entry_says_what_has_changed_and_no_more():
    after = corrections.cleared(LABELS[1], [1, 2])
    expected = {"action": "clear", "row": 1, "points": {"right_eye": None}}
    assert entry_of("clear", 1, LABELS[1], after, NAMES) == expected
    assert entry_of("clear", 1, LABELS[1], LABELS[1].copy(), NAMES) is None
