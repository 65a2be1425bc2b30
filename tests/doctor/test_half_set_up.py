"""A tenant that is half set up in each way, and what the doctor says about it: that mistake and no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from django_auth0_flow.doctor.catalogue import ERROR, MISTAKES
from django_auth0_flow.testing.tenant import Organization, Tenant
from tests.doctor.support import DATABASE, OLD_SECRET, SCOPE, SITE, Configure, doctor


@dataclass(frozen=True)
class Case:
    """``spoil`` breaks the tenant, ``keys`` the settings. ``says``: part of the literal answer."""

    name: str
    expected: list[str]
    spoil: Callable[[Tenant], object] = lambda tenant: None
    keys: dict[str, Any] = field(default_factory=dict)
    says: str = ""
    code: int = 1


def without_grants(*names: str) -> Callable[[Tenant], None]:
    def spoil(tenant: Tenant) -> None:
        kinds = tenant.application.grant_types
        tenant.application.grant_types = {kind for kind in kinds if not any(name in kind for name in names)}

    return spoil


def put(path: str, value: Any) -> Callable[[Tenant], None]:
    """Return what sets ``tenant.<path>``."""
    *owners, name = path.split(".")

    def spoil(tenant: Tenant) -> None:
        thing: Any = tenant
        for owner in owners:
            thing = getattr(thing, owner)
        setattr(thing, name, value)

    return spoil


def fault(name: str, times: int | None = None, **options: Any) -> Callable[[Tenant], None]:
    return lambda tenant: tenant.fault(name, times, **options)


def both(*spoils: Callable[[Tenant], object]) -> Callable[[Tenant], None]:
    def spoil(tenant: Tenant) -> None:
        for one in spoils:
            one(tenant)

    return spoil


def page_of_its_own_design(tenant: Tenant) -> None:
    tenant.error_page = "https://errors.example.com/oops?lang=en"
    tenant.application.callbacks = []


def named_organization(tenant: Tenant) -> None:
    tenant.organizations["org_1234567890"] = Organization("org_1234567890", name="acme")
    tenant.allow_organization_names = False


OIDC_PASSWORD = "http://auth0.com/oauth/grant-type/password-realm"
OTP = "http://auth0.com/oauth/grant-type/passwordless/otp"
DEVELOPER_KEYS = (
    "https://idp.example.com/authorize?client_id=x&redirect_uri=https%3A%2F%2Flogin.eu.auth0.com%2Flogin%2Fcallback"
)

MACHINE = {"MACHINE_AUDIENCES": ["https://api.example.com"]}
QUOTA = '{"error": "too_many_requests", "error_description": "Client quota exceeded"}'

CASES = [
    # The tenant itself
    Case(
        "the host is no tenant",
        ["D04"],
        fault("status", endpoint="metadata", status=404, body="Not Found"),
        says="404: N",
    ),
    Case("the host is a web page", ["D04"], fault("html", endpoint="metadata"), says="200: "),
    Case("the host sends elsewhere", ["D04"], fault("redirect", endpoint="metadata"), says="307"),
    Case("another issuer", ["SM41"], fault("metadata-issuer-mismatch"), says="'https://another-tenant.example.com/'"),
    Case("an endpoint is missing", ["D05"], fault("metadata-missing", member="token_endpoint")),
    Case("discovery limited", ["SM69"], fault("rate-limit", endpoint="metadata"), says="429"),
    Case("discovery down", ["D07"], fault("status", endpoint="metadata", status=503, body="later"), says="503", code=2),
    Case("no keys", ["SM45"], fault("jwks-empty"), says='"keys": []'),
    Case("keys for encryption only", ["SM45"], fault("jwks-enc-only")),
    Case("symmetric keys", ["SM45"], fault("jwks-oct")),
    Case("keys gone", ["SM45"], fault("status", endpoint="jwks", status=404, body="gone"), says="404"),
    Case("no key is needed but", ["SM45"], fault("jwks-empty"), {"ID_TOKEN_ALGORITHM": "HS256"}, code=0),
    Case("keys for RS256", ["D08"], keys={"ID_TOKEN_ALGORITHM": "PS256"}, says="RS256"),
    Case("keys for any algorithm", [], put("jwks_with_alg", False), {"ID_TOKEN_ALGORITHM": "PS256"}, code=0),
    Case("no end_session_endpoint", ["SM35"], put("advertise_end_session", False), code=0),
    Case("rate limit nearly used up", ["SM69"], lambda tenant: tenant.limits.rates.update(jwks=(1, 1e6)), code=0),
    # /authorize: pages of the tenant
    Case("callback not registered", ["SM10"], put("application.callbacks", []), says="Callback URL mismatch"),
    Case(
        "callback differs by its slash",
        ["SM10"],
        put("application.callbacks", [f"{SITE}/auth0/callback"]),
        says="not in the list of allowed callback URLs",
    ),
    Case(
        "error page of its own",
        ["SM10"],
        page_of_its_own_design,
        says="at the tenant: invalid_request: Callback URL mis",
    ),
    Case("client unknown", ["SM12"], keys={"CLIENT_ID": "nobody"}, says="Unknown client: nobody"),
    Case(
        "code grant off",
        ["SM03"],
        without_grants("authorization_code"),
        says="Grant type 'authorization_code' not allowed for the client.",
    ),
    Case(
        "implicit grant off",
        ["SM09"],
        without_grants("implicit"),
        {"RESPONSE_TYPE": "id_token", "RESPONSE_MODE": "form_post"},
        says="403, page: ",
    ),
    Case(
        "pushed requests required", ["SM60"], put("application.require_par", True), says="Pushed Authorization Requests"
    ),
    Case("signed requests required", ["SM60"], put("application.require_jar", True), says="Signed request objects"),
    Case("errors stay at the tenant", ["D10"], put("application.open_redirect_protection", True), code=0),
    Case(
        "developer keys",
        ["SM48"],
        fault("redirect", 1, endpoint="authorize", status=302, location=DEVELOPER_KEYS),
        code=0,
    ),
    Case("/authorize down", ["D07"], fault("status", endpoint="authorize", status=502, body="bad gateway"), code=2),
    Case("/authorize limited", ["SM69"], fault("rate-limit", endpoint="authorize")),
    Case("/authorize refuses for another reason", ["D09"], fault("html", endpoint="authorize", status=418), says="418"),
    # /authorize: errors that come back
    Case(
        "audience unknown",
        ["SM14"],
        keys={"AUDIENCE": "https://api.example.com/"},
        says="Service not found: https://api",
    ),
    Case("resource unknown", ["SM14"], keys={"AUDIENCE": "", "RESOURCE": "https://other.example.com"}),
    Case(
        "default audience unknown",
        ["SM70"],
        put("default_audience", "https://gone.example.com"),
        {"AUDIENCE": ""},
        says="Service not found",
    ),
    Case("API closed to the application", ["SM17"], put("api.user_access", "none"), says="is not authorized to access"),
    Case("no connections", ["SM24"], put("application.connections", []), says="no connections enabled for the client"),
    Case(
        "organization required",
        ["SM25"],
        put("application.organization_usage", "require"),
        says="parameter organization is required",
    ),
    Case(
        "an organization that depends on the request can't be tried",
        [],
        put("application.organization_usage", "require"),
        {"ORGANIZATION": lambda request: "org_1"},
        code=0,
    ),
    Case(
        "organization not wanted",
        ["SM26"],
        put("application.organization_usage", "deny"),
        {"ORGANIZATION": "org_1"},
        says="parameter organization is not allowed",
    ),
    Case(
        "organization unknown",
        ["SM27"],
        keys={"ORGANIZATION": "org_1"},
        says="parameter organization is invalid: org_1",
    ),
    Case(
        "organization by name",
        ["SM28"],
        named_organization,
        {"ORGANIZATION": "acme"},
        says="must be an organization id",
    ),
    Case(
        "sign-ups off",
        ["SM62"],
        put("sign_up_enabled", False),
        {"AUTHORIZATION_PARAMS": {"screen_hint": "signup"}},
        says="signup is disabled",
    ),
    Case(
        "sign-ups off, with a sign-up page of the site's own",
        ["SM83"],
        put("sign_up_enabled", False),
        {"PASSWORD_REALM": DATABASE, "SIGN_UP_FIELDS": ["email"]},
        says="signup is disabled",
    ),
    Case(
        "connected accounts without the My Account API",
        ["SM90"],
        keys={"CONNECTED_ACCOUNTS": {"google-oauth2": "openid"}, "SCOPE": f"{SCOPE} offline_access"},
        says="Service not found",
    ),
    Case(
        "connected accounts without Token Vault",
        ["SM79"],
        both(lambda tenant: tenant.add_api(tenant.my_account_audience), without_grants("federated")),
        {"CONNECTED_ACCOUNTS": {"google-oauth2": "openid"}, "SCOPE": f"{SCOPE} offline_access"},
        says="federated-connection-access-token' not allowed",
    ),
    Case(
        "several at once",
        ["SM27", "SM14", "SM62"],
        put("sign_up_enabled", False),
        {
            "AUDIENCE": "https://other.example.com",
            "ORGANIZATION": "org_1",
            "AUTHORIZATION_PARAMS": {"screen_hint": "signup"},
        },
    ),
    Case(
        "several at once, posted back",
        ["SM14", "SM24"],
        put("application.connections", []),
        {"AUDIENCE": "https://other.example.com", "RESPONSE_MODE": "form_post"},
        says="200, back at the site: access_denied",
    ),
    Case(
        "posted back by the implicit flow",
        ["SM24"],
        put("application.connections", []),
        {"RESPONSE_TYPE": "id_token token", "RESPONSE_MODE": "fragment"},
        says="302, back at the site: invalid_request: no connections",
    ),
    Case("the answer loses the state", ["D09"], fault("state-missing")),
    Case("the answer names another issuer", ["D11"], both(put("include_iss", True), fault("iss-wrong"))),
    Case("the answer names no issuer", ["D11"], both(put("include_iss", True), fault("iss-missing"))),
    Case("the answer names its issuer", [], put("include_iss", True), code=0),
    # /oauth/par
    Case("pushing is off", ["SM59"], put("allow_par", False), {"PUSHED_AUTHORIZATION": True}),
    Case(
        "pushing is refused",
        ["SM59"],
        fault("json", endpoint="par", value={"error": "invalid_request"}, status=400),
        {"PUSHED_AUTHORIZATION": True},
        says="400, at /oauth/par: invalid_request",
    ),
    Case(
        "a pushed request has a wrong callback",
        ["SM10"],
        put("application.callbacks", []),
        {"PUSHED_AUTHORIZATION": True},
        says="400, at /oauth/par: ",
    ),
    Case(
        "a pushed request has a wrong secret",
        ["SM13"],
        keys={"PUSHED_AUTHORIZATION": True, "CLIENT_SECRET": OLD_SECRET},
        says="401, at /oauth/par: access_denied: Unauthorized",
    ),
    Case("pushing works", [], keys={"PUSHED_AUTHORIZATION": True}, code=0),
    # /oauth/token
    Case(
        "wrong secret",
        ["SM13"],
        keys={"CLIENT_SECRET": OLD_SECRET},
        says="401 access_denied: Unauth",
    ),
    Case(
        "wrong secret in the header",
        ["SM13"],
        keys={"CLIENT_SECRET": OLD_SECRET, "CLIENT_AUTH": "client_secret_basic"},
    ),
    Case("a secret is needed", ["SM13"], keys={"CLIENT_AUTH": "none"}, says="401 access_denied"),
    Case("another authentication method", ["SM13"], put("application.token_endpoint_auth_method", "private_key_jwt")),
    Case("refresh grant off", ["SM04"], without_grants("refresh_token"), says="Grant type 'refresh_token' not allowed"),
    Case("no refresh is asked for", [], without_grants("refresh_token"), {"SCOPE": SCOPE}, code=0),
    Case(
        "password grant off",
        ["SM01"],
        lambda tenant: tenant.application.grant_types.difference_update({"password", OIDC_PASSWORD}),
        {"PASSWORD_REALM": True},
        says="Grant type 'password' not allowed for the client.",
    ),
    Case(
        "password-realm grant off",
        ["SM06"],
        lambda tenant: tenant.application.grant_types.difference_update({"password", OIDC_PASSWORD}),
        {"PASSWORD_REALM": DATABASE},
        says=f"Grant type '{OIDC_PASSWORD}' not allowed",
    ),
    Case(
        "default directory empty",
        ["SM02"],
        put("default_directory", None),
        {"PASSWORD_REALM": True},
        says="Authorization server not configured with default connection.",
    ),
    Case("default directory misspelt", ["SM02"], put("default_directory", "Users"), {"PASSWORD_REALM": True}),
    Case("no default directory is needed", [], put("default_directory", None), {"PASSWORD_REALM": DATABASE}, code=0),
    Case("realm unknown", ["D13"], keys={"PASSWORD_REALM": "Users"}),
    Case(
        "API unknown to the password grant too",
        ["SM14"],
        keys={"AUDIENCE": "https://x.example.com", "PASSWORD_REALM": True},
    ),
    Case(
        "bot detection", ["SM57"], put("bot_detection", True), {"PASSWORD_REALM": True}, says="401 requires_v", code=0
    ),
    Case(
        "API unknown to the password grant alone",
        ["SM20"],
        keys={
            "AUDIENCE": "https://x.example.com",
            "PASSWORD_REALM": True,
            "RESPONSE_TYPE": "id_token",
            "RESPONSE_MODE": "form_post",
        },
        says="invalid audience specified for password grant exchange",
    ),
    Case(
        "bound tokens",
        ["SM61"],
        fault("refuse", grant_type="authorization_code", error="invalid_dpop_proof", status=400),
    ),
    Case(
        "a kind of login is refused",
        ["D16"],
        fault("refuse", grant_type="authorization_code", error="unauthorized_client"),
    ),
    Case(
        "this machine is blocked",
        ["SM55"],
        fault(
            "refuse",
            grant_type="password",
            error="too_many_attempts",
            status=429,
            description="We have detected suspicious login behavior and further attempts will be blocked.",
        ),
        {"PASSWORD_REALM": True},
        says="429 too_many_attempts",
    ),
    Case(
        "one-time code grant off",
        ["SM07"],
        without_grants("passwordless"),
        {"PASSWORDLESS": ["email-code", "sms"]},
        says=f"Grant type '{OTP}' not allowed",
    ),
    Case(
        "links need no such grant", [], without_grants("passwordless", "mfa-"), {"PASSWORDLESS": ["email-link"]}, code=0
    ),
    Case(
        "MFA grant off", ["SM08"], without_grants("mfa-"), {"PASSWORD_REALM": True}, says="mfa-otp' not allowed", code=0
    ),
    Case(
        "client credentials off",
        ["SM05"],
        without_grants("client_credentials"),
        MACHINE,
        says="'client_credentials' not",
    ),
    Case("no machine tokens here", [], without_grants("client_credentials"), code=0),
    Case("no client grant", ["SM16"], put("application.client_grants", {}), MACHINE, says="client-grant"),
    Case(
        "a machine token for no API of the tenant",
        ["SM15", "SM16"],
        put("application.client_grants", {}),
        {"MACHINE_AUDIENCES": ["https://x.example.com", "https://api.example.com"]},
        says="Service not enabled within domain: https://x.example.com",
    ),
    Case("the application may", [], keys=MACHINE, code=0),
    Case(
        "machine quota used up",
        ["SM73"],
        fault("status", grant_type="client_credentials", status=429, body=QUOTA),
        MACHINE,
        says="429",
    ),
    Case(
        "machine tokens refused otherwise",
        ["D16"],
        fault("refuse", grant_type="client_credentials", error="unauthorized_client"),
        MACHINE,
    ),
    Case("no second factor is asked for here", [], without_grants("mfa-"), code=0),
    Case(
        "passwordless connection off",
        ["D13", "SM63"],
        put("application.connections", [DATABASE, "email"]),
        {"PASSWORDLESS": ["email-code", "sms"]},
        says="400 bad.connection: Connection does not exist",
    ),
    Case(
        "e-mail connection off", ["SM63"], put("application.connections", [DATABASE]), {"PASSWORDLESS": ["email-link"]}
    ),
    Case(
        "credentials refused at /passwordless/start only",
        ["SM64"],
        fault("json", endpoint="passwordless", value={"error": "access_denied"}, status=401),
        {"PASSWORDLESS": ["email-code"]},
    ),
    Case(
        "a token request is refused for another reason",
        ["D14"],
        fault("refuse", grant_type="refresh_token", error="invalid_request", status=400, description="Not on Fridays"),
        says="400 invalid_request: Not on Fridays",
    ),
    Case(
        "codes are refused for another reason", ["D14"], fault("refuse", grant_type="authorization_code", error="odd")
    ),
    Case("token endpoint limited", ["SM69"], fault("rate-limit", grant_type="refresh_token")),
    Case("token endpoint down", ["D07"], fault("status", status=503, body=""), code=2),
    Case(
        "third-party application", ["SM68"], lambda tenant: rename_client(tenant, "tpc_1234"), {"CLIENT_ID": "tpc_1234"}
    ),
    Case(
        "an API without audience", ["SM40"], keys={"AUDIENCE": "", "API_ORIGINS": ["https://api.example.com"]}, code=0
    ),
    # Logout
    Case(
        "logout URL not registered",
        ["SM34"],
        put("application.logout_urls", [f"{SITE}/"]),
        says='is not defined as a valid URL in "Allowed Logout URLs".',
    ),
    Case(
        "logout URL not registered, old tenant",
        ["SM35", "SM33"],
        both(put("application.logout_urls", []), put("advertise_end_session", False)),
        says='The "returnTo" querystring parameter',
    ),
    Case("logout refused otherwise", ["D15"], fault("html", endpoint="logout", status=404)),
    Case("logout refused without a reason", ["SM34"], fault("html", endpoint="logout", status=400)),
]


def rename_client(tenant: Tenant, client_id: str) -> None:
    tenant.applications[client_id] = tenant.applications.pop(tenant.application.client_id)
    tenant.application.client_id = client_id


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_mistake_is_found_and_no_other(case: Case, healthy: Tenant, configure: Configure) -> None:
    case.spoil(healthy)
    configure(**case.keys)
    outcome = doctor("--json")
    assert not [found for found in outcome.data["settings"] if found["severity"] == ERROR]
    assert outcome.ids == case.expected
    assert outcome.code == case.code
    assert case.says in " ".join(found["answer"] for found in outcome.findings)
    assert not healthy.outbox
    assert doctor().code == case.code


def test_every_mistake_is_walked() -> None:
    walked = {found for case in CASES for found in case.expected}
    elsewhere = {"D01", "D02", "D03", "D06", "D12", "D17", "D99", "SM37", "SM71", "SM19"}  # tests of their own
    at_logins = {
        "SM74",
        "SM75",
        "SM76",
        "SM85",
        "SM91",
        "SM92",
        "SM93",
    }  # no setting says that they matter: see test_parts
    assert set(MISTAKES) == walked | elsewhere | at_logins
