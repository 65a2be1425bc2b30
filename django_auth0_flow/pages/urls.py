"""Addresses on this site: our own URLs, and where a visitor may be sent on to."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.http import HttpRequest
from django.shortcuts import resolve_url
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from django_auth0_flow.conf import DEFAULT, Auth0Settings
from django_auth0_flow.pages import session_transfer

logger = logging.getLogger(__name__)


def url_of(name: str, configuration: str = DEFAULT) -> str:
    """Return the path of one of our URLs; a named configuration has its own namespace of that name, if included."""
    return reverse(f"auth0:{name}", current_app=None if configuration == DEFAULT else configuration)


def absolute_url(request: HttpRequest, path: str, conf: Auth0Settings) -> str:
    """Return ``path`` on this site: below ``BASE_URL`` if set, else on the validated host of the request."""
    if conf.base_url:
        return conf.base_url + path
    url = request.build_absolute_uri(path)
    if url.startswith("http://") and not django_settings.DEBUG:
        logger.info("redirect_uri_is_http: behind a proxy set SECURE_PROXY_SSL_HEADER, or AUTH0['BASE_URL']")
    return url


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
