"""Users whom other login packages have logged in at this tenant: after the import their next login finds them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.test import Client

from django_auth0_flow.models import Identity
from django_auth0_flow.testing.site import register_site, settings_for
from django_auth0_flow.testing.tenant import User
from tests.benchmarks.tls import FrontedTenant
from tests.walk import SITE, come_back, walk

pytestmark = pytest.mark.django_db
users: Any = get_user_model().objects


@dataclass(frozen=True)
class Peer:
    """A package: its backend, where its logins start and end, how its users are imported, what its apps begin with."""

    backend: str
    login: str
    callback: str
    source: tuple[str, ...]
    app: str
    settings: Mapping[str, Any] = field(default_factory=dict)


def subject_as_username(email: str, claims: dict[str, Any]) -> str:
    return str(claims["sub"])


def _social(name: str, backend: str) -> Peer:
    return Peer(backend, f"/social/login/{name}/", f"/social/complete/{name}/", ("social-auth",), "social_django")


def _mozilla(*source: str, **settings: Any) -> Peer:
    backend = "mozilla_django_oidc.auth.OIDCAuthenticationBackend"
    return Peer(backend, "/mozilla/authenticate/", "/mozilla/callback/", source, "mozilla_django_oidc", settings)


PEERS = {
    "social-auth-app-django, auth0": _social("auth0", "tests.projects.peers.backends.Auth0"),
    "social-auth-app-django, auth0_openidconnect": _social(
        "auth0_openidconnect", "social_core.backends.auth0_openidconnect.Auth0OpenIdConnectAuth"
    ),
    "django-allauth": Peer(
        "allauth.account.auth_backends.AuthenticationBackend",
        "/allauth/oidc/tenant/login/",
        "/allauth/oidc/tenant/login/callback/",
        ("allauth", "--provider", "tenant"),
        "allauth",
    ),
    "mozilla-django-oidc": _mozilla("csv", "--file", "export.csv", "--field", "email"),
    "mozilla-django-oidc, subjects as usernames": _mozilla(
        "mozilla-django-oidc", "--field", "username", OIDC_USERNAME_ALGO=subject_as_username
    ),
    "Authlib": Peer(
        "django.contrib.auth.backends.ModelBackend",
        "/authlib/login/",
        "/authlib/callback/",
        ("csv", "--file", "own.csv"),
        "authlib",
    ),
}


@pytest.fixture(scope="module")
def tenant() -> Iterator[FrontedTenant]:
    """Auth0's address is https to these packages."""
    with FrontedTenant() as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(running.bundle))
        register_site(running)
        running.application.callbacks += [SITE + peer.callback for peer in PEERS.values()]
        yield running


@pytest.fixture(params=PEERS)
def peer(request: pytest.FixtureRequest, tenant: FrontedTenant, settings: Any) -> Peer:
    """One of the packages, set up for the tenant as its documentation says."""
    found = PEERS[request.param]
    issuer, application = tenant.issuer, tenant.application
    key, secret = application.client_id, application.client_secret
    scope = "openid profile email"
    for name in ("AUTH0", "AUTH0_OPENIDCONNECT"):
        for end, value in (("DOMAIN", issuer.split("/")[2]), ("KEY", key), ("SECRET", secret)):
            setattr(settings, f"SOCIAL_AUTH_{name}_{end}", value)
    settings.SOCIAL_AUTH_AUTH0_SCOPE = scope.split()
    app = {"provider_id": "tenant", "name": "Tenant", "client_id": key, "secret": secret}
    server = {"server_url": issuer.rstrip("/"), "oauth_pkce_enabled": True}
    settings.SOCIALACCOUNT_PROVIDERS = {
        "openid_connect": {"SCOPE": scope.split(), "APPS": [{**app, "settings": server}]}
    }
    settings.OIDC_RP_CLIENT_ID, settings.OIDC_RP_CLIENT_SECRET = key, secret
    settings.OIDC_RP_SIGN_ALGO, settings.OIDC_RP_SCOPES, settings.OIDC_USE_PKCE = "RS256", scope, True
    settings.OIDC_OP_AUTHORIZATION_ENDPOINT = f"{issuer}authorize"
    settings.OIDC_OP_TOKEN_ENDPOINT, settings.OIDC_OP_USER_ENDPOINT = f"{issuer}oauth/token", f"{issuer}userinfo"
    settings.OIDC_OP_JWKS_ENDPOINT = f"{issuer}.well-known/jwks.json"
    settings.AUTHLIB_OAUTH_CLIENTS = {
        "auth0": {
            "client_id": key,
            "client_secret": secret,
            "server_metadata_url": f"{issuer}.well-known/openid-configuration",
        }
    }
    settings.AUTHENTICATION_BACKENDS = [found.backend]
    for name, value in found.settings.items():
        setattr(settings, name, value)
    settings.AUTH0 = settings_for(tenant)
    return found


