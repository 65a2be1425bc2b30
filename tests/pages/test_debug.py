"""What a refused page says with DEBUG: what is missing, what the login has. Never without."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import NoReverseMatch

from django_auth0_flow.access.requirements import Requirement
from django_auth0_flow.testing.tenant import Tenant
from tests.visitor import Visitor
from tests.walk import FETCH

pytestmark = pytest.mark.django_db

OURS = "org_9ybsU1dN2dKfDkBi"


def shown(person: Visitor) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", person.text)).split())


@pytest.fixture
def person(tenant: Tenant, auth0_settings: Callable[..., Any], settings: Any) -> Visitor:
    settings.DEBUG = True
    return Visitor(tenant, site="http://testserver")


class Login:
    """A login with these claims, as the tests of a requirement look at it."""

    def __init__(self, **values: Any) -> None:
        self.claims, self.scopes, self.permissions = values.pop("claims", {}), frozenset("ab"), frozenset("c")


@pytest.mark.parametrize(
    ("requirement", "test", "claims", "missing", "held"),
    [
        (Requirement.of(scopes="b x y"), "scopes", {}, ("x", "y"), ("a", "b")),
        (Requirement.of(permissions="x"), "permissions", {}, ("x",), ("c",)),
        (Requirement.of(organization=OURS), "organization", {"org_id": "org_2"}, (OURS,), ("org_id org_2",)),
        (Requirement.of(organization=True), "organization", {}, ("any organization",), ()),
        (Requirement.of(acr_values="gold"), "acr_values", {"amr": ["pwd"]}, ("gold",), ("amr ['pwd']",)),
        (
            Requirement.of(max_age=300),
            "max_age",
            {"auth_time": 1_700_000_000},
            ("auth_time within 300 seconds",),
            ("auth_time 2023-11-14 22:13:20 UTC",),
        ),
        (Requirement.of(max_age=300), "max_age", {"auth_time": 1e300}, ("auth_time within 300 seconds",), None),
        (Requirement.of(access_token=True), "no_access_token", {}, ("access token",), ()),
    ],
)
def test_a_shortfall_names_what_is_missing_and_what_is_there(
    requirement: Requirement, test: str, claims: dict[str, Any], missing: tuple[str, ...], held: tuple[str, ...] | None
) -> None:
    found: Any = requirement.shortfall(test, Login(claims=claims))  # type: ignore[arg-type]  # all that is looked at
    assert (found.test, found.missing) == (test, missing)
    assert held is None or found.held == held
    assert "org_2" not in repr(found)


@pytest.mark.parametrize(
    ("path", "missing"),
    [("/scoped/", "read:things"), ("/permitted/", "write:things")],
)
def test_the_page_says_it_with_debug_only(
    path: str, missing: str, person: Visitor, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    person.visit(path)
    assert person.page.status_code == 403
    assert missing in shown(person).partition("Missing: ")[2].partition("This login has:")[0]
    assert f"view=tests.sample_views.{path.strip('/')} missing=" in caplog.text
    settings.DEBUG = False
    person.visit(path)
    assert person.page.status_code == 403
    assert "Missing" not in shown(person)
    assert missing not in person.text


@pytest.mark.parametrize(
    ("path", "missing"),
    [("/scoped/", "read:things"), ("/strong/", "multi-factor"), ("/organized/", OURS)],
)
def test_a_script_hears_it_with_debug_only(path: str, missing: str, person: Visitor, settings: Any) -> None:
    person.visit("/bare/")
    answer = person.client.get(path, headers=FETCH).json()
    assert missing in answer["debug"]["missing"][0]
    settings.DEBUG = False
    assert set(person.client.get(path, headers=FETCH).json()) == {"error", "code", "message"}


def test_a_page_without_an_access_token_says_why_with_debug_only(person: Visitor, settings: Any) -> None:
    """Django's own context processor calls its variable ``debug``: it must not make an empty box."""
    path = "/unmarked-token/?audience=https%3A%2F%2Funknown.example.com"
    settings.INTERNAL_IPS = ["127.0.0.1"]
    (engine,) = settings.TEMPLATES
    processors = [*engine["OPTIONS"]["context_processors"], "django.template.context_processors.debug"]
    settings.TEMPLATES = [{**engine, "OPTIONS": {**engine["OPTIONS"], "context_processors": processors}}]
    person.visit(path)
    assert person.page.status_code == 400
    assert "DEBUG The tenant gives this login no token for that audience." in shown(person)
    person.visit("/auth0/passwordless/")
    assert "auth0-debug" not in person.text
    settings.DEBUG = False
    person.visit(path)
    assert person.page.status_code == 400
    assert "that audience" not in person.text
    assert "auth0-debug" not in person.text


@pytest.mark.parametrize(
    ("fault", "options", "status"),
    [("drop", {"endpoint": "metadata"}, 503), ("metadata-issuer-mismatch", {}, 502)],
)
def test_a_tenant_that_can_not_be_used_leads_to_the_doctor_with_debug_only(
    fault: str, options: dict[str, Any], status: int, person: Visitor, tenant: Tenant, settings: Any
) -> None:
    tenant.fault(fault, times=None, **options)
    person.visit("/auth0/login/")
    assert person.page.status_code == status
    assert "manage.py auth0_doctor says what is wrong. A local tenant has to be started." in shown(person)
    settings.DEBUG = False
    person.visit("/auth0/login/")
    assert person.page.status_code == status
    assert "auth0-debug" not in person.text


@pytest.mark.parametrize("staff_groups", [[], ["staff"]], ids=["by hand", "by claim"])
def test_the_admin_says_who_may_come_in(
    staff_groups: list[str], person: Visitor, tenant: Tenant, auth0_settings: Callable[..., Any], settings: Any
) -> None:
    settings.ROOT_URLCONF = "tests.urlconfs.auth0_admin"
    claim = {"GROUPS_CLAIM": "https://example.com/roles", "STAFF_GROUPS": staff_groups} if staff_groups else {}
    auth0_settings(**claim)
    tenant.user.claims["https://example.com/roles"] = ["guest"]
    person.visit("/admin/")
    assert person.page.status_code == 403
    if staff_groups:
        assert "Missing: staff in https://example.com/roles This login has: guest" in shown(person)
    else:
        assert "Missing: is_staff This login has: nothing of the kind" in shown(person)


def test_a_login_url_that_leads_nowhere_says_which_line_to_add(client: Client, settings: Any) -> None:
    """Django's own decorator resolves LOGIN_URL, and its words for that name no package."""
    settings.ROOT_URLCONF = "tests.urlconfs.without_include"
    with pytest.raises(NoReverseMatch, match=r'path\("auth0/", include\("django_auth0_flow.urls"\)\)'):
        client.get("/django-login-required/")
