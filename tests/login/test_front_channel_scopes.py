"""X2: what a visitor's browser writes beside an access token grants nothing; what the issuer signed into it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from django_auth0_flow.conf import get_client
from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol import redeem as redemption
from django_auth0_flow.protocol.errors import TransportError
from django_auth0_flow.protocol.tokens import TokenSet
from django_auth0_flow.testing.tenant import Tenant, User
from tests.urlconfs.scoped import SCOPE
from tests.visitor import Visitor
from tests.walk import CALLBACK, LOGIN, is_logged_in, with_query

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.urlconfs.scoped")]
Configure = Callable[..., dict[str, Any]]
SITE = "https://testserver"
#: What the tenant grants of what is asked for.
GRANTED = "openid profile email read:appointments"
#: How a visitor may change the fields beside the tokens; None takes one away, which would mean "as requested".
TAMPERED: list[Mapping[str, str | None]] = [
    {"scope": SCOPE},
    {"scope": f"{GRANTED} {SCOPE}"},
    {"scope": None},
    {"scope": ""},
]


@pytest.fixture(autouse=True)
def _site(tenant: Tenant) -> None:
    tenant.application.callbacks = [f"{SITE}{CALLBACK}"]
    assert SCOPE not in tenant.api.scopes
    assert "read:appointments" in tenant.api.scopes


@pytest.fixture
def person(tenant: Tenant) -> Visitor:
    return Visitor(tenant)


def carry(person: Visitor, url: str, changes: Mapping[str, str | None]) -> Any:
    """Log in at the tenant and bring the answer with its fields changed, in whichever way it comes."""
    answer = person.at_tenant(url)
    fields = {name: value for name, value in {**answer.fields, **changes}.items() if value is not None}
    if answer.method == "POST":
        return person.follow(person.post_from_elsewhere(answer.url, fields))
    assert answer.fields["access_token"] in urlsplit(answer.url).fragment
    person.get(f"{SITE}{CALLBACK}")
    return person.follow(person.submit(response=urlencode(fields)))


def assert_not_granted(person: Visitor) -> None:
    """The login has no more scopes than the tenant granted, on any kind of view."""
    assert is_logged_in(person.client)
    assert SCOPE not in LoginSession.objects.get().grant.tokens.scope
    assert person.get(f"{SITE}/drf/").status_code == 403
    assert not person.get(f"{SITE}/scoped/").content.decode().startswith("auth0|")


@pytest.mark.parametrize("mode", ["fragment", "form_post"])
class TestLoginByTokens:
    """``RESPONSE_TYPE`` ``id_token token``."""

    @pytest.fixture(autouse=True)
    def _configure(self, auth0_settings: Configure, mode: str) -> None:
        scope = f"{GRANTED} {SCOPE}"
        auth0_settings(RESPONSE_TYPE="id_token token", RESPONSE_MODE=mode, CLIENT_SECRET="", SCOPE=scope)

    @pytest.mark.parametrize("changes", TAMPERED, ids=str)
    def test_X2_the_field_beside_the_token_grants_nothing(
        self, person: Visitor, mode: str, changes: Mapping[str, str | None]
    ) -> None:
        carry(person, person.start(f"{LOGIN}?next=/bare/"), changes)
        assert LoginSession.objects.get().grant.tokens.scope == set(GRANTED.split())
        assert person.get(f"{SITE}/drf-read/").status_code == 200
        assert_not_granted(person)

    def test_X2_a_page_that_asks_for_it_refuses_after_its_own_round_trip(self, person: Visitor, mode: str) -> None:
        page = carry(person, person.start("/scoped/"), {"scope": SCOPE})
        assert page.status_code == 403
        assert page.context["code"] == "scopes"

    def test_X2_an_opaque_token_has_no_scopes(
        self, person: Visitor, auth0_settings: Configure, tenant: Tenant, mode: str
    ) -> None:
        auth0_settings(
            RESPONSE_TYPE="id_token token", RESPONSE_MODE=mode, CLIENT_SECRET="", SCOPE=f"openid {SCOPE}", AUDIENCE=""
        )
        carry(person, person.start(f"{LOGIN}?next=/bare/"), {"scope": SCOPE})
        assert LoginSession.objects.get().grant.tokens.scope == frozenset()
        assert person.visit("/token/").status_code == 200
        assert_not_granted(person)

    def test_X2_a_token_for_another_api_has_none_here(self, person: Visitor, tenant: Tenant, mode: str) -> None:
        """The visitor may name another API at /authorize, whose scopes are called the same and mean less."""
        tenant.add_api("https://games.example.com", scopes=[SCOPE])
        url = with_query(person.start(f"{LOGIN}?next=/bare/"), audience="https://games.example.com")
        carry(person, url, {})
        assert LoginSession.objects.get().grant.tokens.scope == frozenset()
        assert_not_granted(person)

    @pytest.mark.parametrize("life", ["999999", "31536000", None])
    def test_X2_nobody_prolongs_a_signed_token(
        self, person: Visitor, tenant: Tenant, mode: str, life: str | None
    ) -> None:
        carry(person, person.start(f"{LOGIN}?next=/bare/"), {"expires_in": life})
        assert 0 < (LoginSession.objects.get().grant.tokens.expires_at or 0) <= tenant.clock.now() + 7200

    def test_X2_nor_an_opaque_one_beyond_a_day(
        self, person: Visitor, tenant: Tenant, auth0_settings: Configure, mode: str
    ) -> None:
        auth0_settings(
            RESPONSE_TYPE="id_token token", RESPONSE_MODE=mode, CLIENT_SECRET="", SCOPE="openid", AUDIENCE=""
        )
        carry(person, person.start(f"{LOGIN}?next=/bare/"), {"expires_in": "31536000"})
        assert LoginSession.objects.get().grant.tokens.expires_at == pytest.approx(tenant.clock.now() + 86400, abs=60)


class TestTokenForALogin:
    """``RESPONSE_TYPE`` ``id_token``, and ``auth0_login_required(access_token=True)``."""

    @pytest.fixture(autouse=True, params=["form_post", "resource"])
    def _configure(self, auth0_settings: Configure, tenant: Tenant, request: pytest.FixtureRequest) -> None:
        api = {"AUDIENCE": "", "RESOURCE": tenant.api.identifier} if request.param == "resource" else {}
        auth0_settings(RESPONSE_TYPE="id_token", CLIENT_SECRET="", SCOPE=GRANTED, **api)

    @pytest.fixture
    def visitor(self, person: Visitor) -> Visitor:
        person.visit("/bare/")
        return person

    @pytest.mark.parametrize("changes", TAMPERED, ids=str)
    def test_X2_the_field_beside_the_token_grants_nothing(
        self, visitor: Visitor, changes: Mapping[str, str | None]
    ) -> None:
        page = carry(visitor, visitor.start("/scoped-with-token/"), changes)
        assert (page.status_code, page.context["code"]) == (403, "scopes")
        assert LoginSession.objects.get().grant.tokens.scope == set(GRANTED.split())
        assert_not_granted(visitor)

    def test_X2_what_the_tenant_granted_counts(self, visitor: Visitor) -> None:
        assert "read:appointments" in visitor.visit("/with-scope/").content.decode()
        assert visitor.get(f"{SITE}/drf-read/").status_code == 200

    def test_X2_an_opaque_token_fetched_without_the_audience_has_no_scopes(self, visitor: Visitor) -> None:
        opaque = with_query(visitor.start("/with-token/"), audience=None, resource=None)
        page = carry(visitor, opaque, {"scope": f"{GRANTED} {SCOPE}"})
        tokens = LoginSession.objects.get().grant.tokens
        assert page.status_code == 200
        assert (tokens.access_token or "").count(".") != 2
        assert tokens.scope == frozenset()
        assert_not_granted(visitor)

    def test_X2_nobody_prolongs_it(self, visitor: Visitor, tenant: Tenant) -> None:
        carry(visitor, visitor.start("/with-token/"), {"expires_in": "999999"})
        assert 0 < (LoginSession.objects.get().grant.tokens.expires_at or 0) <= tenant.clock.now() + 7200


def test_X2_with_a_code_the_token_endpoint_alone_says_the_scopes(
    person: Visitor, auth0_settings: Configure, tenant: Tenant
) -> None:
    auth0_settings(RESPONSE_TYPE="code id_token", SCOPE=f"{GRANTED} {SCOPE}")
    token = tenant.make_access_token()
    changes = {"scope": SCOPE, "access_token": token, "token_type": "Bearer", "expires_in": "999999"}
    carry(person, person.start(f"{LOGIN}?next=/bare/"), changes)
    tokens = LoginSession.objects.get().grant.tokens
    assert tokens.scope == set(GRANTED.split())
    assert tokens.access_token != token
    assert tokens.expires_at == pytest.approx(tenant.clock.now() + tenant.api.lifetime, abs=60)
    assert_not_granted(person)


class TestVouchedFor:
    """What an access token must be for its scopes to count."""

    @staticmethod
    def claims(tenant: Tenant, **changes: Any) -> dict[str, Any]:
        now = int(tenant.clock.now())
        good = {
            "iss": tenant.issuer,
            "sub": tenant.user.sub,
            "aud": tenant.api.identifier,
            "azp": tenant.application.client_id,
            "iat": now,
            "exp": now + 600,
            "scope": "a b",
        }
        return {name: value for name, value in {**good, **changes}.items() if value is not None}

    @staticmethod
    def vouched(tenant: Tenant, token: str, **options: Any) -> TokenSet:
        values = {"subject": tenant.user.sub, "audience": tenant.api.identifier, **options}
        tokens = TokenSet(access_token=token, expires_at=tenant.clock.now() + 7200, scope=frozenset())
        return redemption.vouched_for(get_client(), tokens, **values)

    @pytest.fixture(autouse=True)
    def _configure(self, auth0_settings: Configure) -> None:
        auth0_settings()

    @pytest.mark.parametrize("changes", [{}, {"azp": None}, {"azp": None, "client_id": "own"}], ids=str)
    def test_X2_a_good_one(self, tenant: Tenant, changes: dict[str, Any]) -> None:
        if changes.get("client_id"):
            changes = {**changes, "client_id": tenant.application.client_id}
        claims = self.claims(tenant, **changes)
        found = self.vouched(tenant, tenant.sign(claims))
        assert found.scope == {"a", "b"}
        assert found.expires_at == claims["exp"]

    def test_X2_the_browsers_shorter_life_is_kept(self, tenant: Tenant) -> None:
        now = int(tenant.clock.now())
        found = self.vouched(tenant, tenant.sign(self.claims(tenant, exp=now + 99999)))
        assert found.expires_at == pytest.approx(now + 7200, abs=60)

    @pytest.mark.parametrize(
        "changes",
        [
            {"sub": "auth0|somebody-else"},
            {"aud": "https://other.example.com"},
            {"iss": "https://other.example.com/"},
            {"exp": 1},
            {"azp": "another-client"},
            {"azp": None, "client_id": "another-client"},
            {"nonce": "x"},
            {"scope": None},
            {"scope": ["a", "b"]},
            {"scope": 7},
        ],
        ids=str,
    )
    def test_X2_any_other_has_no_scopes(self, tenant: Tenant, changes: dict[str, Any]) -> None:
        assert self.vouched(tenant, tenant.sign(self.claims(tenant, **changes))).scope == frozenset()

    def test_X2_a_forged_one_has_none(self, tenant: Tenant) -> None:
        good = tenant.sign(self.claims(tenant, scope="a"))
        wanted = tenant.sign(self.claims(tenant, scope="a b"))
        header, _, signature = good.split(".")
        assert self.vouched(tenant, ".".join((header, wanted.split(".")[1], signature))).scope == frozenset()
        assert self.vouched(tenant, tenant.sign(self.claims(tenant), alg="none")).scope == frozenset()

    def test_X2_without_a_known_audience_none_can_be_judged(self, tenant: Tenant) -> None:
        assert self.vouched(tenant, tenant.sign(self.claims(tenant)), audience="").scope == frozenset()

    @pytest.mark.parametrize("token", ["opaque", "a.b", "a.b.c", "a.b.c.d.e"])
    def test_X2_what_is_no_jwt_has_none(self, tenant: Tenant, token: str) -> None:
        assert self.vouched(tenant, token).scope == frozenset()

    def test_X2_one_that_was_fetched_without_a_known_audience_is_taken_without_scopes(self, tenant: Tenant) -> None:
        """A tenant may have a default API: such a JWT is its user's, and says nothing about this site's."""
        tokens = TokenSet(access_token=tenant.make_access_token(), expires_at=tenant.clock.now() + 60)
        found = redemption.check_access_token(get_client(), tokens, subject=tenant.user.sub, audience="")
        assert found == tokens

    def test_X2_keys_out_of_reach_are_no_answer(self, tenant: Tenant) -> None:
        token = tenant.sign(self.claims(tenant))
        for fault in ("status", "status"):
            tenant.fault(fault, endpoint="jwks", status=503)
        with pytest.raises(TransportError):
            self.vouched(tenant, token)


def test_X2_another_persons_token_is_stopped_by_its_hash_before_its_scopes_are_read(
    person: Visitor, auth0_settings: Configure, tenant: Tenant
) -> None:
    auth0_settings(RESPONSE_TYPE="id_token token", RESPONSE_MODE="form_post", CLIENT_SECRET="", SCOPE=GRANTED)
    grace: User = next(user for user in tenant.users.values() if user.nickname == "grace")
    page = carry(person, person.start(LOGIN), {"access_token": tenant.make_access_token(grace)})
    assert (page.status_code, page.context["code"]) == (400, "token_at_hash")
    assert not LoginSession.objects.exists()
