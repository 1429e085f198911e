import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sklearn_kpd._training.schedules import cosine


@given(st.floats(0, 1))
def test_the_rate_stays_between_none_and_all(progress):
    assert 0 <= cosine(progress) <= 1


def test_the_rate_rises_and_then_falls():
    rates = np.array([cosine(p) for p in np.linspace(0, 1, 101)])
    top = rates.argmax()
    assert rates[top] == 1
    assert (np.diff(rates[: top + 1]) > 0).all()
    assert (np.diff(rates[top:]) < 0).all()
    assert rates[0] == 0
    np.testing.assert_allclose(rates[-1], 0, atol=1e-12)
