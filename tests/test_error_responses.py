"""The table of answers: what a person and what a script gets for each error that leaves a view."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client, RequestFactory

from django_auth0_flow import error_responses
from django_auth0_flow.models import LoginSession
from django_auth0_flow.pages.unavailable import unavailable
from django_auth0_flow.protocol.errors import MachineTokenRefused, TransportError
from django_auth0_flow.testing.tenant import Tenant
from tests.walk import FETCH, LOGIN, NAVIGATE, SITE, SLOW, code_shown, come_back, is_logged_in, start, walk

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("auth0_settings")]
HTMX = {"HX-Request": "true", "HX-Current-URL": f"{SITE}/page/"}
#: Marked by our decorator, and not: the middleware refreshes early only for the former.
VIEWS = ["/token/", "/unmarked-token/"]


@pytest.fixture
def expired(logged_in_client: Client, tenant: Tenant) -> Client:
    """A browser whose access token has expired."""
    tenant.clock.advance(90000)
    return logged_in_client


class TestLoginRequired:
    @pytest.fixture
    def dead(self, expired: Client, tenant: Tenant) -> Client:
        """A browser whose grant was revoked."""
        tenant.revoke_refresh_tokens(tenant.user.sub)
        return expired

    @pytest.mark.parametrize("path", VIEWS)
    def test_a_person_is_sent_to_log_in_and_back(self, dead: Client, tenant: Tenant, path: str) -> None:
        answer = dead.get(f"{path}?a=1", headers=NAVIGATE)
        assert answer.status_code == 302
        assert answer["Location"] == f"{LOGIN}?next=%2F{path.strip('/')}%2F%3Fa%3D1"
        assert not is_logged_in(dead)
        if path == "/token/":  # refreshed before the view; within it, ATOMIC_REQUESTS may take the deletion back
            assert not LoginSession.objects.exists()
        url = dead.get(answer["Location"])["Location"]
        assert come_back(dead, tenant.login(url))["Location"] == f"{path}?a=1"
        assert dead.get(path).status_code == 200

    @pytest.mark.parametrize("path", VIEWS)
    def test_a_script_is_told(self, dead: Client, path: str) -> None:
        answer = dead.get(path, headers=FETCH)
        assert answer.status_code == 401
        assert answer.json() == {"error": "login_required", "code": answer.json()["code"], "login_url": LOGIN}
        assert answer["WWW-Authenticate"].startswith("Session")
        assert {"Accept", "Sec-Fetch-Mode", "HX-Request", "X-Requested-With"} <= set(answer["Vary"].split(", "))

    def test_htmx_is_sent_along(self, dead: Client) -> None:
        answer = dead.get("/token/", headers=HTMX)
        assert (answer.status_code, answer["HX-Redirect"]) == (401, f"{LOGIN}?next=%2Fpage%2F")

    def test_R4_no_endless_retry(self, dead: Client, tenant: Tenant) -> None:
        for _ in range(4):
            dead.get("/unmarked-token/")
        assert tenant.count("/oauth/token", grant_type="refresh_token") == 1

    @pytest.mark.parametrize("fault", ["mfa-required", "access-denied"])
    def test_a_refresh_that_asks_for_the_user(self, expired: Client, tenant: Tenant, fault: str) -> None:
        tenant.fault(fault, grant_type="refresh_token", times=None)
        answer = expired.get("/token/", headers=NAVIGATE)
        assert (answer.status_code, answer["Location"]) == (302, f"{LOGIN}?next=%2Ftoken%2F")

    @pytest.mark.parametrize("fault", ["invalid-iss", "other-sub"])
    def test_R1_a_refresh_about_somebody_else_ends_the_login(self, expired: Client, tenant: Tenant, fault: str) -> None:
        tenant.fault(fault, grant_type="refresh_token")
        assert expired.get("/token/").status_code == 302
        assert not is_logged_in(expired)

    def test_users_of_another_backend_who_need_a_token(self, client: Client, django_user_model: Any) -> None:
        user = django_user_model.objects.create_user("local")
        client.force_login(user, "django.contrib.auth.backends.ModelBackend")
        assert client.get("/unmarked-token/")["Location"] == f"{LOGIN}?next=%2Funmarked-token%2F"
        assert client.get("/").content == b"home of local"


class TestTenantUnreachable:
    FAULTS = [
        ("drop", {}, "tenant_unreachable"),
        ("status", {"status": 503}, "tenant_unreachable"),
        ("slow", {"seconds": 300}, "tenant_timeout"),
        ("rate-limit", {"retry_after": 42}, "rate_limited"),
        ("global-limit", {}, "rate_limited"),
    ]

    @pytest.mark.parametrize(("fault", "options", "code"), FAULTS, ids=[name for name, _, _ in FAULTS])
    @pytest.mark.parametrize("path", VIEWS)
    def test_503_and_nobody_is_logged_out_by_weather(
        self,
        client: Client,
        tenant: Tenant,
        auth0_settings: Callable[..., Any],
        path: str,
        fault: str,
        options: dict[str, Any],
        code: str,
    ) -> None:
        walk(client, tenant)
        auth0_settings(HTTP_TIMEOUT=0.5 if fault in SLOW else 10)
        tenant.clock.advance(90000)
        tenant.fault(fault, times=None, **options)
        page = client.get(f"{path}?a=1", headers=NAVIGATE)
        assert (page.status_code, code_shown(page)) == (503, code)
        assert page.context["retry_url"] == f"{path}?a=1"
        assert int(page["Retry-After"]) >= 1
        script = client.get(path, headers=FETCH)
        assert (script.status_code, script.json()["error"]) == (503, "temporarily_unavailable")
        assert script.json()["code"] == code
        assert script["Retry-After"] == str(script.json()["retry_after"])
        if fault == "rate-limit":
            assert 1 <= int(page["Retry-After"]) <= 42
        assert is_logged_in(client)
        tenant.clear_faults()
        auth0_settings()
        tenant.clock.advance(200)
        assert client.get(path).status_code == 200

    UNUSABLE = [
        ("html", {}, "malformed_answer"),
        ("redirect", {}, "malformed_answer"),
        ("status", {"status": 404, "body": "gone"}, "malformed_answer"),
        ("truncated", {}, "malformed_answer"),
        ("huge", {}, "answer_too_large"),
        ("no-access-token", {}, "access_token_missing"),
        ("token-type-missing", {}, "token_type_unsupported"),
        ("token-type-other", {}, "token_type_unsupported"),
        ("gzip-bomb", {}, "malformed_answer"),
    ]

    @pytest.mark.parametrize(
        ("fault", "options", "code"), UNUSABLE, ids=[f"{name}-{code}" for name, _, code in UNUSABLE]
    )
    @pytest.mark.parametrize("path", VIEWS)
    def test_502_for_an_answer_that_cannot_be_used_and_nobody_is_logged_out(
        self,
        expired: Client,
        tenant: Tenant,
        path: str,
        fault: str,
        options: dict[str, Any],
        code: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        tenant.application.rotation = False
        tenant.fault(fault, times=None, grant_type="refresh_token", **options)
        with caplog.at_level(logging.WARNING, "django_auth0_flow.pages.unavailable"):
            page = expired.get(f"{path}?a=1", headers=NAVIGATE)
            script = expired.get(path, headers=FETCH)
        assert (page.status_code, code_shown(page)) == (502, code)
        assert page.context["retry_url"] == f"{path}?a=1"
        text = page.content.decode()
        assert "gave an answer that this site can&#x27;t use" in text
        assert "usually passes" not in text
        assert script.status_code == 502
        assert (script.json()["error"], script.json()["code"]) == ("unusable_answer", code)
        assert "gave an answer that this site can't use" in script.json()["message"]
        for answer in (page, script):
            assert "Retry-After" not in answer
            assert answer["Cache-Control"] == "private, no-store"
        said = [record for record in caplog.records if record.name == "django_auth0_flow.pages.unavailable"]
        assert [record.levelname for record in said] == ["ERROR", "ERROR"]
        assert all(record.getMessage().startswith(f"tenant_answer_unusable code={code} ") for record in said)
        assert is_logged_in(expired)
        tenant.clear_faults()
        tenant.clock.advance(200)
        assert expired.get(path).status_code == 200

    def test_502_at_the_callback_leads_to_a_new_login(self, client: Client, tenant: Tenant) -> None:
        url = tenant.login(start(client, next="/bare/"))
        tenant.fault("no-access-token")
        page = come_back(client, url)
        assert (page.status_code, code_shown(page)) == (502, "access_token_missing")
        assert page.context["retry_url"] == f"{LOGIN}?next=%2Fbare%2F"
        assert "state=" not in page.content.decode()
        assert "Retry-After" not in page

    @pytest.mark.parametrize("fault", ["html", "metadata-issuer-mismatch"])
    def test_502_where_a_login_cannot_begin(self, client: Client, tenant: Tenant, fault: str) -> None:
        tenant.fault(fault, times=None, **({"endpoint": "metadata"} if fault == "html" else {}))
        for path in (LOGIN, "/recent/"):
            answer = client.get(path, headers=NAVIGATE)
            assert (answer.status_code, "Retry-After" in answer) == (502, False), path
        tenant.clear_faults()

    def test_502_in_japanese(self, expired: Client, tenant: Tenant) -> None:
        tenant.fault("html", grant_type="refresh_token")
        page = expired.get("/token/", headers={**NAVIGATE, "Accept-Language": "ja"})
        assert "このサイトでは処理できない応答が返されました" in page.content.decode()

    def test_a_token_that_still_lives_is_used(self, logged_in_client: Client, tenant: Tenant) -> None:
        tenant.clock.advance(86400 - 30)
        tenant.fault("drop", times=None)
        assert logged_in_client.get("/token/").status_code == 200

    def test_the_page_at_the_callback_leads_to_a_new_login_and_shows_no_code(
        self, client: Client, tenant: Tenant
    ) -> None:
        tenant.fault("drop")
        url = tenant.login(start(client, next="/bare/"))
        page = come_back(client, url)
        assert page.context["retry_url"] == f"{LOGIN}?next=%2Fbare%2F"
        assert "state=" not in page.content.decode()

    @pytest.mark.parametrize(
        ("seconds", "says", "tries_itself"),
        [
            (1, "Please come back in 1 second.", True),
            (90, "Please come back in 90 seconds.", True),
            (91, "Please come back in 2 minutes.", True),
            (900, "Please come back in 15 minutes.", False),
        ],
    )
    def test_the_page_says_when_to_come_back_and_tries_itself_if_that_is_soon(
        self, client: Client, tenant: Tenant, seconds: int, says: str, tries_itself: bool
    ) -> None:
        tenant.fault("rate-limit", endpoint="metadata", retry_after=seconds)
        page = client.get(LOGIN, {"next": "/bare/"})
        assert (page.status_code, page["Retry-After"]) == (503, str(seconds))
        assert says in page.content.decode()
        assert (f'data-auth0-retry="{seconds}"' in page.content.decode()) is tries_itself

    def test_a_502_page_tries_itself_once_as_well_but_not_for_a_mistake_of_the_set_up(
        self, client: Client, tenant: Tenant
    ) -> None:
        tenant.fault("html", endpoint="metadata")
        page = client.get(LOGIN, {"next": "/bare/"})
        assert (page.status_code, 'data-auth0-retry="5"' in page.content.decode()) == (502, True)
        request = RequestFactory().get("/bare/", headers=NAVIGATE)
        refused = error_responses.answer(request, MachineTokenRefused("unauthorized_client", status=403))
        assert (refused.status_code, "data-auth0-retry" in refused.content.decode()) == (502, False)

    @pytest.mark.parametrize("method", ["get", "post"])
    @pytest.mark.parametrize("code", ["tenant_timeout", "malformed_answer"])
    def test_an_answer_to_a_form_never_tries_itself(self, client: Client, method: str, code: str) -> None:
        headers = {**NAVIGATE, "Referer": "http://testserver/bare/"}
        request = getattr(RequestFactory(), method)("/bare/", headers=headers)
        page = unavailable(request, TransportError(code=code)).content.decode()
        assert 'href="/bare/"' in page
        assert ("data-auth0-retry" in page) is (method == "get")

    def test_at_the_login_page(self, client: Client, tenant: Tenant) -> None:
        tenant.fault("drop", endpoint="metadata")
        answer = client.get(LOGIN, {"next": "/bare/"})
        assert (answer.status_code, answer.context["retry_url"]) == (503, f"{LOGIN}?next=%2Fbare%2F")
        assert walk(client, tenant, next="/bare/").status_code == 302


class TestOfflineAccess:
    def test_without_refresh_token_the_login_lasts_as_long_as_the_token(
        self, client: Client, tenant: Tenant, auth0_settings: Callable[..., Any]
    ) -> None:
        auth0_settings(SCOPE="openid profile email")
        walk(client, tenant)
        assert client.get("/token/").status_code == 200
        tenant.clock.advance(86401)
        assert client.get("/token/")["Location"] == f"{LOGIN}?next=%2Ftoken%2F"


class TestNoAccessToken:
    """A token that no further login would bring."""

    URL = "/unmarked-token/?audience=https%3A%2F%2Funknown.example.com"

    def test_the_page_says_so_and_the_log_how_to_get_one(
        self, logged_in_client: Client, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING, "django_auth0_flow.error_responses"):
            answers = [logged_in_client.get(self.URL, headers=NAVIGATE) for _ in range(4)]
        for answer in answers:
            assert (answer.status_code, code_shown(answer)) == (400, "audience_not_granted")
            assert "This page can" in answer.content.decode()
            assert LOGIN.encode() not in answer.content
        assert "no_access_token code=audience_not_granted" in caplog.text
        assert "Multi-Resource Refresh Token" in caplog.text
        assert is_logged_in(logged_in_client)

    def test_it_counts_as_no_failed_login(self, logged_in_client: Client, tenant: Tenant) -> None:
        for _ in range(4):
            logged_in_client.get(self.URL, headers=NAVIGATE)
        answer = come_back(logged_in_client, tenant.login(start(logged_in_client), deny=True))
        assert answer.context["retry_url"]

    def test_a_script_is_told(self, logged_in_client: Client) -> None:
        answer = logged_in_client.get(self.URL, headers=FETCH)
        assert (answer.status_code, answer.json()["error"]) == (400, "audience_not_granted")


class TestCallingApis:
    """``request.auth0.api`` from a view."""

    def test_R3_what_leaves_the_api_call_becomes_an_answer_too(self, expired: Client, tenant: Tenant) -> None:
        tenant.revoke_refresh_tokens(tenant.user.sub)
        answer = expired.get("/call/", {"url": "https://api.example.com/"}, headers=NAVIGATE)
        assert answer["Location"].startswith(LOGIN)

    def test_the_token_goes_to_its_own_origin_only(self, logged_in_client: Client, tenant: Tenant) -> None:
        with pytest.raises(Exception, match="API_ORIGINS") as caught:
            logged_in_client.get("/call/", {"url": tenant.issuer})
        assert tenant.issuer.rstrip("/") in str(caught.value)
        assert tenant.count("/") == 0
