"""``auth0:connect``: connect an account at an identity provider, whose token this site then gets by Token Vault."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.functional import cached_property

from django_auth0_flow import error_responses
from django_auth0_flow.access.requirements import Requirement
from django_auth0_flow.conf import get_settings
from django_auth0_flow.login.transactions import Transaction
from django_auth0_flow.logout.own_logins import provider_in_words
from django_auth0_flow.pages import messages, rendering
from django_auth0_flow.pages import urls as site_urls
from django_auth0_flow.pages.unavailable import unavailable
from django_auth0_flow.protocol.errors import Auth0Error, LoginRequired, TransportError
from django_auth0_flow.views.base import FormView
from django_auth0_flow.views.protection import check_login

logger = logging.getLogger(__name__)


class ConnectView(FormView):
    """``auth0:connect``: GET says what would be connected, a POST with its CSRF token begins.

    So no other page can begin it. ``connection`` and ``scopes`` are limited to what ``CONNECTED_ACCOUNTS`` says.
    """

    http_method_names = ["get", "head", "post", "options"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Let only visitors in who are logged in, and ask for a connection of this site's."""
        if not get_settings(self.configuration).connected_accounts:
            raise Http404("This page is switched off.")
        refusal = check_login(request, Requirement(), configurations=[self.configuration])
        if refusal is not None:
            return refusal
        self.connection, self.scopes = self._asked(request)
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return self.show()

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        from django_auth0_flow.login.connect import begin_connect  # most sites need none of it

        name, connection = self.configuration, self.connection
        try:
            url = begin_connect(
                request, connection, scopes=self.scopes, configuration=name, next_url=self.values["next"]
            )
        except LoginRequired as error:
            return error_responses.login_required(request, error, next_url=self.values["next"])
        except Auth0Error as error:
            return _refusal(request, error, self.values, name)
        return rendering.finish_answer(HttpResponseRedirect(url))

    def form_expired(self, request: HttpRequest) -> HttpResponse:
        return self.show(HTTPStatus.FORBIDDEN, code="form_expired")

    def show(self, status: int = HTTPStatus.OK, *, code: str = "") -> HttpResponse:
        """Show the page."""
        return _page(self.request, self.values, self.configuration, status, code)

    @cached_property
    def values(self) -> dict[str, str]:
        """What the page's form sends."""
        sent = self.request.POST if self.request.method == "POST" else self.request.GET
        next_url = site_urls.safe_next(self.request, sent.get("next"))
        return {"connection": self.connection, "scopes": " ".join(self.scopes), "next": next_url}

    def _asked(self, request: HttpRequest) -> tuple[str, tuple[str, ...]]:
        """Return connection and scopes. Raises Http404 for any that this site does not offer."""
        sent = request.POST if request.method == "POST" else request.GET
        connection, scopes = sent.get("connection", ""), tuple(sent.get("scopes", "").split())
        offered = get_settings(self.configuration).connected_accounts
        if connection not in offered:
            raise Http404("No such connection in AUTH0['CONNECTED_ACCOUNTS'].")
        allowed = tuple(offered[connection].split())
        if not set(scopes) <= set(allowed):
            raise Http404("AUTH0['CONNECTED_ACCOUNTS'] does not offer these scopes of the connection.")
        return connection, scopes or allowed


def refused(request: HttpRequest, error: Auth0Error, transaction: Transaction) -> HttpResponse:
    """Answer a callback by which no account was connected. It is no login that failed: nothing is counted."""
    next_url = site_urls.safe_next(request, transaction.next_url)
    if isinstance(error, LoginRequired):
        return error_responses.login_required(request, error, next_url=next_url)
    values = {
        "connection": transaction.parameters["connection"],
        "scopes": transaction.scope,
        "next": next_url,
    }
    return _refusal(request, error, values, transaction.configuration)


def _refusal(request: HttpRequest, error: Auth0Error, values: dict[str, str], configuration: str) -> HttpResponse:
    logger.warning("connect_failed code=%s configuration=%s", error.code, configuration)
    if isinstance(error, TransportError):
        # A lost answer may have connected it: the page that wanted it finds out. Not this address, which has been used.
        return unavailable(request, error, retry_url=site_urls.landing_url(values["next"]))
    mistake = error_responses.setup_mistake(error)
    status = HTTPStatus.FORBIDDEN if error.code == "connect_declined" else HTTPStatus.BAD_REQUEST
    return _page(request, values, configuration, status, error.code, mistake=mistake)


def _page(
    request: HttpRequest, values: dict[str, str], configuration: str, status: int, code: str, **context: Any
) -> HttpResponse:
    context |= {
        **values,
        "provider": provider_in_words(values["connection"]),
        "action": site_urls.url_of("connect", configuration),
        "code": code,
        "words": messages.words_for(code) if code else "",
    }
    return rendering.page(request, "connect.html", context, status)
