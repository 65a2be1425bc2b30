"""Answers that come as a cross-site POST: carried to the session that waits for them, and to no other."""

from __future__ import annotations

from collections.abc import Callable
from http.cookies import Morsel
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from django_auth0_flow.login.form_post_cookie import MAX_COOKIES
from django_auth0_flow.models import LoginSession
from django_auth0_flow.storage.django_session_facts import FACTS_KEY
from django_auth0_flow.testing.tenant import AuthorizationAnswer, Tenant, User
from tests.visitor import Visitor
from tests.walk import CALLBACK, LOGIN, assert_nothing_stored, code_shown, is_logged_in

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.front_urls")]
Configure = Callable[..., dict[str, Any]]
SITE = "https://testserver"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(autouse=True)
def _site(tenant: Tenant, auth0_settings: Configure) -> None:
    tenant.application.callbacks = [f"{SITE}/auth0/callback/"]
    auth0_settings(RESPONSE_MODE="form_post")


@pytest.fixture
def person(tenant: Tenant) -> Visitor:
    return Visitor(tenant)


@pytest.fixture
def grace(tenant: Tenant) -> User:
    return next(user for user in tenant.users.values() if user.nickname == "grace")


def transaction_cookies(person: Visitor) -> dict[str, Any]:
    jar = person.client.cookies
    return {name: morsel for name, morsel in jar.items() if "auth0_login_" in name and morsel.value}


def answer_for(person: Visitor, path: str = f"{LOGIN}?next=/bare/", **options: Any) -> AuthorizationAnswer:
    """Start a login and log in at the tenant; return what the browser is about to send."""
    answer = person.at_tenant(person.start(path), **options)
    assert answer.method == "POST"
    return answer


