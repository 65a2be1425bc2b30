"""``manage.py auth0_doctor``: settings, configurations, addresses, output, exit codes."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import CommandError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from django_auth0_flow.conf import get_settings
from django_auth0_flow.protocol.claim_checks import utc_text
from django_auth0_flow.testing.tenant import Tenant
from tests.doctor.support import EVERYTHING, OLD_SECRET, SITE, Configure, doctor
from tests.walk import walk

#: A site that does not include our URLs.
urlpatterns: list[Any] = []

# -- settings --------------------------------------------------------------------------------------------------------------


def test_settings_that_cannot_be_read_keep_it_from_the_tenant(healthy: Tenant, configure: Configure) -> None:
    configure(CLIENT_ID="", SCOPE="profile")
    outcome = doctor("--json")
    assert outcome.code == 1
    assert [found["id"] for found in outcome.data["settings"]] == ["auth0_flow.E008", "auth0_flow.E011"]
    assert outcome.report["untested"] == [{"test": "everything", "why": "AUTH0 has to be fixed first"}]
    assert healthy.requests == []
    assert "auth0_flow.E008" in doctor().text


def test_a_domain_with_a_scheme_is_a_mistake_of_the_settings(configure: Configure) -> None:
    configure(ISSUER=None, DOMAIN="https://example.eu.auth0.com/")
    assert [found["id"] for found in doctor("--json").data["settings"]] == ["auth0_flow.E006"]


def test_problems_of_the_project_do_not_keep_it_from_the_tenant(
    healthy: Tenant, configure: Configure, settings: Any
) -> None:
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "Auth0" not in name]
    outcome = doctor("--json")
    assert outcome.code == 1
    assert [found["id"] for found in outcome.data["settings"]] == ["auth0_flow.E020"]
    assert outcome.report["tested"]


def test_warnings_count_if_asked_to(healthy: Tenant, configure: Configure) -> None:
    healthy.advertise_end_session = False
    assert doctor().code == 0
    assert doctor("--fail-level", "warning").code == 1


def test_silenced_checks_stay_silent(healthy: Tenant, configure: Configure, settings: Any) -> None:
    configure(LEEWAY=600)
    assert [found["id"] for found in doctor("--json").data["settings"]] == ["auth0_flow.W001"]
    settings.SILENCED_SYSTEM_CHECKS = ["auth0_flow.W001", "auth0_flow.W007"]
    assert doctor("--json").data["settings"] == []


# -- several configurations ------------------------------------------------------------------------------------------------


def test_each_configuration_is_examined_with_its_own_addresses(
    healthy: Tenant, configure: Configure, settings: Any
) -> None:
    default = configure()
    settings.AUTH0 = {"default": default, "partners": {**default, "CLIENT_SECRET": OLD_SECRET}}
    healthy.application.callbacks.append(f"{SITE}/partners/callback/")
    healthy.application.logout_urls.append(f"{SITE}/partners/logged-out/")
    reports = doctor("--json").data["configurations"]
    assert [report["configuration"] for report in reports] == ["default", "partners"]
    assert [[found["id"] for found in report["findings"]] for report in reports] == [[], ["SM13"]]
    assert reports[1]["callback"] == f"{SITE}/partners/callback/"
    assert doctor("--configuration", "default").code == 0
    assert doctor("--configuration", "partners").code == 1


def test_one_tenant_that_is_down_leaves_the_others_alone(healthy: Tenant, configure: Configure, settings: Any) -> None:
    default = configure()
    settings.AUTH0 = {"gone": {**default, "ISSUER": "http://127.0.0.1:9/"}, "default": default}
    outcome = doctor("--json")
    assert outcome.code == 2
    assert [report["is_complete"] for report in outcome.data["configurations"]] == [False, True]


def test_a_configuration_that_is_not_there(configure: Configure) -> None:
    with pytest.raises(CommandError, match="has no configuration 'partners'") as raised:
        doctor("--configuration", "partners")
    assert raised.value.returncode == 2


# -- the site's addresses --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "callback", "logged_out"),
    [
        (["--base-url", "https://other.example.com"], "https://other.example.com/auth0/callback/", None),
        (["--base-url", "https://other.example.com/"], "https://other.example.com/auth0/callback/", None),
        (
            ["--callback", "https://other.example.com/shop/auth0/callback/"],
            "https://other.example.com/shop/auth0/callback/",
            "https://other.example.com/shop/auth0/logged-out/",
        ),
        (
            ["--callback", "https://other.example.com/elsewhere"],
            "https://other.example.com/elsewhere",
            "https://other.example.com/auth0/logged-out/",
        ),
    ],
)
def test_addresses_that_are_given(
    arguments: list[str], callback: str, logged_out: str | None, healthy: Tenant, configure: Configure
) -> None:
    report = doctor("--json", *arguments).report
    assert report["callback"] == callback
    assert report["logged_out"] == (logged_out or "https://other.example.com/auth0/logged-out/")
    assert [found["id"] for found in report["findings"]] == ["SM10", "SM34"]
    assert callback in report["findings"][0]["cause"]


@pytest.mark.parametrize(
    ("hosts", "debug", "callback"),
    [
        (["www.example.com"], False, f"{SITE}/auth0/callback/"),
        ([".example.com", "www.example.com"], False, f"{SITE}/auth0/callback/"),
        ([], True, "http://localhost:8000/auth0/callback/"),
        (["*"], True, "http://localhost:8000/auth0/callback/"),
        (["127.0.0.1", "localhost", "[::1]"], True, "http://127.0.0.1:8000/auth0/callback/"),
        (["www.example.com"], True, f"{SITE}/auth0/callback/"),
    ],
)
def test_addresses_that_are_assumed(
    hosts: list[str], debug: bool, callback: str, healthy: Tenant, configure: Configure, settings: Any
) -> None:
    configure(BASE_URL=None)
    settings.ALLOWED_HOSTS, settings.DEBUG = hosts, debug
    outcome = doctor("--json")
    assert outcome.report["callback"] == callback
    assert "assumed" in outcome.report["address_source"]
    assert "assumed" in doctor().text


@pytest.mark.parametrize("hosts", [[], ["*"], ["a.example.com", "b.example.com"]])
def test_an_address_that_nobody_can_know_is_asked_for(
    hosts: list[str], healthy: Tenant, configure: Configure, settings: Any
) -> None:
    configure(BASE_URL=None)
    settings.ALLOWED_HOSTS = hosts
    with pytest.raises(CommandError, match="--base-url") as raised:
        doctor()
    assert raised.value.returncode == 2
    assert healthy.requests == []


@pytest.mark.parametrize("option", ["--base-url", "--callback"])
@pytest.mark.parametrize(
    "url", ["www.example.com", "ftp://x", "https://", "https://a:b@c/", "https://a/?b=c", "https://["]
)
def test_an_address_that_is_none(option: str, url: str, configure: Configure) -> None:
    with pytest.raises(CommandError, match=option):
        doctor(option, url)


def test_urls_that_are_not_included(configure: Configure, settings: Any) -> None:
    settings.ROOT_URLCONF = __name__
    with pytest.raises(CommandError, match="not included"):
        doctor()


# -- output ----------------------------------------------------------------------------------------------------------------

SECRETS = {"CLIENT_SECRET": "Qx7/zz+9 Kpw8", "ENCRYPTION_KEYS": ["enc-Wj3-vault-Wj4-vault-Wj5-vault-Wj6"]}


@pytest.mark.parametrize("arguments", [[], ["--json"], ["--verbose"], ["--verbosity", "3"]])
def test_no_secret_is_ever_shown_even_if_the_tenant_echoes_it(
    arguments: list[str], healthy: Tenant, configure: Configure, settings: Any
) -> None:
    configure(**SECRETS)
    conf = get_settings()
    token = healthy.make_access_token()
    echo = f"{conf.client_secret} Qx7%2Fzz%2B9+Kpw8 {conf.encryption_keys[0]} {settings.SECRET_KEY} {token}"
    for endpoint in ("token", "logout", "authorize"):
        healthy.fault("json", None, endpoint=endpoint, status=400, value={"error": echo, "error_description": echo})
    text = doctor(*arguments).text
    assert "[hidden]" in text
    for secret in (*echo.split(), "Kpw8", "-vault-", settings.SECRET_KEY[:20], token[:30]):
        assert secret not in text


def test_an_answer_cannot_act_on_the_terminal(healthy: Tenant, configure: Configure) -> None:
    text = "\x1b[2J\x07\u202eevil\r\nERROR SM99 forged\x00" + "x" * 5000
    healthy.fault("refuse", None, grant_type="refresh_token", error="a\nb", description=text, status=400)
    shown = doctor().text
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "\u202e" not in shown
    assert "\n  ERROR SM99" not in shown
    assert "\\x1b[2J\\x07\\u202eevil" in shown
    assert len(shown) < 3000


def test_json_keeps_its_shape(healthy: Tenant, configure: Configure) -> None:
    healthy.application.logout_urls = []
    data = doctor("--json", "--verbose").data
    assert set(data) == {"version", "exit_code", "settings", "configurations"}
    assert (data["version"], data["exit_code"]) == (1, 1)
    report = data["configurations"][0]
    assert {name: type(value) for name, value in report.items()} == {
        "configuration": str,
        "issuer": str,
        "client_id": str,
        "callback": str,
        "logged_out": str,
        "address_source": str,
        "tested": list,
        "untested": list,
        "findings": list,
        "hints": list,
        "requests": int,
        "is_complete": bool,
    }
    assert set(report["findings"][0]) == {"id", "name", "severity", "test", "cause", "fix", "answer"}
    assert all(isinstance(hint, str) for hint in report["hints"])


def test_a_finding_names_answer_cause_and_place(healthy: Tenant, configure: Configure) -> None:
    healthy.application.callbacks = []
    text = " ".join(doctor().text.split())
    assert "ERROR SM10 callback_not_allowed" in text
    assert "Answer: 400, page:" in text
    assert "Cause: The callback URL is not registered" in text
    assert f"The URL: {SITE}/auth0/callback/" in text
    assert "Allowed Callback URLs: add the URL, then Save." in text
    assert "Not tested, because the tenant refuses authorization requests: silent." in text


def test_what_cannot_be_seen_is_listed_if_asked_for(healthy: Tenant, configure: Configure) -> None:
    configure(RECHECK_SECONDS=3600, GROUPS_CLAIM="https://x.example.com/roles", DPOP=True, **EVERYTHING)
    assert doctor("--json").report["hints"] == []
    hints = doctor("--json", "--verbose").report["hints"]
    assert hints == doctor("--json", "--verbosity", "2").report["hints"]
    shown = {hint.partition(":")[0] for hint in hints}
    assert shown >= {"SM37", "SM38", "SM43", "SM46", "SM51", "SM53", "SM55", "SM57", "SM61", "SM65"}
    configure(AUDIENCE=None, SCOPE="openid")
    plain = {hint.partition(":")[0] for hint in doctor("--json", "--verbose").report["hints"]}
    assert plain.isdisjoint({"SM37", "SM38", "SM51", "SM55"})


def test_hints_about_where_the_site_is(healthy: Tenant, configure: Configure) -> None:
    local = doctor("--json", "--verbose", "--base-url", "http://localhost:8000").report["hints"]
    assert [hint for hint in local if hint.startswith("SM47")]
    configure(BASE_URL=None)
    proxied = doctor("--json", "--verbose", "--base-url", SITE).report["hints"]
    assert [hint for hint in proxied if hint.startswith("SM10") and "SECURE_PROXY_SSL_HEADER" in hint]


def test_plain_http_is_worth_a_warning(healthy: Tenant, configure: Configure) -> None:
    healthy.application.callbacks = ["http://www.example.com/auth0/callback/"]
    healthy.application.logout_urls = ["http://www.example.com/auth0/logged-out/"]
    outcome = doctor("--json", "--base-url", "http://www.example.com")
    assert (outcome.code, outcome.ids) == (0, ["D12"])


def test_help_says_what_it_does_to_the_tenant() -> None:
    from django_auth0_flow.management.commands.auth0_doctor import Command

    text = " ".join(Command().create_parser("manage.py", "auth0_doctor").format_help().split())
    for part in ("Safe in production", "tenant's log", "rate limit", "Exit codes: 0 nothing wrong, 1 problems, 2"):
        assert part in text


LOCAL = "http://{}:8000/auth0/{}/"


def test_D17_this_machine_has_two_names_and_one_is_registered(
    healthy: Tenant, configure: Configure, settings: Any
) -> None:
    configure(BASE_URL=None)
    settings.ALLOWED_HOSTS, settings.DEBUG = [], True
    healthy.application.callbacks = [LOCAL.format("localhost", "callback")]
    healthy.application.logout_urls = [LOCAL.format("localhost", "logged-out")]
    outcome = doctor("--json")
    assert (outcome.code, outcome.ids) == (0, ["D17"])
    assert LOCAL.format("127.0.0.1", "callback") in outcome.findings[0]["cause"]
    assert "Allowed Callback URLs" in outcome.findings[0]["fix"]
    healthy.application.callbacks.append(LOCAL.format("127.0.0.1", "callback"))
    assert doctor("--json").ids == []
    healthy.application.callbacks.pop()
    configure(BASE_URL="http://localhost:8000")
    assert doctor("--json").ids == []  # the settings say which name it is


def test_SM37_the_last_login_brought_no_refresh_token(healthy: Tenant, configure: Configure, client: Client) -> None:
    healthy.application.callbacks.append("http://testserver/auth0/callback/")
    configure(BASE_URL=None)
    healthy.api.allow_offline_access = False
    walk(client, healthy)
    outcome = doctor("--json", "--base-url", SITE)
    assert (outcome.code, outcome.ids) == (0, ["SM37"])
    assert utc_text(healthy.clock.now())[:10] in outcome.findings[0]["cause"]
    assert "Allow Offline Access: on" in outcome.findings[0]["fix"]
    healthy.api.allow_offline_access = True
    walk(client, healthy)
    assert doctor("--json", "--base-url", SITE).ids == []
    configure(SCOPE="openid", BASE_URL=SITE)
    assert "last login" not in doctor("--json").report["tested"]


def test_what_only_views_and_the_database_show_is_in_the_default_report(
    healthy: Tenant, configure: Configure, settings: Any
) -> None:
    configure(SCOPE="openid", GROUPS_CLAIM="https://example.com/roles", GROUPS={"editor": "Editors"})
    assert [found["id"] for found in doctor("--json").data["settings"]] == ["auth0_flow.W040", "auth0_flow.W041"]
    MigrationRecorder(connection).record_unapplied("auth0_flow", "0003_seal_session_keys")
    outcome = doctor("--json")
    assert outcome.code == 1
    assert [(found["id"], found["severity"]) for found in outcome.data["settings"]][-1] == ("auth0_flow.W042", "error")
