"""Which logout tokens end a login that is under way: the database's own comparison is the measure of Python's."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from django.db.models import Q

from django_auth0_flow.storage.logout_tokens import SpentLogoutToken

pytestmark = pytest.mark.django_db

CLIENT, ISSUER, SUBJECT, SID = "client", "https://tenant.example/", "auth0|ada", "s1"
NOW = 1_800_000_000
MOMENTS = (NOW - 1, NOW, NOW + 0.5)
ENDED: list[dict[str, Any]] = [{"subject": SUBJECT}, {"sid": SID}, {"sid": "another"}, {"subject": "auth0|grace"}]
SIDS: list[dict[str, Any]] = [{}, {"sid": SID}, {"sid": 5}]
TIMES: list[dict[str, Any]] = [
    *({"auth_time": NOW}, {"auth_time": NOW + 0.25}, {"auth_time": str(NOW)}, {"auth_time": True}),
    *({"auth_time": None}, {"auth_time": [NOW]}, {"auth_time": 0}, {"auth_time": -NOW}, {"auth_time": NOW * 10**5}),
    *({}, {"iat": NOW}, {"iat": NOW, "auth_time": NOW + 1}, {"iat": str(NOW)}),
]
CLAIMS: list[dict[str, Any]] = [{"iss": ISSUER, "sub": SUBJECT, **sid, **times} for sid, times in product(SIDS, TIMES)]


def ended_by_sql(claims: dict[str, Any], began_at: float | None) -> bool:
    """Tell the same as ``has_ended`` by conditions in SQL."""
    authenticated_at = claims.get("auth_time")
    if authenticated_at is None:
        authenticated_at = claims.get("iat") if began_at is None else int(began_at)
    ended = Q(ended_key=SpentLogoutToken.ended_key_for(CLIENT, ISSUER, subject=SUBJECT))
    if isinstance(authenticated_at, (int, float)):
        ended &= Q(issued_at__gte=authenticated_at)
    if key := SpentLogoutToken.ended_key_for(CLIENT, ISSUER, sid=claims.get("sid")):
        ended |= Q(ended_key=key)
    if began_at is not None:
        ended &= Q(received_at__gte=began_at)
    return SpentLogoutToken.objects.filter(ended).exists()


@pytest.mark.parametrize("ended", ENDED, ids=str)
def test_a_login_has_ended_if_sql_says_so(ended: dict[str, Any]) -> None:
    ended_key = SpentLogoutToken.ended_key_for(CLIENT, ISSUER, **ended)
    answers = set()
    for issued_at, now in product(MOMENTS, MOMENTS):
        SpentLogoutToken.objects.all().delete()
        SpentLogoutToken.objects.spend(ISSUER, "jti", expires_at=NOW, ended_key=ended_key, issued_at=issued_at, now=now)
        SpentLogoutToken.objects.spend(ISSUER, "of an embedded login", expires_at=NOW)
        for claims, began_at in product(CLAIMS, (None, *MOMENTS)):
            expected = ended_by_sql(claims, began_at)
            answers.add(expected)
            found = SpentLogoutToken.objects.has_ended(CLIENT, claims, began_at=began_at)
            assert found == expected, (issued_at, now, claims, began_at)
    assert answers == ({True, False} if ended in ENDED[:2] else {False})