class TestLogin:
    def test_a_whole_login(self, person: Visitor, tenant: Tenant) -> None:
        assert person.visit("/bare/?page=2").content.decode() == f"bare {tenant.user.sub}"
        assert person.trail[-1] == f"{SITE}/bare/?page=2"
        assert person.asked()[0]["response_mode"] == "form_post"
        assert LoginSession.objects.get().grant.tokens.refresh_token
        assert person.visit("/token/").status_code == 200

    def test_W3_it_ends_in_the_session_that_began_it_under_a_new_key(self, person: Visitor) -> None:
        person.get(f"{SITE}/plain/")
        answer = answer_for(person)
        before = person.cookie("sessionid")
        session = person.client.session
        session["basket"] = ["apples"]
        session.save()
        posted = person.bring(answer)
        assert posted.status_code == 303
        assert "sessionid" not in posted.cookies  # the POST came without it, and starts no other
        assert not is_logged_in(person.client)
        person.follow(posted)
        assert is_logged_in(person.client)
        assert person.client.session["basket"] == ["apples"]
        assert person.cookie("sessionid") != before
        assert not Session.objects.filter(session_key=before).exists()
        assert Session.objects.count() == 1

    def test_W5_neither_code_nor_token_is_in_an_address_or_a_cookie_or_in_clear_in_the_session(
        self, person: Visitor, tenant: Tenant, auth0_settings: Configure
    ) -> None:
        auth0_settings(RESPONSE_TYPE="code id_token")
        answer = answer_for(person)
        posted = person.bring(answer)
        everything = posted["Location"] + person.client.cookies.output() + str(dict(person.client.session.items()))
        assert answer.fields["code"] not in everything
        assert answer.fields["id_token"] not in everything
        assert posted["Cache-Control"] == "private, no-store"
        assert posted["Referrer-Policy"] == "no-referrer"
        person.follow(posted)
        assert is_logged_in(person.client)

    def test_F12_several_tabs_finish_in_any_order(self, person: Visitor) -> None:
        answers = [answer_for(person, f"{LOGIN}?next=/bare/?tab={number}") for number in range(4)]
        for number in (2, 0, 3, 1):
            person.follow(person.bring(answers[number]))
            assert person.trail[-1] == f"{SITE}/bare/?tab={number}"
            assert is_logged_in(person.client)
        assert LoginSession.objects.count() == 1
        assert transaction_cookies(person) == {}

    def test_F5_a_reload_of_the_post_goes_on_without_an_exchange(self, person: Visitor, tenant: Tenant) -> None:
        answer = answer_for(person)
        person.follow(person.bring(answer))
        tenant.clear_log()
        for _ in range(2):
            assert person.follow(person.bring(answer)).status_code == 200
            assert person.trail[-1] == f"{SITE}/bare/"
        assert tenant.count("/oauth/token") == 0

    def test_F5_back_to_the_page_between_goes_on_as_well(self, person: Visitor) -> None:
        person.visit("/bare/")
        between = next(url for url in person.trail if "posted=1" in url)
        person.follow(person.get(between))
        assert person.page.status_code == 200
        assert is_logged_in(person.client)

    def test_a_double_submit_of_the_post_is_one_login(self, person: Visitor, tenant: Tenant) -> None:
        answer = answer_for(person)
        cookies = transaction_cookies(person)
        person.bring(answer)
        for name, morsel in cookies.items():
            person.client.cookies[name] = morsel.value
            person.client.cookies[name]["samesite"] = "None"
        person.follow(person.bring(answer))
        assert is_logged_in(person.client)
        assert tenant.count("/oauth/token") == 1

    def test_a_refusal_lands_as_well(self, person: Visitor) -> None:
        answer = answer_for(person, deny=True)
        assert answer.fields["error"] == "access_denied"
        page = person.follow(person.bring(answer))
        assert (page.status_code, code_shown(page)) == (403, "access_denied")
        assert "User did not authorize the request" in person.text
        assert_nothing_stored(person.client)

    def test_a_refusal_in_the_address_is_told_all_the_same(self, person: Visitor) -> None:
        """A tenant that can't judge the request does not know that a POST was asked for."""
        own = answer_for(person)
        person.get(f"{SITE}{CALLBACK}?{urlencode({'error': 'access_denied', 'state': own.fields['state']})}")
        assert (person.page.status_code, code_shown(person.page)) == (403, "access_denied")

    def test_a_strict_session_cookie_takes_the_same_site_hop(self, person: Visitor, settings: Any) -> None:
        settings.SESSION_COOKIE_SAMESITE = "Strict"
        posted = person.bring(answer_for(person))
        jar = person.client.cookies
        kept = jar.pop("sessionid")
        hop = person.get(f"{SITE}{posted['Location']}")
        assert hop.templates[0].name == "auth0/hop.html"
        dict.__setitem__(jar, "sessionid", kept)
        person.follow(person.get(f"{SITE}{hop.context['url']}"))
        assert is_logged_in(person.client)

    def test_a_pushed_request_is_answered_by_post_too(
        self, person: Visitor, tenant: Tenant, auth0_settings: Configure
    ) -> None:
        auth0_settings(RESPONSE_MODE="form_post", RESPONSE_TYPE="code id_token", PUSHED_AUTHORIZATION=True)
        assert person.visit("/bare/").status_code == 200
        assert set(person.asked()[0]) == {"client_id", "request_uri"}
        assert tenant.count("/oauth/par") == 1

    def test_silent_logins_come_by_post_too(self, person: Visitor, tenant: Tenant) -> None:
        assert person.visit("/quiet/").content.decode() == "nobody"
        assert person.visit("/quiet/").content.decode() == "nobody"
        assert [asked["response_mode"] for asked in person.asked()] == ["form_post"]
        other = Visitor(tenant)
        other.tenant.authorize(other.start(LOGIN))
        other.client.cookies.clear()
        assert tenant.user.sub in other.visit("/quiet/").content.decode()


