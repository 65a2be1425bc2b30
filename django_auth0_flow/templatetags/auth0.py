"""``{% load auth0 %}``: links, buttons and the name for a page's header."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from django import template
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.shortcuts import resolve_url
from django.template import Context, TemplateSyntaxError
from django.templatetags.static import static
from django.urls import NoReverseMatch, get_script_prefix

from django_auth0_flow.conf import DEFAULT, configuration_for, get_settings
from django_auth0_flow.pages import urls as site_urls
from django_auth0_flow.protocol.errors import Auth0Error
from django_auth0_flow.session import Auth0Session

register = template.Library()

#: Characters that change the direction of the text around them, so that a name could rewrite the page it stands in.
_DIRECTION_MARKS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

_MAX_TEXT = 200

_MAX_URL = 2000


@dataclass(frozen=True)
class UserInfo:
    """What a page's header shows of the person logged in; "" for what the claims lack. Text from outside: escape it."""

    name: str = ""
    email: str = ""
    picture: str = ""

    def __str__(self) -> str:
        return self.name


@register.simple_tag(takes_context=True)
def auth0_login_url(
    context: Context,
    *,
    next: str | None = None,  # noqa: A002  # its name in every URL
    configuration: str = "",
    **parameters: Any,
) -> str:
    """Return the address that starts a login and comes back to ``next``, by default to the page the tag stands on.

    Further arguments join the request to the tenant, as far as ``FORWARDED_PARAMS`` names them:
    ``{% auth0_login_url screen_hint="signup" %}``. A ``next`` that leaves this site is dropped.
    """
    configuration = configuration or _configuration_of(context)
    allowed = get_settings(configuration).forwarded_params
    if unknown := sorted(set(parameters).difference(allowed)):
        raise TemplateSyntaxError(f"{', '.join(unknown)} is not in AUTH0['FORWARDED_PARAMS'].")
    query = {"next": _next_url(context, next), **parameters}
    query = {name: str(value) for name, value in query.items() if value not in (None, "")}
    path = site_urls.url_of("login", configuration)
    return f"{path}?{urlencode(query)}" if query else path


@register.inclusion_tag("auth0/login_button.html", takes_context=True)
def auth0_login_button(
    context: Context,
    *,
    label: str = "",
    css_class: str = "",
    next: str | None = None,  # noqa: A002  # its name in every URL
    configuration: str = "",
    **parameters: Any,
) -> dict[str, Any]:
    """Show a link to the login; see ``auth0_login_url`` for the arguments that it shares."""
    url = auth0_login_url(context, next=next, configuration=configuration, **parameters)
    return {"url": url, "label": label, "css_class": css_class}


@register.inclusion_tag("auth0/logout_button.html", takes_context=True)
def auth0_logout_button(
    context: Context,
    *,
    label: str = "",
    css_class: str = "",
    next: str = "",  # noqa: A002  # its name in every URL
    configuration: str = "",
) -> dict[str, Any]:
    """Show the form that logs out: a POST with its CSRF token, since other sites could make visitors follow a link.

    Without ``next`` the logout ends where the project's ``LOGOUT_REDIRECT_URL`` says.
    """
    return {
        "url": site_urls.url_of("logout", configuration or _configuration_of(context)),
        "next": _safe(context, next),
        "label": label,
        "css_class": css_class,
        "csrf_token": context.get("csrf_token"),
    }


@register.simple_tag
def auth0_home_url() -> str:
    """Return where a visitor who can't go on here may go: ``LOGOUT_REDIRECT_URL``, else the root of this site."""
    target = django_settings.LOGOUT_REDIRECT_URL
    try:
        return resolve_url(target) if target else get_script_prefix()
    except NoReverseMatch:
        return get_script_prefix()


@register.simple_tag
def auth0_stylesheet() -> str:
    """Return the address of the pages' style sheet, "" where the project's static files can't name it."""
    return _static("auth0/auth0.css")


@register.simple_tag
def auth0_script(name: str) -> str:
    """Return the address of one of the pages' scripts, "" where the project's static files can't name it."""
    return _static(f"auth0/{name}.js")


def _static(path: str) -> str:
    """Return an address, or "": a manifest that was not collected must not turn an error page into a server error."""
    try:
        return static(path)
    except (ValueError, ImproperlyConfigured):
        return ""


@register.simple_tag(takes_context=True)
def auth0_user(context: Context) -> UserInfo | None:
    """Return name, e-mail and picture of the person logged in through Auth0, None without such a login.

    The claims are not trusted: values that are not text are left out, and so is a picture without an https address.
    Costs the one query of ``request.auth0.claims``; an async view awaits ``aclaims()`` before it renders.
    """
    login = getattr(_request_of(context), "auth0", None)
    if not isinstance(login, Auth0Session) or not login.is_logged_in:
        return None
    try:
        claims = login.claims
    except Auth0Error:
        return None
    email = _text(claims.get("email"))
    names = [_text(claims.get(name)) for name in ("name", "nickname", "preferred_username")]
    return UserInfo(next(filter(None, names), email), email, _picture(claims.get("picture")))


def _text(value: object) -> str:
    """Return a claim as one line of text without characters that disturb what stands around it."""
    if not isinstance(value, str):
        return ""
    clean = "".join(
        char
        for char in " ".join(value[: 4 * _MAX_TEXT].split())
        if unicodedata.category(char) not in ("Cc", "Cs") and char not in _DIRECTION_MARKS
    )
    return clean[:_MAX_TEXT]


def _picture(value: object) -> str:
    if not isinstance(value, str) or len(value) > _MAX_URL or not value.isprintable() or set(value) & set("\\ \"'<>"):
        return ""
    try:
        parts = urlsplit(value)
    except ValueError:
        return ""
    return value if parts.scheme == "https" and parts.hostname and "@" not in parts.netloc else ""


def _configuration_of(context: Context) -> str:
    request = _request_of(context)
    return DEFAULT if request is None else configuration_for(request)


def _request_of(context: Context) -> HttpRequest | None:
    """Return the request of a template, also where the ``request`` context processor is not installed."""
    found = getattr(context, "request", None) or context.get("request")
    return found if isinstance(found, HttpRequest) else None


def _safe(context: Context, url: str) -> str:
    request = _request_of(context)
    return site_urls.safe_next(request, str(url or "")) if request is not None else ""


def _next_url(context: Context, url: str | None) -> str:
    if url is not None:
        return _safe(context, url)
    request = _request_of(context)
    if request is None or request.method not in ("GET", "HEAD"):
        return ""
    match = request.resolver_match
    # Our own pages are nothing to come back to.
    return (
        ""
        if match is not None and "auth0" in match.app_names
        else site_urls.safe_next(request, request.get_full_path())
    )
