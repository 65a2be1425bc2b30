"""The pages that visitors see: what they say in both languages, their structure, their looks under a strict policy."""

from __future__ import annotations

import re
import uuid
from collections import Counter
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.template.loader import get_template
from django.test import Client, RequestFactory, override_settings
from django.utils import translation

import django_auth0_flow
from django_auth0_flow.forms import CodeForm, EnrolForm, PasswordForm, PasswordlessForm, PasswordResetForm, SignUpForm
from django_auth0_flow.logout.own_logins import OwnIdentity, OwnLogin
from django_auth0_flow.pages import messages
from django_auth0_flow.pages.messages import words_for
from django_auth0_flow.pages.qr_code import QrCode
from django_auth0_flow.testing.tenant import Tenant
from tests.programs import require, require_module

PACKAGE = Path(django_auth0_flow.__file__).parent
STYLES = (PACKAGE / "static/auth0/auth0.css").read_text(encoding="utf-8")
STATICFILES = "django.contrib.staticfiles.storage"
POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; base-uri 'none'"
MARKUP = "\"'><script>alert(1)</script><b>"
LANGUAGES = ["en", "ja"]

WAYS = ["email-code", "email-link", "sms"]
LINKS = {"password_url": "/a/", "password_reset_url": "/b/"}
ASKED = ["email", "phone_number", "given_name"]
STEPS = ["otp", "sms", "voice"]
PHONES = {"ways": ["sms", "voice"], "factors_url": "/a/"}
NOON = datetime(2026, 6, 14, 12, tzinfo=UTC)
IDENTITY = OwnIdentity("Google", "google-oauth2|1", "example.eu.auth0.com", NOON)


def login(**changes: Any) -> OwnLogin:
    values: dict[str, Any] = {"device": "Firefox", "is_current": True, "identity": IDENTITY, **changes}
    return OwnLogin(id=uuid.uuid4(), logged_in_at=NOON, last_used_at=NOON, **values)


