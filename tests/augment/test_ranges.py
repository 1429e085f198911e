import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_kpd.augment.ranges import OPERATIONS, resolve_ranges


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_number_and_the_pair_that_it_means_agree(name):
    neutral, symmetric = OPERATIONS[name].neutral, OPERATIONS[name].symmetric
    pair = (neutral - 0.25 if symmetric else 0, neutral + 0.25)
    assert resolve_ranges({name: 0.25}, 1) == resolve_ranges({name: pair}, 1) == {name: pair}


@pytest.mark.parametrize("name", OPERATIONS)
@given(value=st.floats(0, 0.25), strength=st.floats(0, 1))
def test_strength_scales_towards_the_neutral_value(name, value, strength):
    neutral = OPERATIONS[name].neutral
    full = resolve_ranges({name: value}, 1).get(name, (neutral, neutral))
    scaled = resolve_ranges({name: value}, strength).get(name, (neutral, neutral))
    for a, b in zip(full, scaled, strict=True):
        assert b - neutral == pytest.approx(strength * (a - neutral), abs=1e-12)


@pytest.mark.parametrize("name", OPERATIONS)
def test_strength_0_and_magnitude_0_are_nothing(name):
    assert resolve_ranges({name: 0.25}, 0) == {}
    assert resolve_ranges({name: 0}, 1) == {}


@pytest.mark.parametrize(
    ("magnitudes", "strength", "message"),
    [
        ({"rotation": -5}, 1, "rotation=-5 is not a magnitude: it must be 0 or more"),
        ({"noise": float("nan")}, 1, "0 or more"),
        ({"scale": (1.2, 0.8)}, 1, "wrong order"),
        ({"scale": (-0.1, 0.1)}, 1, "scale=.* holds factors and must stay within"),
        ({"scale": 0.5}, 3, "at strength=3"),
        ({"noise": (-0.1, 0.1)}, 1, "must stay within 0 and 1"),
        ({"crop": 0.6}, 1, "must stay within 0 and 0.45"),
        ({"rotation": "much"}, 1, "must be a number of 0 or more, or a .low, high. pair"),
        ({"rotation": (1, 2, 3)}, 1, "pair of degrees"),
        ({"rotation": True}, 1, "must be a number"),
    ],
)
def test_bad_magnitudes(magnitudes, strength, message):
    with pytest.raises(ValueError, match=message):
        resolve_ranges(magnitudes, strength)