@pytest.fixture
def ada(tenant: FrontedTenant) -> Iterator[User]:
    others = dict(tenant.users)
    yield tenant.add_user(email="ada@example.org", name="Ada", nickname="ada")
    tenant.users.clear()
    tenant.users.update(others)


@pytest.fixture
def known(peer: Peer, tenant: FrontedTenant, ada: User, client: Client) -> Any:
    """The user that the package made at Ada's login, and what the site has given her since."""
    start = client.post(peer.login) if "social" in peer.login else client.get(peer.login)
    assert start.status_code == 302, start.content
    back = come_back(client, tenant.login(start["Location"], user=ada))
    assert back.status_code == 302, back.content
    (user,) = users.all()
    assert client.session[SESSION_KEY] == str(user.pk)
    user.groups.add(Group.objects.create(name="editors"))
    return user


@pytest.fixture
def switch(known: Any, settings: Any) -> None:
    """The site's logins are those of this package now."""
    settings.AUTHENTICATION_BACKENDS = ["django_auth0_flow.backends.Auth0Backend"]


@pytest.fixture
def run_import(
    peer: Peer, tenant: FrontedTenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], None]:
    """Return a function that imports, with the files that there would be beside a package without subjects."""
    monkeypatch.chdir(tmp_path)

    def run() -> None:
        with Path("export.csv").open("w") as export, Path("own.csv").open("w") as own:
            rows = [[f"'{user.sub}", f"'{user.email}", "true"] for user in tenant.users.values() if user.email]
            csv.writer(export).writerows([["user_id", "email", "email_verified"], *rows])
            csv.writer(own).writerows([["pk", "sub"], *users.values_list("pk", "last_name")])
        strangers = peer.source[-1] == "email"  # the tenant has others, too, which the command says
        with pytest.raises(SystemExit) if strangers else nullcontext():
            call_command("auth0_import_identities", *peer.source, "--apply", verbosity=0)

    return run


@pytest.mark.usefixtures("switch")
@pytest.mark.parametrize("installed", [True, False], ids=["still there", "removed"])
def test_the_next_login_finds_the_same_user(
    peer: Peer, known: Any, ada: User, tenant: FrontedTenant, run_import: Any, settings: Any, installed: bool
) -> None:
    if not installed:
        settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if not app.startswith(peer.app)]
        settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if not name.startswith(peer.app)]
        settings.ROOT_URLCONF = "tests.projects.urls"
    run_import()
    for _ in range(2):
        visitor = Client()
        assert walk(visitor, tenant, user=ada).status_code == 302
        assert visitor.session[SESSION_KEY] == str(known.pk)
    assert [user.pk for user in users.all()] == [known.pk]
    assert [group.name for group in known.groups.all()] == ["editors"]
    assert [(found.subject, found.user_id) for found in Identity.objects.all()] == [(ada.sub, known.pk)]


@pytest.mark.usefixtures("switch")
def test_before_the_import_nobody_gets_a_second_account(
    peer: Peer, known: Any, ada: User, tenant: FrontedTenant, settings: Any
) -> None:
    settings.AUTH0 = settings_for(tenant, CREATE_USERS=False)
    assert walk(Client(), tenant, user=ada).status_code == 403
    assert [user.pk for user in users.all()] == [known.pk]


@pytest.mark.usefixtures("switch")
def test_somebody_whom_the_package_did_not_know_is_somebody_else(
    peer: Peer, known: Any, tenant: FrontedTenant, run_import: Any
) -> None:
    run_import()
    stranger = tenant.add_user(email="ada@example.org", name="Another Ada", nickname="ada")
    visitor = Client()
    assert walk(visitor, tenant, user=stranger).status_code == 302
    assert visitor.session[SESSION_KEY] != str(known.pk)
    assert users.count() == 2
