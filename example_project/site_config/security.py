"""A strict Content-Security-Policy: nothing inline, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from django_auth0_flow.conf import get_settings

GetResponse = Callable[[HttpRequest], HttpResponseBase]


def build_policy(issuer: str) -> str:
    """Return the policy's text. Browsers hold redirects of a form against ``form-action`` too: logging out ends at the
    tenant, so the tenant is named there.
    """
    tenant = "{0.scheme}://{0.netloc}".format(urlsplit(issuer))
    return (
        "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' data:; "
        f"form-action 'self' {tenant}; base-uri 'none'; frame-ancestors 'none'"
    )


def ContentSecurityPolicyMiddleware(get_response: GetResponse) -> GetResponse:  # noqa: N802  # named as Django names them
    policy = build_policy(get_settings().issuer)

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", policy)
        return response

    return middleware
