"""``{% load auth0 %}``: links, buttons and the visitor's name in a project's own templates."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.models import User as DjangoUser
from django.http import HttpRequest
from django.template import Context, RequestContext, Template, TemplateSyntaxError
from django.test import Client, RequestFactory
from django.urls import resolve
from django.utils import translation

from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.grant import Grant
from django_auth0_flow.session import Auth0Session
from django_auth0_flow.templatetags.auth0 import UserInfo, auth0_user

OFF = "\u202e"


def request_for(path: str = "/plain/?a=1&b=2", method: str = "get") -> HttpRequest:
    request: HttpRequest = getattr(RequestFactory(), method)(path)
    request.resolver_match = resolve(request.path)
    return request


def render(source: str, request: HttpRequest | None = None, **context: Any) -> str:
    return Template("{% load auth0 %}" + source).render(RequestContext(request or request_for(), context))


@pytest.mark.usefixtures("auth0_settings")
class TestLoginUrl:
    def test_comes_back_to_the_page_it_stands_on(self) -> None:
        assert render("{% auth0_login_url %}") == "/auth0/login/?next=%2Fplain%2F%3Fa%3D1%26b%3D2"

    @pytest.mark.parametrize("path", ["/auth0/logged-out/", "/auth0/login/", "/auth0/logout/"])
    def test_does_not_come_back_to_our_own_pages(self, path: str) -> None:
        assert render("{% auth0_login_url %}", request_for(path)) == "/auth0/login/"

    def test_does_not_come_back_to_a_form_that_was_sent(self) -> None:
        assert render("{% auth0_login_url %}", request_for(method="post")) == "/auth0/login/"

    def test_takes_next(self) -> None:
        assert render("{% auth0_login_url next='/a/' %}") == "/auth0/login/?next=%2Fa%2F"
        assert render("{% auth0_login_url next='' %}") == "/auth0/login/"

    @pytest.mark.parametrize(
        "url", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
    )
    def test_drops_a_next_that_leaves_the_site(self, url: str) -> None:
        assert render("{% auth0_login_url next=url %}", url=url) == "/auth0/login/"

    def test_is_escaped_for_the_attribute_it_stands_in(self) -> None:
        found = render("{% auth0_login_url next='/a/' login_hint=hint %}", hint='"><b>')
        assert found == "/auth0/login/?next=%2Fa%2F&amp;login_hint=%22%3E%3Cb%3E"

    def test_parameter_that_would_not_be_forwarded_is_a_mistake(self) -> None:
        with pytest.raises(TemplateSyntaxError, match="scren_hint"):
            render("{% auth0_login_url scren_hint='signup' %}")

    def test_works_without_a_request(self) -> None:
        assert Template("{% load auth0 %}{% auth0_login_url %}").render(Context()) == "/auth0/login/"


@pytest.mark.usefixtures("auth0_settings")
class TestButtons:
    def test_login_button(self) -> None:
        found = render("{% auth0_login_button next='/a/' css_class='big' screen_hint='signup' %}").strip()
        assert found == (
            '<a class="big" href="/auth0/login/?next=%2Fa%2F&amp;screen_hint=signup" rel="nofollow">Log in</a>'
        )

    def test_logout_button_is_a_form_with_a_csrf_token(self) -> None:
        request = request_for()
        found = render("{% auth0_logout_button next='/a/?b=\"c' %}", request)
        assert '<form method="post" action="/auth0/logout/">' in found
        assert 'name="csrfmiddlewaretoken" value="' in found
        assert '<input type="hidden" name="next" value="/a/?b=&quot;c">' in found
        assert '<button type="submit">Log out</button>' in found

    def test_logout_button_without_next_sends_none(self) -> None:
        assert 'name="next"' not in render("{% auth0_logout_button next='https://evil.example/' %}")

    @pytest.mark.parametrize("tag", ["auth0_login_button", "auth0_logout_button"])
    @pytest.mark.parametrize("frame", ["{}", "{{% autoescape off %}}{}{{% endautoescape %}}"])
    def test_label_and_class_are_escaped_even_where_escaping_is_off(self, tag: str, frame: str) -> None:
        source = frame.format(f"{{% {tag} label=text css_class=text %}}")
        found = render(source, text='"><script>')
        assert "<script>" not in found
        assert found.count("&quot;&gt;&lt;script&gt;") == 2

    def test_labels_speak_the_visitors_language(self) -> None:
        with translation.override("ja"):
            assert ">ログイン</a>" in render("{% auth0_login_button %}")
            assert ">ログアウト</button>" in render("{% auth0_logout_button %}")

    def test_logout_button_works(self, logged_in_client: Client) -> None:
        strict = Client(enforce_csrf_checks=True)
        strict.cookies = logged_in_client.cookies
        page = strict.get("/auth0/logout/")
        request = page.wsgi_request
        found = render("{% auth0_logout_button %}", request)
        token = found.split('value="')[1].split('"')[0]
        assert strict.post("/auth0/logout/").status_code == 403
        assert strict.post("/auth0/logout/", {"csrfmiddlewaretoken": token}).status_code == 302
        assert not LoginSession.objects.exists()


@pytest.fixture
def request_with(logged_in_client: Client) -> Any:
    """Return a function that makes a request of the visitor whose claims are changed."""

    def make(**claims: Any) -> HttpRequest:
        row = LoginSession.objects.get()
        kept = {name: value for name, value in row.grant.claims.items() if name in ("iss", "sub", "aud", "exp")}
        row.grant = Grant(row.grant.tokens, {**kept, **claims})
        row.save()
        request = request_for()
        request.session = logged_in_client.session
        request.user = DjangoUser.objects.get()
        request.auth0 = Auth0Session(request)  # type: ignore[attr-defined]  # as the middleware does
        return request

    return make


def info_of(request: HttpRequest) -> UserInfo:
    found = auth0_user(RequestContext(request))
    assert found is not None
    return found


class TestUser:
    def test_shows_who_is_logged_in(self, request_with: Any) -> None:
        request = request_with(
            name="Ada <Lovelace>", email="ada@example.com", picture="https://cdn.example.com/a.png?s=1"
        )
        assert info_of(request) == UserInfo("Ada <Lovelace>", "ada@example.com", "https://cdn.example.com/a.png?s=1")
        source = "{% auth0_user as user_info %}{{ user_info.name }} {{ user_info.email }} {{ user_info }}"
        assert render(source, request) == "Ada &lt;Lovelace&gt; ada@example.com Ada &lt;Lovelace&gt;"
        assert render("{% auth0_user %}", request) == "Ada &lt;Lovelace&gt;"

    @pytest.mark.parametrize(
        ("claims", "name"),
        [
            ({"nickname": "ada"}, "ada"),
            ({"name": " ", "nickname": "ada"}, "ada"),
            ({"preferred_username": "ada1"}, "ada1"),
            ({"email": "ada@example.com"}, "ada@example.com"),
            ({}, ""),
        ],
    )
    def test_name_falls_back(self, request_with: Any, claims: dict[str, str], name: str) -> None:
        assert info_of(request_with(**claims)).name == name

    @pytest.mark.parametrize("value", [None, 0, 1.5, True, [], ["Ada"], {}, {"name": "Ada"}, "", "\x00\x1b", " \n\t "])
    def test_claims_of_other_types_are_left_out(self, request_with: Any, value: object) -> None:
        request = request_with(name=value, email=value, nickname=value, picture=value)
        assert info_of(request) == UserInfo()

    @pytest.mark.parametrize(
        ("sent", "shown"),
        [
            (f"Ada{OFF}nimda", "Adanimda"),
            ("Ada\x00\x1b[31m", "Ada[31m"),
            ("Ada\r\nLovelace", "Ada Lovelace"),
            ("Ada\ud800", "Ada"),
            ("山田 太郎", "山田 太郎"),
            ("👩\u200d🔬", "👩\u200d🔬"),
            ("x" * 5000, "x" * 200),
        ],
        ids=["direction", "control", "lines", "surrogate", "japanese", "joined emoji", "long"],
    )
    def test_name_can_not_disturb_the_page(self, request_with: Any, sent: str, shown: str) -> None:
        info = info_of(request_with(name=sent))
        assert info.name == shown
        info.name.encode()

    @pytest.mark.parametrize(
        "url",
        [
            "http://cdn.example.com/a.png",
            "//cdn.example.com/a.png",
            "/a.png",
            "a.png",
            "javascript:alert(1)",
            "JavaScript:alert(1)//https://",
            "data:image/svg+xml,<svg/onload=alert(1)>",
            "https:",
            "https://",
            "https:///a.png",
            "https://ada:secret@cdn.example.com/a.png",
            'https://cdn.example.com/a.png" onerror="alert(1)',
            "https://cdn.example.com/a b.png",
            "https://cdn.example.com\\a.png",
            "https://[::1/a.png",
            "https://cdn.example.com/a\n.png",
            " https://cdn.example.com/a.png",
            "https://cdn.example.com/" + "a" * 2000,
        ],
    )
    def test_picture_is_an_https_address_or_nothing(self, request_with: Any, url: str) -> None:
        assert info_of(request_with(name="Ada", picture=url)) == UserInfo("Ada")

    def test_costs_one_query(self, request_with: Any, django_assert_num_queries: Any) -> None:
        request = request_with(name="Ada")
        assert request.session.keys()  # the session itself is read anyway
        with django_assert_num_queries(2):  # the login session, and the user whom Django's session authenticates
            render("{% auth0_user as one %}{% auth0_user as two %}", request)

    def test_nobody(self, request_with: Any) -> None:
        request = request_with(name="Ada")
        request.user = AnonymousUser()
        assert render("{% auth0_user as found %}{{ found }}", request) == "None"

    def test_login_session_that_ended_shows_nobody(self, request_with: Any) -> None:
        request = request_with(name="Ada")
        LoginSession.objects.all().delete()
        assert auth0_user(RequestContext(request)) is None

    def test_without_the_middleware_or_a_request(self) -> None:
        assert auth0_user(RequestContext(request_for())) is None
        assert auth0_user(Context()) is None

    def test_own_users_who_did_not_log_in_through_auth0(self, db: None, client: Client) -> None:
        client.force_login(DjangoUser.objects.create_user("local"), "django.contrib.auth.backends.ModelBackend")
        request = client.get("/plain/").wsgi_request
        assert auth0_user(RequestContext(request)) is None
