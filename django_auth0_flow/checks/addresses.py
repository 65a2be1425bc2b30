"""Checks of the site's own address, as the tenant will be told it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage
from django.core.checks import Warning as CheckWarning
from django.http.request import validate_host

from django_auth0_flow.conf import readable_settings
from django_auth0_flow.pages.urls import PROXY_LINE
from django_auth0_flow.protocol.addresses import is_loopback_host

#: What Django allows with DEBUG where ALLOWED_HOSTS is empty.
_LOCAL_HOSTS = [".localhost", "127.0.0.1", "[::1]"]


def check_addresses(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Report a BASE_URL on this machine at which Django answers 400: each login would end there."""
    found = [(conf, urlsplit(conf.base_url).hostname or "") for conf in readable_settings()]
    return [
        CheckWarning(
            f"BASE_URL of {conf.where} is at {host}, which ALLOWED_HOSTS does not name: logins end there with 400.",
            hint=f"Name {host!r} in ALLOWED_HOSTS, or change BASE_URL. To a browser localhost and 127.0.0.1 are two sites.",
            id="auth0_flow.W045",
        )
        for conf, host in found
        if is_loopback_host(host) and not _is_allowed(f"[{host}]" if ":" in host else host)
    ]


def _is_allowed(host: str) -> bool:
    return validate_host(host, settings.ALLOWED_HOSTS or (_LOCAL_HOSTS if settings.DEBUG else []))


def check_deployment(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Report configurations whose callback URL would be http behind a proxy that ends TLS; for ``check --deploy``."""
    if settings.SECURE_PROXY_SSL_HEADER:
        return []
    return [
        CheckWarning(
            f"{conf.where} has no BASE_URL, and SECURE_PROXY_SSL_HEADER is not set: behind a proxy that ends TLS, logins "
            "ask for an http callback URL, and the tenant refuses it.",
            hint=f"{PROXY_LINE}, if the proxy sets that header; or BASE_URL in {conf.where}. Silence this where Django "
            "itself speaks TLS.",
            id="auth0_flow.W044",
        )
        for conf in readable_settings()
        if not conf.base_url
    ]
