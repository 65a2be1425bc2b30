"""Pushed and signed requests, private_key_jwt with key roll-over, certificates, ``resource``: settings, whole logins."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from django.test import Client

from django_auth0_flow.checks import check_project, check_settings
from django_auth0_flow.conf import get_client, get_settings
from django_auth0_flow.login import transactions
from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.client_auth import ASSERTION_TYPE
from django_auth0_flow.protocol.embedded_grants import PASSWORDLESS_OTP
from django_auth0_flow.testing.tenant import Tenant
from tests.client_keys import Certificates, client_key, make_certificates, tls_edge
from tests.visitor import Visitor
from tests.walk import NAVIGATE, assert_nothing_stored, code_shown, come_back, is_logged_in, query_of, start, walk

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("auth0_settings")]

Configure = Callable[..., dict[str, Any]]
GOOD = {"DOMAIN": "example.eu.auth0.com", "CLIENT_ID": "id", "CLIENT_SECRET": "secret"}
PAR = "/oauth/par"


def asked(tenant: Tenant, path: str) -> list[dict[str, str]]:
    """Return the parameters of each request to ``path``."""
    found = [request.form for request in tenant.requests if request.path == path]
    return [{name: "".join(values) for name, values in form.items()} for form in found]


def with_keys(tenant: Tenant, configure: Configure, *names: str, known: str = "new", **keys: Any) -> None:
    """Let the site sign with the keys called ``names``, newest first, and the tenant know the one called ``known``."""
    tenant.application.token_endpoint_auth_method = "private_key_jwt"
    tenant.application.public_keys = {known: client_key(known).public_pem}
    entries = [{"key": client_key(name).pem, "kid": name, "alg": "RS256"} for name in names]
    configure(CLIENT_SECRET="", CLIENT_ASSERTION_KEYS=entries, **keys)


class TestPushedRequests:
    @pytest.fixture(autouse=True)
    def _pushed(self, tenant: Tenant, auth0_settings: Configure) -> None:
        tenant.application.require_par = True
        auth0_settings(PUSHED_AUTHORIZATION=True)

    def test_the_browser_gets_a_reference_and_nothing_else(self, client: Client, tenant: Tenant) -> None:
        url = start(client, login_hint="ada@example.com")
        query = query_of(url)
        assert set(query) == {"client_id", "request_uri"}
        assert query["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")
        form = asked(tenant, PAR)[0]
        assert form["login_hint"] == "ada@example.com"
        assert form["code_challenge_method"] == "S256"
        assert {"state", "nonce", "redirect_uri", "audience"} <= set(form)
        assert come_back(client, tenant.login(url)).status_code == 302
        assert is_logged_in(client)

    def test_a_warm_login_is_two_calls(self, client: Client, tenant: Tenant) -> None:
        walk(client, tenant)
        tenant.clear_log()
        url = start(Client())
        assert [request.path for request in tenant.requests] == [PAR]
        assert "request_uri" in query_of(url)

    def test_step_up_and_restarted_logins_are_pushed_too(self, client: Client, tenant: Tenant) -> None:
        walk(client, tenant)
        tenant.clock.advance(301)
        answer = client.get("/recent/", headers=NAVIGATE)
        assert set(query_of(answer["Location"])) == {"client_id", "request_uri"}
        assert asked(tenant, PAR)[-1]["max_age"] == "300"
        url = start(client)
        state = asked(tenant, PAR)[-1]["state"]
        del client.cookies["sessionid"]
        answer = client.get("/auth0/callback/", {"state": state, "code": "x"})
        assert (url != answer["Location"], set(query_of(answer["Location"]))) == (True, {"client_id", "request_uri"})

    @pytest.mark.parametrize(
        ("status", "error", "code"),
        [
            (400, "invalid_request", "invalid_request"),
            (401, "access_denied", "client_rejected"),
            (401, "invalid_client", "client_rejected"),
            (403, "unauthorized_client", "client_rejected"),
            (413, "invalid_request", "invalid_request"),
            (400, "something new", "oauth_error"),
        ],
    )
    @pytest.mark.parametrize("path", ["/auth0/login/", "/strong/"])
    def test_a_refused_push_is_an_error_page(
        self, client: Client, tenant: Tenant, path: str, status: int, error: str, code: str
    ) -> None:
        tenant.fault("status", endpoint="par", status=status, body={"error": error, "error_description": "<b>why"})
        answer = client.get(path, headers=NAVIGATE)
        assert (answer.status_code, code_shown(answer)) == (400, code)
        assert b"<b>why" not in answer.content
        assert not client.session.get(transactions.SESSION_KEY), "a login that did not begin is not under way"

    @pytest.mark.parametrize(
        ("fault", "options", "code"),
        [
            ("drop", {}, "tenant_unreachable"),
            ("status", {"status": 503, "body": "down"}, "tenant_unreachable"),
            ("rate-limit", {"retry_after": 7}, "rate_limited"),
            ("html", {}, "malformed_answer"),
            ("status", {"status": 201, "body": {"expires_in": 30}}, "malformed_answer"),
            ("status", {"status": 201, "body": {"request_uri": ["urn:x"]}}, "malformed_answer"),
            ("status", {"status": 201, "body": {"request_uri": "urn:x\r\nSet-Cookie: a"}}, "malformed_answer"),
            ("redirect", {}, "malformed_answer"),
        ],
    )
    @pytest.mark.parametrize("path", ["/auth0/login/", "/strong/"])
    def test_an_answer_that_cannot_be_used_is_502_and_none_at_all_503(
        self, client: Client, tenant: Tenant, path: str, fault: str, options: dict[str, Any], code: str
    ) -> None:
        tenant.fault(fault, endpoint="par", **options)
        answer = client.get(path, headers=NAVIGATE)
        status = 502 if code == "malformed_answer" else 503
        assert (answer.status_code, code_shown(answer)) == (status, code)
        assert (int(answer.get("Retry-After", "0")) > 0) is (status == 503)
        assert client.get(path, headers=NAVIGATE).status_code == 302

    def test_a_tenant_that_takes_none_is_a_mistake_of_the_set_up_never_a_plain_request(
        self, client: Client, tenant: Tenant
    ) -> None:
        tenant.allow_par = tenant.application.require_par = False
        answer = client.get("/auth0/login/", headers=NAVIGATE)
        assert (answer.status_code, code_shown(answer)) == (400, "par_unsupported")

    def test_a_used_reference_is_the_tenants_to_refuse(self, client: Client, tenant: Tenant) -> None:
        url = start(client)
        tenant.login(url)
        with pytest.raises(Exception, match="unknown, used or expired"):
            tenant.login(url)


class TestSignedRequests:
    @pytest.fixture(autouse=True)
    def _signed(self, tenant: Tenant, auth0_settings: Configure) -> None:
        tenant.application.require_jar = True
        with_keys(tenant, auth0_settings, "new", SIGNED_REQUESTS=True)

    def test_every_parameter_is_inside(self, client: Client, tenant: Tenant) -> None:
        url = start(client, login_hint="ada")
        query = query_of(url)
        assert set(query) == {"client_id", "request"}
        assert jwt.get_unverified_header(query["request"]) == {
            "alg": "RS256",
            "typ": "oauth-authz-req+jwt",
            "kid": "new",
        }
        public = client_key("new").public_pem
        claims = jwt.decode(query["request"], public, ["RS256"], audience=tenant.issuer)
        assert claims["iss"] == claims["client_id"] == tenant.application.client_id
        assert claims["aud"] == tenant.issuer
        assert claims["login_hint"] == "ada"
        assert {"state", "nonce", "redirect_uri", "scope", "code_challenge", "jti"} <= set(claims)
        assert 0 < claims["exp"] - claims["iat"] <= 300
        assert len(claims["jti"]) <= 64
        assert come_back(client, tenant.login(url)).status_code == 302
        assert is_logged_in(client)

    def test_numbers_are_numbers(self, client: Client, tenant: Tenant) -> None:
        answer = client.get("/recent/", headers=NAVIGATE)
        claims = jwt.decode(query_of(answer["Location"])["request"], options={"verify_signature": False})
        assert claims["max_age"] == 300
        assert come_back(client, tenant.login(answer["Location"]))["Location"] == "/recent/"

    @pytest.mark.parametrize("algorithm", ["RS384", "PS256"])
    def test_algorithms(
        self, client: Client, tenant: Tenant, auth0_settings: Configure, algorithm: str, tmp_path: Path
    ) -> None:
        path = tmp_path / "key.pem"
        path.write_text(client_key("new").pem)
        keys = [{"key": str(path), "alg": algorithm}]
        auth0_settings(CLIENT_SECRET="", CLIENT_ASSERTION_KEYS=keys, SIGNED_REQUESTS=True)
        walk(client, tenant)
        assert is_logged_in(client)
        assertion = asked(tenant, "/oauth/token")[0]["client_assertion"]
        assert jwt.get_unverified_header(assertion) == {"alg": algorithm, "typ": "JWT"}

    def test_signed_and_pushed(self, client: Client, tenant: Tenant, auth0_settings: Configure) -> None:
        tenant.application.require_par = True
        with_keys(tenant, auth0_settings, "new", SIGNED_REQUESTS=True, PUSHED_AUTHORIZATION=True)
        walk(client, tenant)
        assert is_logged_in(client)
        assert set(asked(tenant, PAR)[0]) == {
            "client_id",
            "request",
            "client_assertion",
            "client_assertion_type",
        }

    def test_signed_beside_a_client_secret(self, client: Client, tenant: Tenant, auth0_settings: Configure) -> None:
        tenant.application.token_endpoint_auth_method = "client_secret_post"
        keys = [{"key": client_key("new").pem}]
        auth0_settings(CLIENT_AUTH="client_secret_post", CLIENT_ASSERTION_KEYS=keys, SIGNED_REQUESTS=True)
        walk(client, tenant)
        assert is_logged_in(client)
        assert "client_assertion" not in asked(tenant, "/oauth/token")[0]

    def test_a_key_that_the_tenant_does_not_know_is_followed_by_the_next_when_pushing(
        self, client: Client, tenant: Tenant, auth0_settings: Configure
    ) -> None:
        names = ("unknown", "new")
        tenant.application.token_endpoint_auth_method = "client_secret_post"
        entries = [{"key": client_key(name).pem, "kid": name} for name in names]
        auth0_settings(
            CLIENT_AUTH="client_secret_post",
            CLIENT_ASSERTION_KEYS=entries,
            SIGNED_REQUESTS=True,
            PUSHED_AUTHORIZATION=True,
        )
        walk(client, tenant)
        assert is_logged_in(client)
        kids = [jwt.get_unverified_header(form["request"])["kid"] for form in asked(tenant, PAR)]
        assert kids == ["unknown", "new"]


def kids(tenant: Tenant, path: str = "/oauth/token") -> list[str]:
    """Return the ids of the keys that signed the assertions sent to ``path``."""
    return [jwt.get_unverified_header(form["client_assertion"])["kid"] for form in asked(tenant, path)]


class TestPrivateKeyJwt:
    def test_login_refresh_and_revocation(self, client: Client, tenant: Tenant, auth0_settings: Configure) -> None:
        with_keys(tenant, auth0_settings, "new")
        walk(client, tenant)
        tenant.clock.advance(86400)
        assert client.get("/token/").status_code == 200
        client.post("/auth0/logout/")
        sent = [*asked(tenant, "/oauth/token"), *asked(tenant, "/oauth/revoke")]
        assert [form.get("grant_type", "revoke") for form in sent] == [
            "authorization_code",
            "refresh_token",
            "revoke",
        ]
        assert all(form["client_assertion_type"] == ASSERTION_TYPE for form in sent)
        assert not any("client_secret" in form for form in sent)
        assert tenant.refresh_tokens.revoke_all(tenant.user.sub) == 0

    def test_F16_the_audience_is_the_issuer_and_nobody_else(
        self, client: Client, tenant: Tenant, auth0_settings: Configure
    ) -> None:
        with_keys(tenant, auth0_settings, "new", PUSHED_AUTHORIZATION=True)
        walk(client, tenant)
        assertions = [asked(tenant, path)[0]["client_assertion"] for path in (PAR, "/oauth/token")]
        claims = [jwt.decode(text, options={"verify_signature": False}) for text in assertions]
        assert [found["aud"] for found in claims] == [tenant.issuer, tenant.issuer]
        assert all(found["iss"] == found["sub"] == tenant.application.client_id for found in claims)
        assert all(found["exp"] - found["iat"] <= 60 for found in claims)
        assert claims[0]["jti"] != claims[1]["jti"]
        assert max(map(len, assertions)) <= 2048

    def test_the_json_endpoints(self, tenant: Tenant, auth0_settings: Configure) -> None:
        with_keys(tenant, auth0_settings, "new", "old", known="old", PASSWORDLESS=["email-code"])
        tenant.application.grant_types.add(PASSWORDLESS_OTP)
        visitor = Visitor()
        visitor.open("/auth0/passwordless/", next="/plain/")
        visitor.submit("address", address="mary@example.com", kind="email-code")
        visitor.submit("code", code=str(tenant.last_message().code))
        assert visitor.path == "/plain/"
        assert kids(tenant, "/passwordless/start") == ["new", "old"]
        document = asked(tenant, "/passwordless/start")[-1]
        assert document["client_assertion_type"] == ASSERTION_TYPE
        assert document["client_id"] == tenant.application.client_id
        assert "client_secret" not in document

    def test_a_new_key_that_the_tenant_does_not_know_yet(
        self, client: Client, tenant: Tenant, auth0_settings: Configure
    ) -> None:
        with_keys(tenant, auth0_settings, "new", "old", known="old")
        walk(client, tenant)
        assert kids(tenant) == ["new", "old"]
        walk(Client(), tenant)
        assert kids(tenant) == ["new", "old", "old"], "what was found out is remembered"
        tenant.application.public_keys = {"new": client_key("new").public_pem}
        walk(Client(), tenant)
        assert kids(tenant)[3:] == ["old", "new"], "and found out again when the tenant drops the old key"
        assert is_logged_in(client)

    def test_auth0_s_other_way_to_refuse_a_client(
        self, client: Client, tenant: Tenant, auth0_settings: Configure
    ) -> None:
        with_keys(tenant, auth0_settings, "new", "old", known="old")
        tenant.application.public_keys["new"] = client_key("new").public_pem
        tenant.fault("refuse", error="access_denied", description="Unauthorized", status=401)
        walk(client, tenant)
        assert kids(tenant) == ["new", "old"]
        assert is_logged_in(client)

    def test_the_newest_key_is_tried_again_after_a_while(
        self, client: Client, tenant: Tenant, auth0_settings: Configure, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_keys(tenant, auth0_settings, "new", "old", known="old")
        walk(client, tenant)
        tenant.application.public_keys["new"] = client_key("new").public_pem
        now = time.monotonic
        monkeypatch.setattr(time, "monotonic", lambda: now() + 601)
        walk(Client(), tenant)
        assert kids(tenant) == ["new", "old", "new"]

    @pytest.mark.parametrize("names", [["new"], ["new", "old"], ["new", "old", "oldest"]])
    def test_no_key_is_known(self, client: Client, tenant: Tenant, auth0_settings: Configure, names: list[str]) -> None:
        with_keys(tenant, auth0_settings, *names, known="other")
        answer = walk(client, tenant)
        assert (answer.status_code, code_shown(answer)) == (400, "client_rejected")
        assert len(kids(tenant)) == min(2, len(names)), "one other key is tried, once"
        assert_nothing_stored(client)

    def test_a_refresh_survives_a_key_roll_over(
        self, client: Client, tenant: Tenant, auth0_settings: Configure
    ) -> None:
        with_keys(tenant, auth0_settings, "new", "old", known="old")
        walk(client, tenant)
        get_client().issuer.metadata()
        with_keys(tenant, auth0_settings, "new", "old", known="old")
        tenant.clock.advance(86400)
        assert client.get("/token/").status_code == 200
        assert tenant.families_revoked == 0


class TestCertificates:
    @pytest.fixture
    def certificates(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Certificates:
        made = make_certificates(tmp_path)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(made.ca))
        return made

    @pytest.mark.parametrize("kind", ["tls_client_auth", "self_signed_tls_client_auth"])
    def test_login_refresh_and_logout(
        self, client: Client, tenant: Tenant, auth0_settings: Configure, certificates: Certificates, kind: str
    ) -> None:
        own = kind == "self_signed_tls_client_auth"
        files = {"cert": str(certificates.client), "key": str(certificates.client_key)}
        shown = certificates.self_signed if own else certificates.client
        tenant.application.token_endpoint_auth_method = kind
        tenant.application.certificates = [shown.read_text()]
        with tls_edge(tenant, certificates) as paths:
            auth0_settings(
                CLIENT_AUTH=kind,
                CLIENT_SECRET="",
                CLIENT_CERTIFICATE=str(certificates.self_signed) if own else files,
                PUSHED_AUTHORIZATION=True,
                USERINFO=True,
            )
            walk(client, tenant)
            tenant.clock.advance(86400)
            assert client.get("/token/").status_code == 200
            client.post("/auth0/logout/")
        assert paths == ["/oauth/par", "/oauth/token", "/userinfo", "/oauth/token", "/oauth/revoke"]
        form = asked(tenant, "/oauth/token")[0]
        assert form["client_id"] == tenant.application.client_id
        assert not {"client_secret", "client_assertion"} & set(form)

    def test_the_browser_goes_to_the_usual_address(
        self, client: Client, tenant: Tenant, auth0_settings: Configure, certificates: Certificates
    ) -> None:
        with tls_edge(tenant, certificates):
            auth0_settings(CLIENT_SECRET="", CLIENT_CERTIFICATE=str(certificates.self_signed))
            assert start(client).startswith(f"{tenant.issuer}authorize?")
            assert get_settings().client_auth == "tls_client_auth", "a certificate alone is the proof"

    def test_a_site_without_certificate_keeps_to_the_usual_endpoints(
        self, client: Client, tenant: Tenant, certificates: Certificates
    ) -> None:
        with tls_edge(tenant, certificates) as paths:
            walk(client, tenant)
        assert is_logged_in(client)
        assert paths == []

    def test_another_certificate_is_refused(
        self, client: Client, tenant: Tenant, auth0_settings: Configure, certificates: Certificates
    ) -> None:
        tenant.application.token_endpoint_auth_method = "tls_client_auth"
        tenant.application.certificates = [certificates.client.read_text()]
        with tls_edge(tenant, certificates):
            auth0_settings(CLIENT_SECRET="", CLIENT_CERTIFICATE=str(certificates.self_signed))
            answer = walk(client, tenant)
        assert (answer.status_code, code_shown(answer)) == (400, "client_rejected")
        assert_nothing_stored(client)

    def test_an_edge_that_nobody_vouches_for_gets_nothing(
        self,
        client: Client,
        tenant: Tenant,
        auth0_settings: Configure,
        certificates: Certificates,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        with tls_edge(tenant, certificates) as paths:
            auth0_settings(CLIENT_SECRET="", CLIENT_CERTIFICATE=str(certificates.self_signed))
            answer = walk(client, tenant)
        assert (answer.status_code, paths) == (503, [])
        assert_nothing_stored(client)

    def test_the_tenants_endpoint_without_the_edge_believes_no_header(self, tenant: Tenant) -> None:
        tenant.application.token_endpoint_auth_method = "tls_client_auth"
        client = get_client()
        with pytest.raises(Exception, match="invalid_client"):
            client.revoke("x")


class TestResource:
    def test_resource_goes_with_the_request_and_the_code(
        self, client: Client, tenant: Tenant, auth0_settings: Configure
    ) -> None:
        auth0_settings(RESOURCE="https://api.example.com")
        url = start(client)
        assert (query_of(url)["resource"], query_of(url)["audience"]) == ("https://api.example.com",) * 2
        come_back(client, tenant.login(url))
        tenant.clock.advance(86400)
        assert client.get("/token/").status_code == 200
        assert [form["resource"] for form in asked(tenant, "/oauth/token")] == ["https://api.example.com"] * 2

    def test_resource_alone_names_the_api(
        self, client: Client, tenant: Tenant, auth0_settings: Configure, settings: Any
    ) -> None:
        auth0_settings(AUDIENCE="", RESOURCE=tenant.api.identifier, SCOPE="openid offline_access read:appointments")
        assert get_settings().api_origins == ("https://api.example.com",)
        walk(client, tenant)
        token = client.get("/token/").content.decode()
        assert tenant.api.identifier in jwt.decode(token, options={"verify_signature": False})["aud"]
        tenant.api.scopes.append("read:things")
        good = tenant.make_access_token(scope="openid read:things")
        assert client.get("/api/things/", headers={"Authorization": f"Bearer {good}"}).status_code in (200, 403)

    def test_a_view_may_ask_for_another_resource(
        self, client: Client, tenant: Tenant, auth0_settings: Configure
    ) -> None:
        auth0_settings(RESOURCE="https://api.example.com", AUTHORIZATION_PARAMS={"resource": "urn:other"})
        assert query_of(start(client))["resource"] == "urn:other"


class TestChecks:
    """Each mistake has an id: the keys are real, so that only what is wrong is found."""

    @staticmethod
    def ids(setting: dict[str, Any], settings: Any) -> list[str]:
        settings.AUTH0 = setting
        return sorted(str(message.id).removeprefix("auth0_flow.") for message in check_settings())

    def test_good_settings_are_not_reported(self, settings: Any, tmp_path: Path) -> None:
        files = make_certificates(tmp_path)
        keys = [{"key": client_key(name).pem, "kid": name, "alg": "PS256"} for name in ("new", "old")]
        no_secret = {name: value for name, value in GOOD.items() if name != "CLIENT_SECRET"}
        pair = {"cert": str(files.client), "key": str(files.client_key)}
        for setting in (
            {**no_secret, "CLIENT_ASSERTION_KEYS": keys},
            {**no_secret, "CLIENT_ASSERTION_KEYS": keys, "CLIENT_AUTH": "private_key_jwt", "SIGNED_REQUESTS": True},
            {**GOOD, "CLIENT_ASSERTION_KEYS": keys, "CLIENT_AUTH": "client_secret_basic", "SIGNED_REQUESTS": True},
            {**no_secret, "CLIENT_CERTIFICATE": pair},
            {**no_secret, "CLIENT_CERTIFICATE": str(files.self_signed), "CLIENT_AUTH": "self_signed_tls_client_auth"},
            {**GOOD, "PUSHED_AUTHORIZATION": True, "DPOP": True, "RESOURCE": "urn:my:api"},
        ):
            assert self.ids(setting, settings) == []

    @pytest.mark.parametrize(
        ("check", "keys"),
        [
            ("E003", {"CLIENT_ASSERTION_KEYS": "pem"}),
            ("E003", {"CLIENT_ASSERTION_KEYS": ["pem"]}),
            ("E003", {"CLIENT_ASSERTION_KEYS": [{"kid": "a"}]}),
            ("E003", {"CLIENT_ASSERTION_KEYS": [{"key": "pem", "use": "sig"}]}),
            ("E003", {"CLIENT_CERTIFICATE": ["a", "b"]}),
            ("E003", {"CLIENT_CERTIFICATE": {"key": "a"}}),
            ("E003", {"DPOP": "yes"}),
            ("E003", {"PUSHED_AUTHORIZATION": 1}),
            ("E003", {"SIGNED_REQUESTS": None}),
            ("E009", {"CLIENT_AUTH": "client_secret_jwt"}),
            ("E041", {"CLIENT_AUTH": "private_key_jwt"}),
            ("E042", {"SIGNED_REQUESTS": True}),
            ("E043", {"CLIENT_CERTIFICATE": "/no/such/file.pem"}),
            ("E044", {"CLIENT_AUTH": "tls_client_auth"}),
            ("E044", {"CLIENT_AUTH": "self_signed_tls_client_auth"}),
            ("E045", {"RESOURCE": "api"}),
            ("E045", {"RESOURCE": "https://api.example.com/#part"}),
            ("E045", {"RESOURCE": "https://[::1"}),
            ("W020", {"CLIENT_AUTH": "none", "PUSHED_AUTHORIZATION": True}),
        ],
    )
    def test_mistakes(self, settings: Any, check: str, keys: dict[str, Any]) -> None:
        assert self.ids({**GOOD, **keys}, settings) == [check]

    def test_E010_keys_are_no_secret_for_another_method(self, settings: Any) -> None:
        keys = [{"key": client_key("new").pem}]
        setting = {**GOOD, "CLIENT_SECRET": "", "CLIENT_AUTH": "client_secret_post", "CLIENT_ASSERTION_KEYS": keys}
        assert self.ids(setting, settings) == ["E010"]

    def test_E040_keys_that_can_t_sign(self, settings: Any, tmp_path: Path) -> None:
        small = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505  # must be refused
        curve = ec.generate_private_key(ec.SECP256R1())
        plain = NoEncryption()
        locked = client_key("new").private.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")
        )
        folder = str(tmp_path)
        for wrong in (
            "/no/such/key.pem",
            folder,
            "nul\0",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
            client_key("new").public_pem,
            small.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, plain).decode(),
            curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, plain).decode(),
            locked.decode(),
        ):
            assert self.ids({**GOOD, "CLIENT_ASSERTION_KEYS": [{"key": wrong}]}, settings) == ["E040"]
            message = check_settings()[0].msg
            assert wrong.splitlines()[-1] not in message or wrong == folder
        assert self.ids({**GOOD, "CLIENT_ASSERTION_KEYS": [{"key": client_key("new").pem, "alg": "ES256"}]}, settings)

    def test_E043_a_key_with_a_password(self, settings: Any, tmp_path: Path) -> None:
        """Nobody is asked for it on a terminal."""
        files = make_certificates(tmp_path)
        locked = client_key("new").private.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")
        )
        files.client_key.write_bytes(locked)
        pair = {"cert": str(files.client), "key": str(files.client_key)}
        assert self.ids({**GOOD, "CLIENT_CERTIFICATE": pair}, settings) == ["E043"]

    def test_E043_a_certificate_and_a_key_that_don_t_fit(self, settings: Any, tmp_path: Path) -> None:
        files = make_certificates(tmp_path)
        for wrong in (
            {"cert": str(files.client), "key": str(files.edge_key)},
            {"cert": str(files.client_key), "key": str(files.client_key)},
            {"cert": str(files.client)},
        ):
            assert self.ids({**GOOD, "CLIENT_CERTIFICATE": wrong}, settings) == ["E043"]

    def test_W021_and_W022(self, settings: Any) -> None:
        keys = [{"key": client_key("new").pem}] * 3
        setting = {**GOOD, "CLIENT_SECRET": "s" * 32, "CLIENT_ASSERTION_KEYS": keys, "ID_TOKEN_ALGORITHM": "HS256"}
        assert self.ids(setting, settings) == ["W021", "W022"]

    def test_W023_dpop_with_a_cache_of_one_process(self, settings: Any) -> None:
        settings.DEBUG = False
        settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
        settings.AUTH0 = {**GOOD, "DPOP": True}
        assert "auth0_flow.W023" in [message.id for message in check_project()]
        settings.AUTH0 = GOOD
        assert "auth0_flow.W023" not in [message.id for message in check_project()]

    def test_no_secret_shows(self, settings: Any) -> None:
        settings.AUTH0 = {**GOOD, "CLIENT_ASSERTION_KEYS": [{"key": client_key("new").pem, "kid": "a"}]}
        conf = get_settings()
        assert "PRIVATE KEY" not in f"{conf!r} {replace(conf, name='other')!r} {get_client()!r}"


def test_T2_a_login_session_is_what_all_of_them_end_in(
    client: Client, tenant: Tenant, auth0_settings: Configure
) -> None:
    """Everything at once: pushed, signed, private_key_jwt, DPoP, ``resource``, ``iss`` in the response."""
    tenant.application.require_par = tenant.application.require_jar = tenant.application.require_dpop = True
    tenant.include_iss = True
    with_keys(
        tenant,
        auth0_settings,
        "new",
        PUSHED_AUTHORIZATION=True,
        SIGNED_REQUESTS=True,
        DPOP=True,
        RESOURCE=tenant.api.identifier,
    )
    walk(client, tenant)
    assert LoginSession.objects.get().grant.tokens.token_type == "DPoP"
    tenant.clock.advance(86400)
    assert client.get("/token/").status_code == 200