class TestCookie:
    def test_it_is_sealed_short_lived_and_out_of_scripts_reach(self, person: Visitor) -> None:
        answer = answer_for(person)
        ((name, cookie),) = transaction_cookies(person).items()
        assert name.startswith("__Host-")
        assert (cookie["samesite"], cookie["secure"], cookie["httponly"]) == ("None", True, True)
        assert (cookie["path"], cookie["domain"], cookie["max-age"]) == ("/", "", 3600)
        assert person.cookie("sessionid") not in cookie.value
        assert len(cookie.value) < 200
        person.bring(answer)
        assert transaction_cookies(person) == {}

    def test_the_session_cookie_stays_as_it_is(self, person: Visitor) -> None:
        answer_for(person)
        assert person.client.cookies["sessionid"]["samesite"] == "Lax"

    @pytest.mark.parametrize("site", ["http://localhost", "http://127.0.0.1:8000"])
    def test_on_loopback_without_https_it_has_no_prefix(self, tenant: Tenant, site: str) -> None:
        tenant.application.callbacks = [f"{site}/auth0/callback/"]
        person = Visitor(tenant, site=site)
        answer = answer_for(person)
        ((name, cookie),) = transaction_cookies(person).items()
        assert not name.startswith("__Host-")
        assert (cookie["samesite"], cookie["secure"]) == ("None", True)
        person.follow(person.bring(answer))
        assert is_logged_in(person.client)

    def test_a_site_behind_a_proxy_says_so_by_its_base_url(self, tenant: Tenant, auth0_settings: Configure) -> None:
        tenant.application.callbacks = ["https://www.example.com/auth0/callback/"]
        auth0_settings(RESPONSE_MODE="form_post", BASE_URL="https://www.example.com")
        person = Visitor(tenant, site="http://testserver")
        person.start(LOGIN)
        assert all(name.startswith("__Host-") for name in transaction_cookies(person))

    def test_plain_http_elsewhere_is_said_in_the_log(
        self, tenant: Tenant, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.ALLOWED_HOSTS = ["www.example.com"]
        tenant.application.callbacks = ["http://www.example.com/auth0/callback/"]
        person = Visitor(tenant, site="http://www.example.com")
        answer = answer_for(person)
        assert "form_post_needs_https" in caplog.text
        page = person.follow(person.bring(answer))
        assert (page.status_code, code_shown(page)) == (400, "form_post_needs_https")
        assert len(person.asked()) == 1, "the login does not start again: it would end alike"

    def test_a_browser_that_keeps_no_secure_cookie_of_plain_http_is_told(
        self, tenant: Tenant, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Safari, on ``http://localhost``."""
        tenant.application.callbacks = [f"http://localhost{CALLBACK}"]
        person = Visitor(tenant, site="http://localhost")
        answer = answer_for(person)
        ((name, _),) = transaction_cookies(person).items()
        del person.client.cookies[name]
        page = person.follow(person.bring(answer))
        assert (page.status_code, code_shown(page)) == (400, "form_post_needs_https")
        assert "form_post_needs_https" in caplog.text
        assert not is_logged_in(person.client)

    def test_two_tabs_of_plain_http_both_arrive(self, tenant: Tenant) -> None:
        tenant.application.callbacks = [f"http://localhost{CALLBACK}"]
        person = Visitor(tenant, site="http://localhost")
        first, second = answer_for(person), answer_for(person)
        assert person.follow(person.bring(second)).status_code == 200
        assert person.follow(person.bring(first)).status_code == 200
        assert is_logged_in(person.client)

    def test_over_https_a_login_that_lost_its_cookie_starts_again(self, person: Visitor) -> None:
        answer = answer_for(person)
        ((name, _),) = transaction_cookies(person).items()
        del person.client.cookies[name]
        person.follow(person.bring(answer))
        assert is_logged_in(person.client)
        assert len(person.asked()) == 2

    def test_F12_there_are_never_many(self, person: Visitor, tenant: Tenant) -> None:
        answers = []
        for number in range(3 * MAX_COOKIES):
            answers.append(answer_for(person, f"{LOGIN}?next=/bare/?tab={number}"))
            tenant.clock.advance(1)
            person.lose_cookies()
            assert len(transaction_cookies(person)) <= MAX_COOKIES
        person.forget_trail()
        person.follow(person.bring(answers[-MAX_COOKIES]))
        assert is_logged_in(person.client)
        assert person.asked() == []  # it did not have to start again: the oldest ones gave way


class TestAttacks:
    @pytest.mark.parametrize("name", ["auth0_login_(%d", "auth0_login_\u00e9%d", "auth0_login_%016x"], ids=ascii)
    def test_F12_cookies_that_a_neighbour_planted_keep_nobody_from_logging_in(self, person: Visitor, name: str) -> None:
        for number in range(2 * MAX_COOKIES):
            dict.__setitem__(person.client.cookies, name % number, self.planted(name % number))
        first, _second_tab = answer_for(person), answer_for(person)
        person.follow(person.bring(first))
        assert is_logged_in(person.client)
        assert len(person.asked()) == 2

    @pytest.mark.parametrize("filler", ["(", "\u00e9", "g", "0"], ids=ascii)
    def test_F12_nor_where_a_bare_name_counts(self, tenant: Tenant, filler: str) -> None:
        """On loopback any other port is a neighbour: names that no answer can delete are left alone."""
        tenant.application.callbacks = [f"http://localhost{CALLBACK}"]
        person = Visitor(tenant, site="http://localhost")
        for number in range(2 * MAX_COOKIES):
            name = f"auth0_login_{filler * 14}{number:02d}"
            dict.__setitem__(person.client.cookies, name, self.planted(name))
        person.follow(person.bring(answer_for(person)))
        assert is_logged_in(person.client)

    def planted(self, name: str) -> Morsel[str]:
        """Return a cookie as it comes with a request, whatever its name."""
        morsel: Morsel[str] = Morsel()
        for attribute, text in {"_key": name, "_value": f"{10**12}.x", "_coded_value": f"{10**12}.x"}.items():
            setattr(morsel, attribute, text)
        return morsel

    def test_F2_a_foreign_answer_does_not_log_a_fresh_browser_in(
        self, person: Visitor, tenant: Tenant, grace: User
    ) -> None:
        attacker = Visitor(tenant, user=grace)
        attack = answer_for(attacker)
        posted = person.bring(attack)
        answer = person.get(f"{SITE}{posted['Location']}")
        # The visitor is sent to log in for themselves; the attacker's code is never used.
        assert answer["Location"].startswith(f"{tenant.issuer}authorize?")
        assert tenant.count("/oauth/token") == 0
        assert_nothing_stored(person.client)

    @pytest.mark.parametrize("moment", ["under way", "logged in"])
    def test_F2_it_neither_spoils_a_login_under_way_nor_switches_a_visitor(
        self, person: Visitor, tenant: Tenant, grace: User, moment: str
    ) -> None:
        own = answer_for(person)
        if moment == "logged in":
            person.follow(person.bring(own))
        attack = answer_for(Visitor(tenant, user=grace))
        posted = person.bring(attack)
        person.get(f"{SITE}{posted['Location']}")
        if moment == "under way":
            person.follow(person.bring(own))
        assert person.visit("/bare/").content.decode() == f"bare {tenant.user.sub}"
        assert LoginSession.objects.count() == 1

    def test_F2_the_cookie_of_another_login_does_not_do(self, person: Visitor, tenant: Tenant, grace: User) -> None:
        """A cookie planted under the name of the attacker's login, with the value of the victim's."""
        answer_for(person)
        ((_, own),) = transaction_cookies(person).items()
        attacker = Visitor(tenant, user=grace)
        attack = answer_for(attacker)
        ((name, _),) = transaction_cookies(attacker).items()
        person.client.cookies[name] = own.value
        person.client.cookies[name]["samesite"] = "None"
        posted = person.bring(attack)
        person.get(f"{SITE}{posted['Location']}")
        assert_nothing_stored(person.client)
        assert tenant.count("/oauth/token") == 0

    def test_F2_an_answer_with_the_attackers_cookie_stays_in_the_attackers_session(
        self, person: Visitor, tenant: Tenant, grace: User
    ) -> None:
        """Somebody who can plant the cookie as well gains nothing: the session cookie decides who comes for the answer."""
        attacker = Visitor(tenant, user=grace)
        attack = answer_for(attacker)
        for name, morsel in transaction_cookies(attacker).items():
            person.client.cookies[name] = morsel.value
            person.client.cookies[name]["samesite"] = "None"
        posted = person.bring(attack)
        person.get(f"{SITE}{posted['Location']}")
        assert_nothing_stored(person.client)

    def test_F3_a_stolen_code_with_ones_own_state_is_refused(
        self, person: Visitor, tenant: Tenant, grace: User
    ) -> None:
        stolen = answer_for(Visitor(tenant, user=grace)).fields["code"]
        own = answer_for(person)
        page = person.follow(person.post_from_elsewhere(own.url, {**own.fields, "code": stolen}))
        assert (page.status_code, code_shown(page)) == (400, "invalid_grant")

    def test_a_code_in_the_address_is_not_taken_where_a_post_was_asked_for(
        self, person: Visitor, tenant: Tenant
    ) -> None:
        own = answer_for(person)
        person.get(f"{SITE}{CALLBACK}?state={own.fields['state']}&code={own.fields['code']}")
        assert not is_logged_in(person.client)
        assert tenant.count("/oauth/token") == 0

    @pytest.mark.parametrize(
        "body",
        [
            "",
            "code=x",
            "state=",
            "state=made-up&code=x",
            "state=a&state=b",
            "state=%00",
            "state=%ff%fe",
            "state=" + "A" * 5000,
            "&" * 500,
            "[]",
        ],
        ids=lambda body: body[:20],
    )
    def test_F11_garbage_is_a_400(self, client: Client, body: str) -> None:
        answer = client.post(CALLBACK, body, content_type=FORM, secure=True)
        assert answer.status_code == 400
        assert not Session.objects.exists()

    @pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", "text/plain", "x"])
    def test_F11_other_bodies_are_a_400(self, client: Client, kind: str) -> None:
        assert client.post(CALLBACK, b"--x", content_type=kind, secure=True).status_code == 400

    def test_F8_a_parameter_given_twice_is_refused(self, person: Visitor, tenant: Tenant) -> None:
        own = answer_for(person)
        body = "&".join(f"{name}={value}" for name, value in own.fields.items()) + "&code=other"
        answer = person.client.post(CALLBACK, body, content_type=FORM, secure=True)
        assert (answer.status_code, code_shown(answer)) == (400, "parameter_repeated")
        assert tenant.count("/oauth/token") == 0

    def test_F7_iss_of_another_issuer_is_refused(self, person: Visitor, tenant: Tenant) -> None:
        tenant.fault("iss-wrong")
        page = person.visit("/bare/")
        assert (page.status_code, code_shown(page)) == (400, "iss_mismatch")

    def test_F6_a_forged_error_ends_nothing(self, person: Visitor, tenant: Tenant) -> None:
        own = answer_for(person)
        stranger = answer_for(Visitor(tenant))
        for state in ("made-up", stranger.fields["state"]):
            posted = person.post_from_elsewhere(own.url, {"error": "access_denied", "state": state})
            if posted.status_code == 303:
                person.get(f"{SITE}{posted['Location']}")
        person.follow(person.bring(own))
        assert is_logged_in(person.client)

    @pytest.mark.parametrize("method", ["put", "patch", "delete", "head"])
    def test_other_methods_are_refused(self, client: Client, method: str) -> None:
        assert getattr(client, method)(CALLBACK, secure=True).status_code == 405

    def test_a_post_is_refused_where_nothing_was_configured(self, client: Client, auth0_settings: Configure) -> None:
        auth0_settings()
        answer = client.post(CALLBACK, {"state": "x", "code": "y"}, secure=True)
        assert (answer.status_code, answer["Allow"]) == (405, "GET, OPTIONS")


class TestHybrid:
    @pytest.fixture(autouse=True)
    def _hybrid(self, auth0_settings: Configure) -> None:
        auth0_settings(RESPONSE_TYPE="code id_token")

    def test_a_whole_login(self, person: Visitor, tenant: Tenant) -> None:
        assert person.visit("/token/").status_code == 200
        asked = person.asked()[0]
        assert (asked["response_type"], asked["response_mode"]) == ("code id_token", "form_post")
        assert asked["code_challenge_method"] == "S256"
        assert tenant.count("/oauth/token") == 1
        assert LoginSession.objects.get().grant.tokens.refresh_token

    @pytest.mark.parametrize(
        ("fault", "code"),
        [
            ("c-hash-invalid", "token_c_hash"),
            ("c-hash-missing", "token_c_hash"),
            ("nonce-invalid", "token_nonce"),
            ("nonce-missing", "token_nonce"),
            ("sig-invalid", "token_signature"),
            ("alg-none", "token_token"),
            ("invalid-iss", "token_iss"),
            ("invalid-aud", "token_aud"),
            ("expired", "token_exp"),
            ("no-id-token", "id_token_missing"),
        ],
    )
    def test_the_front_channels_token_is_judged_before_the_code_is_used(
        self, person: Visitor, tenant: Tenant, fault: str, code: str
    ) -> None:
        tenant.fault(fault)
        page = person.visit("/bare/")
        assert (page.status_code, code_shown(page)) == (400, code)
        assert tenant.count("/oauth/token") == 0
        assert_nothing_stored(person.client)

    def test_F3_another_code_than_the_token_is_bound_to_is_refused(self, person: Visitor, tenant: Tenant) -> None:
        other, own = answer_for(Visitor(tenant)).fields["code"], answer_for(person)
        page = person.follow(person.post_from_elsewhere(own.url, {**own.fields, "code": other}))
        assert code_shown(page) == "token_c_hash"
        assert tenant.count("/oauth/token") == 0

    def test_the_second_token_must_be_about_the_same_person(self, person: Visitor, tenant: Tenant) -> None:
        answer = answer_for(person)
        tenant.fault("other-sub", value="auth0|somebody-else")
        page = person.follow(person.bring(answer))
        assert code_shown(page) == "token_sub"
        assert_nothing_stored(person.client)

    def test_a_code_is_needed(self, person: Visitor) -> None:
        own = answer_for(person)
        fields = {name: value for name, value in own.fields.items() if name != "code"}
        assert code_shown(person.follow(person.post_from_elsewhere(own.url, fields))) == "code_missing"


def test_the_state_says_nothing_of_the_session(person: Visitor) -> None:
    url = person.start(LOGIN)
    query = dict(parse_qsl(urlsplit(url).query))
    assert person.cookie("sessionid") not in url
    assert FACTS_KEY not in query