#: name -> template, its context except ``words``
PAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "login failed": ("login_failed", {"code": "access_denied", "retry_url": "/auth0/login/?next=%2Fa"}),
    "login failed for good": ("login_failed", {"code": "login_loop", "retry_url": ""}),
    "no access token": ("login_failed", {"code": "no_access_token", "no_access_token": True}),
    "unavailable": (
        "unavailable",
        {"code": "tenant_timeout", "retry_url": "/a/?b=1&c=2", "retry_after": 90, "tries_itself": True},
    ),
    "unavailable for long": (
        "unavailable",
        {"code": "rate_limited", "retry_url": "/a/", "retry_after": 400, "retry_minutes": 7},
    ),
    "unavailable after a form": ("unavailable", {"code": "tenant_timeout", "retry_url": ""}),
    "unusable answer": (
        "unusable_answer",
        {"code": "malformed_answer", "retry_url": "/a/?b=1&c=2", "retry_after": 90, "tries_itself": True},
    ),
    "already submitted": ("already_submitted", {"code": "already_submitted", "next_url": "/a/", "start_url": "/b/"}),
    "forbidden": (
        "forbidden",
        {"code": "permissions", "retry_url": "/auth0/login/?next=%2Fa", "account_matters": True},
    ),
    "forbidden, login helps": (
        "forbidden",
        {"code": "max_age", "retry_url": "/b/", "account_matters": True, "log_in_again_helps": True},
    ),
    "forbidden by mistake": ("forbidden", {"code": "configurations", "retry_url": "/b/"}),
    "hop": ("hop", {"url": "/auth0/callback/?code=a&state=b&same_site=1"}),
    "logout": ("logout", {"next": "/a/"}),
    "logged out": ("logged_out", {}),
    "logged out here only": ("logged_out", {"tenant_left": True}),
    "account": ("account", {"logins": [login(), login(is_current=False)], "identities": [IDENTITY], "ended": 2}),
    "account, one login": ("account", {"logins": [login(device="Unknown browser")], "identities": [IDENTITY]}),
    "account, trouble": ("account", {"logins": [login()], "not_found": True, "left": 1, "form_expired": True}),
    "still logged in": ("logged_out", {"still_logged_in": True}),
}
REFUSED = {"code": "wrong_code"}
#: The pages on which people type or choose, as they first are, filled in wrongly, and refused by the tenant.
FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "passwordless": ("passwordless", {"form": lambda: PasswordlessForm(kinds=WAYS), "kinds": WAYS}),
    "passwordless, wrong": (
        "passwordless",
        {"form": lambda: PasswordlessForm({"address": "a"}, kinds=WAYS), "kinds": WAYS},
    ),
    "passwordless, linked": (
        "passwordless",
        {"form": lambda: PasswordlessForm(kinds=WAYS), "kinds": WAYS, "password_url": "/a/", "tenants_page_url": "/b/"},
    ),
    "passwordless, by telephone": ("passwordless", {"form": lambda: PasswordlessForm(kinds=["sms"]), "kinds": ["sms"]}),
    "code, spent": (
        "passwordless_code",
        {"form": CodeForm, "kind": "sms", "start_url": "/a/", "is_over": True, **REFUSED},
    ),
    "code, sent again": (
        "passwordless_code",
        {"form": CodeForm, "kind": "email-code", "address": "a", "start_url": "/a/", "is_sent_again": True},
    ),
    "code": ("passwordless_code", {"form": CodeForm, "kind": "sms", "address": "+81901", "start_url": "/a/"}),
    "code, wrong": ("passwordless_code", {"form": lambda: CodeForm({"code": "?"}), "kind": "sms", "start_url": "/a/"}),
    "code, refused": ("passwordless_code", {"form": CodeForm, "kind": "sms", "start_url": "/a/", **REFUSED}),
    "link": (
        "passwordless_code",
        {"kind": "email-link", "is_link": True, "address": "a@example.com", "start_url": "/a/"},
    ),
    "password": ("password", {"form": PasswordForm}),
    "password, wrong": ("password", {"form": lambda: PasswordForm({})}),
    "password, refused": ("password", {"form": lambda: PasswordForm({"username": "a", "password": "b"}), **REFUSED}),
    "password, linked": (
        "password",
        {
            "form": PasswordForm,
            "signup_url": "/a/?next=%2Fb",
            "password_reset_url": "/c/?next=%2Fb",
            "passwordless_url": "/d/",
            "tenants_page_url": "/e/",
        },
    ),
    "sign up": ("signup", {"form": lambda: SignUpForm(fields=ASKED), **LINKS}),
    "sign up, wrong": ("signup", {"form": lambda: SignUpForm({"email": "a"}, fields=ASKED), **LINKS}),
    "sign up, refused": ("signup", {"form": lambda: SignUpForm(fields=ASKED), **LINKS, **REFUSED}),
    "sign up, weak password": ("signup", {"form": lambda: SignUpForm(fields=ASKED), **LINKS, "policy": "* 8"}),
    "signed up": (
        "signup",
        {"is_signed_up": True, "code": "access_denied", **LINKS, "form": lambda: SignUpForm(fields=ASKED)},
    ),
    "reset": ("password_reset", {"form": PasswordResetForm, **LINKS}),
    "reset, wrong": ("password_reset", {"form": lambda: PasswordResetForm({"email": "a"}), **LINKS}),
    "reset, sent": ("password_reset", {"sent_to": "a@example.com", **LINKS}),
    "second step": (
        "mfa",
        {
            "factors": [
                {"kind": kind, "name": "34" if kind in ("sms", "voice", "email") else ""}
                for kind in ("otp", "push", "sms", "voice", "email", "recovery-code")
            ]
        },
    ),
    "second step, over": ("mfa", {"is_over": True, "start_url": "/a/", "factors": [], **REFUSED}),
    **{
        f"second step, code by {kind}": (
            "mfa_code",
            {
                "form": CodeForm,
                "asks_for_code": kind != "push",
                "kind": kind,
                "name": "34",
                "is_message": True,
                "is_sent_again": True,
                "factors_url": "/a/",
            },
        )
        for kind in ("sms", "voice", "email", "push")
    },
    "second step, code": (
        "mfa_code",
        {"form": CodeForm, "asks_for_code": True, "kind": "otp", "factors_url": "/a/"},
    ),
    "second step, code refused": (
        "mfa_code",
        {"form": CodeForm, "asks_for_code": True, "kind": "otp", "factors_url": "/a/", **REFUSED},
    ),
    "second step, QR code": (
        "mfa_code",
        {
            "form": CodeForm,
            "asks_for_code": True,
            "is_enrolment": True,
            "secret": "JBSW Y3DP",
            "barcode_uri": "/b/",
            "qr_code": QrCode(29, "M4 4h7v1h-7z"),
            "factors_url": "/a/",
        },
    ),
    "second step, key": (
        "mfa_code",
        {
            "form": CodeForm,
            "asks_for_code": True,
            "is_enrolment": True,
            "is_only_way": True,
            "secret": "JBSW Y3DP",
            "factors_url": "/a/",
        },
    ),
    "second step, approval": ("mfa_code", {"factors_url": "/a/"}),
    "set up": (
        "mfa_enrol",
        {"form": lambda: EnrolForm(kinds=STEPS), "kinds": STEPS, "choices": STEPS[:2], "recommended": "otp"},
    ),
    "set up, telephone": ("mfa_phone", {"form": lambda: EnrolForm(kinds=STEPS), **PHONES}),
    "set up, telephone, wrong": ("mfa_phone", {"form": lambda: EnrolForm({"kind": "voice"}, kinds=STEPS), **PHONES}),
    "set up, telephone, refused": ("mfa_phone", {"form": lambda: EnrolForm(kinds=STEPS), **PHONES, **REFUSED}),
    "set up, message": (
        "mfa_code",
        {
            "form": CodeForm,
            "asks_for_code": True,
            "kind": "sms",
            "name": "34",
            "is_enrolment": True,
            "is_message": True,
            "number_url": "/b/",
            "factors_url": "/a/",
        },
    ),
    "recovery code": ("mfa_recovery_codes", {"codes": ["12345678"], "grouped_codes": [("12345678", ["1234", "5678"])]}),
    "recovery codes": (
        "mfa_recovery_codes",
        {"codes": ["1234", "5678"], "grouped_codes": [("1234", ["1234"]), ("5678", ["5678"])], "download_url": "/a/"},
    ),
}
PAGES |= FORMS
every_page = pytest.mark.parametrize("name", PAGES)
every_language = pytest.mark.parametrize("language", LANGUAGES)


