from __future__ import annotations

import pytest

from django_auth0_flow.protocol.deadline import http_deadline, remaining_time
from tests.protocol.conftest import Monotonic


def test_no_deadline() -> None:
    assert remaining_time() is None


def test_remaining_time(monotonic: Monotonic) -> None:
    with http_deadline(10):
        monotonic.advance(4)
        left = remaining_time()
        assert left is not None
        assert 5 < left <= 6
        monotonic.advance(6)
        with pytest.raises(TimeoutError):
            remaining_time()
    assert remaining_time() is None


@pytest.mark.parametrize(("outer", "inner", "least", "most"), [(5, 10, 4, 5), (10, 5, 4, 5)], ids=["outer", "inner"])
def test_the_earlier_of_two_counts(outer: float, inner: float, least: float, most: float) -> None:
    with http_deadline(outer):
        with http_deadline(inner):
            left = remaining_time()
            assert left is not None
            assert least < left <= most
        again = remaining_time()
        assert again is not None
        assert again > outer - 1
