"""Addresses on this site: our own URLs, and where a visitor may be sent on to."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.http import HttpRequest
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, reverse
from django.utils.http import url_has_allowed_host_and_scheme

from django_auth0_flow.conf import DEFAULT, Auth0Settings
from django_auth0_flow.pages import session_transfer
from django_auth0_flow.protocol.addresses import is_loopback_host
from django_auth0_flow.protocol.errors import Auth0Error

logger = logging.getLogger(__name__)

PROXY_LINE = 'SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")'

INCLUDE_LINE = 'path("auth0/", include("django_auth0_flow.urls"))'

#: How proxies say that the visitor's connection was TLS: header and what its first word is then.
_TLS_HEADERS = (("X-Forwarded-Proto", "https"), ("X-Forwarded-Scheme", "https"), ("X-Forwarded-Ssl", "on"))


def url_of(name: str, configuration: str = DEFAULT) -> str:
    """Return the path of one of our URLs; a named configuration has its own namespace of that name, if included.

    Raises NoReverseMatch, with what to add, where our URLs are not included.
    """
    try:
        return reverse(f"auth0:{name}", current_app=None if configuration == DEFAULT else configuration)
    except NoReverseMatch as error:
        if is_about_our_include(error):
            raise not_included() from None
        raise


def is_about_our_include(error: NoReverseMatch) -> bool:
    """Tell whether Django found no namespace of ours."""
    return str(error).startswith("'auth0' is not a registered namespace")


def not_included() -> NoReverseMatch:
    """Return the error that says what to add."""
    return NoReverseMatch(f"The URLs of django_auth0_flow are not included. Add to urlpatterns: {INCLUDE_LINE}")


def absolute_url(request: HttpRequest, path: str, conf: Auth0Settings) -> str:
    """Return ``path`` on this site: below ``BASE_URL`` if set, else on the validated host of the request."""
    if conf.base_url:
        return conf.base_url + path
    return request.build_absolute_uri(path)


def callback_url(request: HttpRequest, conf: Auth0Settings) -> str:
    """Return where the tenant's answers to this site's logins arrive. The log names an address that they can't come to.

    With DEBUG raises Auth0Error then, which says what to set. Not without: what stands between the visitor and Django may
    set things right, and a visitor's headers can say anything.
    """
    if problem := _problem_of_address(request, conf):
        code, text = problem
        logger.warning("%s: %s", code, text)
        if django_settings.DEBUG:
            raise Auth0Error(text, code=code)
    return absolute_url(request, url_of("callback", conf.name), conf)


def _problem_of_address(request: HttpRequest, conf: Auth0Settings) -> tuple[str, str] | None:
    here = urlsplit(f"//{request.get_host()}").hostname
    if conf.base_url:
        own = urlsplit(conf.base_url).hostname
        if own == here or not (is_loopback_host(own) and is_loopback_host(here)):
            return None
        return "login_at_other_host", (
            f"the login began at {here} and would end at {own}, as BASE_URL says. To a browser these are two sites, with "
            f"cookies of their own. Open the site at {conf.base_url}, or change BASE_URL"
        )
    if request.is_secure():
        return None
    if _was_tls_to_proxy(request):
        return "redirect_uri_is_http", (
            "a proxy says that this page was asked for by https, and Django does not know: the tenant is told an http "
            f"callback address. Add to the settings: {PROXY_LINE}"
        )
    if django_settings.DEBUG or is_loopback_host(here):
        return None
    return "redirect_uri_is_http", (
        f"the tenant is told an http callback address. If a proxy ends TLS, add to the settings: {PROXY_LINE}, or BASE_URL "
        "to AUTH0"
    )


def _was_tls_to_proxy(request: HttpRequest) -> bool:
    """Tell whether a proxy's headers say that the visitor's connection was TLS. Anyone can send them."""
    said = [(request.headers.get(name, "").split(",")[0].strip().lower(), word) for name, word in _TLS_HEADERS]
    return any(value == word for value, word in said) or "proto=https" in request.headers.get("Forwarded", "").lower()


def safe_next(request: HttpRequest, url: str | None, *, default: str = "") -> str:
    """Return ``url`` if it stays on this site, else ``default``; never raises. A session transfer token is taken out.

    Stricter than Django's test in one way: control characters and lone surrogates are refused anywhere.
    """
    if not url or len(url) > 2000 or not url.isprintable() or "\\" in url:
        return default
    try:
        host = request.get_host()
        parts = urlsplit(url)
        ok = url_has_allowed_host_and_scheme(url, allowed_hosts={host}, require_https=request.is_secure())
        if not ok or parts.netloc not in ("", host) or parts.username or not (parts.netloc or url.startswith("/")):
            return default
    except ValueError:
        return default
    return session_transfer.without(url)


def landing_url(next_url: str) -> str:
    """Return where a login ends: ``next_url``, else ``LOGIN_REDIRECT_URL``."""
    return next_url or resolve_url(django_settings.LOGIN_REDIRECT_URL)