class Page(HTMLParser):
    """What a test wants to know of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, dict[str, str]]] = []
        self.text: dict[str, str] = {}
        self._open: list[str] = []
        self._texts: list[tuple[str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in ("meta", "link", "input", "path", "circle", "rect"):
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if data.strip():
            inside = self._open[-1] if self._open else ""
            self._texts.append((inside, data.strip()))
            self.text[inside] = f"{self.text.get(inside, '')} {data.strip()}".strip()

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.attributes if name == tag]

    def texts(self, tag: str) -> list[str]:
        return [text for inside, text in self._texts if inside == tag]

    @property
    def links(self) -> list[str]:
        return [link["href"] for link in self.all("a")]


def show(name: str, language: str = "en", **changes: Any) -> Page:
    template, context = PAGES[name]
    with translation.override(language):
        form = {"form": context["form"]()} if "form" in context else {}  # anew: it remembers its errors in one language
        context = {"words": words_for(context["code"]) if "code" in context else "", **context, **form, **changes}
        html = get_template(f"auth0/{template}.html").render(context, RequestFactory().get("/auth0/logout/"))
    return Page(html)


class TestEveryPage:
    @every_page
    @every_language
    def test_is_sound_html(self, name: str, language: str) -> None:
        page = show(name, language)
        assert page._open == []
        assert page.html.startswith("<!doctype html>")
        assert page.all("html")[0]["lang"] == language
        assert (page.tags["main"], page.tags["h1"], page.tags["title"]) == (1, 1, 1)
        assert page.text["title"] == page.text["h1"]

    @every_page
    def test_has_nothing_that_a_strict_policy_blocks(self, name: str) -> None:
        page = show(name)
        assert not {"style", "iframe", "img", "object", "embed", "base"} & set(page.tags)
        scripts = page.all("script")
        assert all(script["src"].startswith("/static/auth0/") and "defer" in script for script in scripts)
        assert "script" not in page.text
        names = {key for _, attributes in page.attributes for key in attributes}
        assert not [key for key in names if key == "style" or key.startswith("on")]
        assert not re.search(r"javascript:|//", page.html.replace("<!doctype html>", ""))

    @every_page
    def test_is_kept_out_of_search_engines_and_fits_a_phone(self, name: str) -> None:
        metas = {meta["name"]: meta["content"] for meta in show(name).all("meta") if "name" in meta}
        assert "noindex" in metas["robots"]
        assert "referrer" not in metas  # the header says it: pages with a form need another policy
        assert metas["viewport"] == "width=device-width, initial-scale=1"

    @every_page
    def test_offers_a_way_on(self, name: str) -> None:
        page = show(name)
        assert page.links or page.tags["button"]
        assert all(urlsplit(link).path.startswith("/") for link in page.links)

    @every_page
    def test_leaves_no_english_in_japanese(self, name: str) -> None:
        text = dict(show(name, "ja").text)
        for tag in ("code", "strong"):  # what is the visitor's own
            text.pop(tag, None)
        names = {"SMS", "QR", "Google", "Microsoft", "Authenticator"}
        assert set(re.findall(r"[A-Za-z]{2,}", " ".join(text.values()))) <= names

    @every_page
    def test_uses_only_classes_that_the_style_sheet_knows(self, name: str) -> None:
        for _, attributes in show(name).attributes:
            for css_class in attributes.get("class", "").split():
                assert css_class.startswith("auth0-icon-") or f".{css_class}" in STYLES

    @every_page
    def test_hides_ornaments_from_screen_readers(self, name: str) -> None:
        assert all(icon.get("aria-hidden") == "true" or icon["aria-label"] for icon in show(name).all("svg"))

    @every_page
    def test_posts_only_with_a_csrf_token(self, name: str) -> None:
        page = show(name)
        assert all(form["method"] == "post" for form in page.all("form"))
        tokens = [field for field in page.all("input") if field.get("name") == "csrfmiddlewaretoken"]
        assert len(tokens) == page.tags["form"]

    def test_escapes_whatever_comes_from_outside_F10(self) -> None:
        outside = dict.fromkeys(["code", "words", "tenant_says", "retry_url", "next", "url"], MARKUP)
        for name in PAGES:
            page = show(name, **outside)
            assert all(script["src"].startswith("/static/") for script in page.all("script"))
            assert "script" not in page.text
            assert "b" not in page.tags

    def test_language_that_we_do_not_speak_is_marked_as_the_english_it_shows(self) -> None:
        assert show("logout", "fr").all("html")[0]["lang"] == "en"

    @override_settings(STORAGES={"staticfiles": {"BACKEND": f"{STATICFILES}.ManifestStaticFilesStorage"}}, DEBUG=False)
    def test_is_shown_plain_where_static_files_were_not_collected(self) -> None:
        page = show("login failed")
        assert page.text["h1"] == "Login failed"
        assert page.all("link") == []

    @every_page
    def test_labels_every_field_and_button(self, name: str) -> None:
        page = show(name)
        labels = [label["for"] for label in page.all("label")]
        fields = [field for field in page.all("input") if field["type"] != "hidden"]
        assert [field["id"] for field in fields] == labels
        assert len(set(labels)) == len(labels)
        assert page.texts("label") == [text for text in page.texts("label") if text]
        named = [button for button in page.all("button") if "aria-labelledby" in button]
        spans = [span.get("id") for span in page.all("span")]
        assert all(button["aria-labelledby"] in spans for button in named)
        assert all(name in spans for button in named for name in button["aria-describedby"].split())
        words = [text for text in page.texts("button") if text]
        assert len(words) + len(named) == page.tags["button"]


class TestForms:
    @pytest.mark.parametrize("name", [name for name in FORMS if name.endswith("wrong")])
    @every_language
    def test_what_is_wrong_is_announced_and_told_at_its_field(self, name: str, language: str) -> None:
        page = show(name, language)
        announced = [problem["id"] for problem in page.all("span") if problem.get("role") == "alert"]
        wrong = [field for field in page.all("input") if field.get("aria-invalid") == "true"]
        assert wrong
        assert [field["aria-describedby"].split()[-1] for field in wrong] == announced
        assert any("autofocus" in field for field in wrong)

    @pytest.mark.parametrize("name", [name for name in FORMS if name.endswith("refused")])
    def test_a_refusal_is_announced_with_its_words_and_code(self, name: str) -> None:
        page = show(name)
        assert [part["role"] for part in page.all("div") if "role" in part] == ["alert"]
        assert words_for("wrong_code") in page.text["p"]
        assert page.text["code"] == "wrong_code"

    @pytest.mark.parametrize(
        "name", ["passwordless", "code", "password", "sign up", "reset", "second step, code", "set up, telephone"]
    )
    def test_the_first_field_has_the_focus(self, name: str) -> None:
        fields = [field for field in show(name).all("input") if field["type"] != "hidden"]
        assert ["autofocus" in field for field in fields] == [True, *[False] * (len(fields) - 1)]


class TestWhatEachPageSays:
    @pytest.mark.parametrize("name", ["login failed", "unavailable", "unusable answer", "forbidden"])
    def test_troubles_are_announced_and_name_their_code(self, name: str) -> None:
        page = show(name)
        code = PAGES[name][1]["code"]
        assert [part["role"] for part in page.all("div") if "role" in part] == ["alert"]
        assert page.text["code"] == code
        assert code not in page.text["h1"]
        assert words_for(code) in page.text["p"]

    def test_failed_login_offers_another_try_until_told_not_to(self) -> None:
        assert show("login failed").links == ["/auth0/login/?next=%2Fa", "/"]
        assert show("login failed for good").links == ["/"]

    def test_tenant_is_quoted_as_such_and_not_at_length(self) -> None:
        page = show("login failed", tenant_says="Please verify your e-mail. " + "x" * 3000)
        assert page.text["figcaption"] == "The login service says:"
        assert page.text["blockquote"].startswith("Please verify your e-mail. xxx")
        assert len(page.text["blockquote"]) == 400
        assert show("login failed", tenant_says="").tags["blockquote"] == 0

    def test_a_policy_is_quoted_as_the_tenant_words_it(self) -> None:
        page = show("sign up, weak password", policy=f"* At least 8\n * {MARKUP}")
        assert page.text["figcaption"] == "The login service's rules for passwords:"
        assert page.text["blockquote"] == f"* At least 8\n * {MARKUP}"
        assert "script" not in page.tags

    def test_page_without_token_does_not_say_that_the_login_failed(self) -> None:
        assert show("no access token").text["h1"] == "This page can't be shown"

    def test_forbidden_page_lets_the_visitor_change_accounts(self) -> None:
        page = show("forbidden")
        assert page.text["button"] == "Use another account"
        assert {"type": "hidden", "name": "next", "value": "/auth0/login/?next=%2Fa"} in page.all("input")
        assert page.links == ["/"], "logging in again changes nothing"

    def test_forbidden_page_leads_with_what_can_help(self) -> None:
        page = show("forbidden, login helps")
        ways = [part for part in page.attributes if "auth0-button" in part[1].get("class", "")]
        assert [(tag, part.get("href"), part["class"]) for tag, part in ways] == [
            ("button", None, "auth0-button"),
            ("a", "/b/", "auth0-button auth0-button-quiet"),
            ("a", "/", "auth0-button auth0-button-quiet"),
        ]
        assert show("forbidden by mistake").links == ["/"]
        assert show("forbidden by mistake").tags["button"] == 0

    def test_hop_goes_on_by_itself_and_by_hand(self) -> None:
        page = show("hop")
        refresh = next(meta for meta in page.all("meta") if meta.get("http-equiv") == "refresh")
        assert refresh["content"] == "0;url=/auth0/callback/?code=a&state=b&same_site=1"
        assert page.links == ["/auth0/callback/?code=a&state=b&same_site=1"]

    def test_logout_asks_first_and_keeps_next(self) -> None:
        page = show("logout")
        assert page.all("form")[0]["action"] == "/auth0/logout/"
        assert {"type": "hidden", "name": "next", "value": "/a/"} in page.all("input")
        assert page.links == ["/a/"]
        assert show("logout", next="").links == ["/"]

    def test_logged_out_page_says_where_things_stand(self) -> None:
        assert show("logged out").text["h1"] == "You are logged out"
        assert "could not be reached" in show("logged out here only").text["p"]
        assert show("still logged in").text["h1"] == "You are still logged in"
        assert show("still logged in").text["button"] == "Log out"

    def test_account_page_has_a_button_for_each_login_and_for_all(self) -> None:
        page = show("account")
        assert page.texts("button") == ["Log out", "End this login", "End all other logins", "Log out everywhere"]
        ends = [button["value"] for button in page.all("button")]
        assert ends == [*(str(found.id) for found in PAGES["account"][1]["logins"]), "others", "all"]
        described = [button["aria-describedby"] for button in page.all("button")[:2]]
        assert described == [part["id"] for part in page.all("div") if "id" in part]
        assert show("account, one login").texts("button") == ["Log out"]

    def test_account_page_announces_what_happened(self) -> None:
        def roles(name: str) -> list[str]:
            return [part["role"] for part in show(name).all("div") if "role" in part]

        assert (roles("account"), roles("account, one login"), roles("account, trouble")) == (
            ["status"],
            [],
            ["alert"] * 3,
        )

    @override_settings(LOGOUT_REDIRECT_URL="no-such-view")
    def test_start_page_is_the_root_when_the_setting_names_nothing(self) -> None:
        assert show("logged out").links[-1] == "/"


class TestWords:
    def test_unknown_codes_get_a_sentence_that_is_true_of_all(self) -> None:
        assert words_for("brand_new") == "Something went wrong while you were being logged in."

    def test_token_checks_share_a_sentence(self) -> None:
        assert words_for("token_iss") == words_for("token_nonce") == words_for("signing_key_not_found")

    @pytest.mark.parametrize("code", messages._WORDS)
    def test_every_sentence_is_translated(self, code: str) -> None:
        english = words_for(code)
        with translation.override("ja"):
            japanese = words_for(code)
        assert english != japanese
        assert english.endswith(".")
        assert japanese.endswith("。")


@pytest.mark.django_db
class TestOverHttp:
    def test_forged_callback_is_answered_in_the_visitors_language(self, client: Client, auth0_settings: Any) -> None:
        found = client.get("/auth0/callback/?code=a&state=b", headers={"accept-language": "ja", "accept": "text/html"})
        assert found.status_code == 400
        page = Page(found.content.decode())
        assert page.all("html")[0]["lang"] == found["Content-Language"] == "ja"
        assert page.text["h1"] == "ログインできませんでした"

    def test_tenant_out_of_reach(self, client: Client, auth0_settings: Any) -> None:
        auth0_settings(ISSUER="http://127.0.0.1:9/")
        found = client.get("/auth0/login/?next=/plain/", headers={"accept": "text/html"})
        assert found.status_code == 503
        assert Page(found.content.decode()).text["h1"] == "One moment, please"

    def test_logout_form_logs_out(self, logged_in_client: Client, tenant: Tenant) -> None:
        page = Page(logged_in_client.get("/auth0/logout/?next=/plain/").content.decode())
        assert {"type": "hidden", "name": "next", "value": "/plain/"} in page.all("input")
        assert logged_in_client.post(page.all("form")[0]["action"]).status_code == 302
        assert "_auth_user_id" not in logged_in_client.session

    def test_logged_out_page_for_a_logout_that_nobody_asked_for(self, logged_in_client: Client) -> None:
        found = logged_in_client.get("/auth0/logged-out/")
        assert Page(found.content.decode()).text["h1"] == "You are still logged in"
        assert found["Cache-Control"] == "private, no-store"


def luminance(colour: str) -> float:
    digits = "".join(digit * 2 for digit in colour) if len(colour) == 3 else colour
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


def what_a_screen_reader_misses(nodes: list[dict[str, Any]]) -> list[str]:
    """Return what is wrong with the accessibility tree of a page: as Chromium tells it to a screen reader."""

    def value(node: dict[str, Any], name: str) -> Any:
        return node.get(name, {}).get("value", "")

    missing, titles = [], 0
    for node in nodes:
        role = value(node, "role")
        about = {entry["name"]: entry["value"].get("value") for entry in node.get("properties", [])}
        titles += role == "heading" and about.get("level") == 1
        if role in ("textbox", "button", "link", "image", "heading") and not value(node, "name"):
            missing.append(f"a {role} has no name")
        if about.get("invalid") == "true" and not value(node, "description"):
            missing.append(f"what is wrong with {value(node, 'name')} is not told with it")
    return [*missing, *([] if titles == 1 else [f"{titles} headings of level 1"])]


class TestLooks:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize(
        ("front", "back", "least"),
        [
            ("text", "card", 7),
            ("soft", "card", 4.5),
            ("on-accent", "accent", 4.5),
            ("on-accent", "accent-strong", 4.5),
            ("text", "ground", 7),
            ("accent", "tint", 4.5),
            ("warn", "warn-tint", 4.5),
            ("good", "good-tint", 4.5),
            ("accent", "card", 3),
            ("edge", "card", 3),
        ],
    )
    def test_can_be_read(self, scheme: str, front: str, back: str, least: float) -> None:
        """WCAG 2.2, 1.4.3 and 1.4.11."""
        part = STYLES.split("@media (prefers-color-scheme: dark)")[scheme == "dark"]
        colours = dict(re.findall(r"--auth0-([a-z-]+): #([0-9a-f]{3,6});", part))
        assert contrast(colours[front], colours[back]) >= least

    @pytest.mark.slow
    def test_in_a_browser_under_a_strict_policy(self) -> None:
        chromium = require("chromium", "the pages are looked at in a browser")
        require_module("playwright", "the browser is driven with it")
        from playwright.sync_api import Route, sync_playwright

        site = "http://pages.test"
        addresses = {
            f"{site}/{language}/{number}/": show(name, language, url="/continued/").html
            for language in LANGUAGES
            for number, name in enumerate(PAGES)
        }
        said: list[str] = []

        def serve(route: Route) -> None:
            address = route.request.url
            if address.endswith(".css"):
                route.fulfill(body=STYLES, content_type="text/css")
            elif address.endswith(".js"):
                script = PACKAGE / "static" / urlsplit(address).path.removeprefix("/static/")
                route.fulfill(body=script.read_text(encoding="utf-8"), content_type="text/javascript")
            else:
                html = addresses.get(address, "<title>continued</title>")
                route.fulfill(
                    body=html, content_type="text/html; charset=utf-8", headers={"Content-Security-Policy": POLICY}
                )

        arguments = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
            page = browser.new_page(viewport={"width": 320, "height": 568})
            page.set_default_timeout(120_000)
            page.route("**/*", serve)
            page.on("console", lambda message: said.append(message.text))
            page.on("pageerror", lambda error: said.append(str(error)))
            inspector = page.context.new_cdp_session(page)
            for address, html in addresses.items():
                page.goto(address)
                if 'http-equiv="refresh"' in html:
                    page.wait_for_url(f"{site}/continued/")
                    continue
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
                assert page.evaluate("getComputedStyle(document.querySelector('main')).borderRadius") == "16px"
                if "ログインできませんでした" in html:  # a break within a word leaves a character behind
                    assert page.evaluate("document.querySelector('h1').getBoundingClientRect().height") < 40, address
                told = inspector.send("Accessibility.getFullAXTree")["nodes"]
                assert what_a_screen_reader_misses(told) == [], address
                if "autofocus" in html:
                    page.wait_for_function("document.activeElement.autofocus")
                    continue
                page.keyboard.press("Tab")
                focused = "document.activeElement"
                assert page.evaluate(f"{focused}.matches('.auth0-button, .auth0-link, .auth0-way')"), address
                assert page.evaluate(f"getComputedStyle({focused}).outlineStyle") == "solid"
                assert page.evaluate(f"{focused}.getBoundingClientRect().height") >= 44
            browser.close()
        assert said == []
