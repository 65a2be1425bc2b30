"""The parts of answers: pages that no cache stores, their addresses, and whether a person or a script asks."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from django_auth0_flow.pages import urls as site_urls
from django_auth0_flow.pages.cache_headers import forbid_storing
from django_auth0_flow.protocol.errors import Auth0Error

if TYPE_CHECKING:
    from django_auth0_flow.pages.debug import Details

#: On a request that an access token has let in: the configuration that the token is good for.
TOKEN_CONFIGURATION = "_auth0_token_configuration"


def details_of(error: Auth0Error) -> Details | None:
    """Return what a page tells a developer about a failure; None without DEBUG."""
    if not settings.DEBUG:
        return None
    from django_auth0_flow.pages.debug import details_of_error

    return details_of_error(error)


def is_navigation(request: HttpRequest) -> bool:
    """Tell whether a person navigates, who may be redirected to a login page. A script or a program gets JSON instead."""
    if hasattr(request, TOKEN_CONFIGURATION):
        return False
    headers = request.headers
    if headers.get("HX-Request") == "true" or headers.get("X-Requested-With") == "XMLHttpRequest":
        return False
    if mode := headers.get("Sec-Fetch-Mode"):
        return mode == "navigate"
    accept = headers.get("Accept", "").strip()
    return "text/html" in accept or accept in ("", "*/*")


def is_prefetch(request: HttpRequest) -> bool:
    """Tell whether the browser only prefetches this address, which must not start anything."""
    purposes = [request.headers.get(name, "").lower() for name in ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")]
    return any("prefetch" in purpose or "preview" in purpose or "prerender" in purpose for purpose in purposes)


def is_click(request: HttpRequest) -> bool:
    """Tell whether a person clicked on a page of this site, and the redirects since then never left it.

    ``Sec-Fetch-User`` alone is no proof: it stays on each redirect of the journey that a click began. ``Sec-Fetch-Site``
    becomes ``cross-site`` or ``same-site`` once that journey has been to the tenant. A typed address says ``none`` all the
    way, so it is no proof either. False for browsers that send neither header.
    """
    headers = request.headers
    return headers.get("Sec-Fetch-User") == "?1" and headers.get("Sec-Fetch-Site") == "same-origin"


def not_now() -> HttpResponse:
    """Answer a prefetch with 204: only the real request starts something."""
    return finish_answer(HttpResponse(status=HTTPStatus.NO_CONTENT))


def finish_answer(response: HttpResponse) -> HttpResponse:
    """Forbid storing an answer, and sending its address on as a referrer."""
    forbid_storing(response)
    response["Referrer-Policy"] = "no-referrer"
    return response


def probe_cookies(request: HttpRequest, url: str) -> HttpResponse:
    """Redirect to ``url`` on this site with a cookie, so that the next request shows whether the browser keeps it."""
    response = finish_answer(HttpResponseRedirect(url))
    response.set_cookie("auth0_cookies", "1", httponly=True, secure=request.is_secure(), samesite="Lax")
    return response


def page(request: HttpRequest, template: str, context: Mapping[str, Any], status: int = 200) -> HttpResponse:
    """Render one of the pages under ``auth0/``."""
    response = finish_answer(render(request, f"auth0/{template}", dict(context), status=status))
    if b"csrfmiddlewaretoken" in response.content:
        # From a page without referrer browsers send forms with "Origin: null", which Django's CSRF check refuses.
        response["Referrer-Policy"] = "same-origin"
    return response


def login_path(configuration: str, next_url: str) -> str:
    """Return the path that starts a login which comes back to ``next_url``."""
    return page_path("login", configuration, next_url)


def page_path(name: str, configuration: str, next_url: str = "", **query: str) -> str:
    """Return the path of one of our pages, with ``next`` and further parameters in its query."""
    path = site_urls.url_of(name, configuration)
    values = {**query, **({"next": next_url} if next_url else {})}
    return f"{path}?{urlencode(values)}" if values else path


def return_url(request: HttpRequest) -> str:
    """Return where a visitor comes back to: this address, or the page that a POST or a script's request came from.

    An unsafe method is never repeated after a login, and a script's address is no page for a person.
    """
    if request.method in ("GET", "HEAD") and is_navigation(request):
        return site_urls.safe_next(request, request.get_full_path())
    return _path_here(request, request.headers.get("HX-Current-URL") or request.headers.get("Referer", ""))


def _path_here(request: HttpRequest, url: str) -> str:
    safe = site_urls.safe_next(request, url)
    parts = urlsplit(safe)
    return site_urls.safe_next(request, parts.path + (f"?{parts.query}" if parts.query else "")) if safe else ""


def view_name_of(request: HttpRequest) -> str:
    """Return the name of the URL that led here, else that of the view, for the log."""
    found = request.resolver_match
    return plain_text(found.view_name) if found is not None else "unknown"


def plain_text(text: str) -> str:
    """Return ``text`` as one word of a log line: short, without blanks and control characters."""
    return "".join(char if char.isprintable() and not char.isspace() else "_" for char in text[:300]) or "-"
