"""``auth0:backchannel_logout``: the tenant tells this site, server to server, that a session has ended there."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.db import Error as DatabaseTrouble
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.generic import View

from django_auth0_flow.conf import configuration_for, get_client, get_settings
from django_auth0_flow.conf.login_time_limits import TRANSACTION_AGE
from django_auth0_flow.logout.sessions import Ended, end_sessions
from django_auth0_flow.pages.cache_headers import forbid_storing
from django_auth0_flow.protocol.errors import Auth0Error
from django_auth0_flow.storage.logout_tokens import SpentLogoutToken

logger = logging.getLogger(__name__)

#: Bytes. A logout token has about 900; a longer body is refused unread.
MAX_BODY = 64 * 1024

#: Bytes. A refused body of up to this length is read to its end and dropped, so that the connection stays usable.
MAX_DRAINED = 1024 * 1024


class LogoutRefused(Auth0Error):
    """The request is not a logout request, or its token was used before."""

    code = "invalid_request"


@method_decorator([csrf_exempt, login_not_required], name="dispatch")
class BackchannelLogoutView(View):
    """Takes a logout token by POST and ends the login sessions it names. Needs no cookie and no CSRF token.

    200: they are ended, or there were none. 400: refused, or something here failed; the specification knows no other
    answer for that (Back-Channel Logout 1.0 §2.8), and Auth0 repeats neither a 400 nor, as far as is known, a 503. So keys
    out of reach and a broken database are 400 too, and errors in the log.
    """

    http_method_names = ["post"]

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Return the view, outside of ``ATOMIC_REQUESTS``: a commit that fails must not be a 500."""
        view: Any = super().as_view(**initkwargs)
        for alias in connections:
            view = transaction.non_atomic_requests(alias)(view)
        return view

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Forbid storing any answer; leave the connection usable for the next request, or close it."""
        response = forbid_storing(super().dispatch(request, *args, **kwargs))
        length = _length_of(request)
        if length is not None and length <= MAX_DRAINED:
            _drain(request)
        if (length is None or length > MAX_BODY) and _may_close_connection(request):
            response["Connection"] = "close"
        return response

    @method_decorator(sensitive_post_parameters("logout_token"))
    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        name = str(kwargs.get("configuration") or configuration_for(request))
        try:
            return self.log_out(name, read_logout_token(request))
        except Auth0Error as error:
            logger.warning("backchannel_logout_refused configuration=%s code=%s", name, error.code)
            return _refusal("invalid_request", str(error))
        except DatabaseTrouble as error:
            logger.error("backchannel_logout_failed configuration=%s error=%s", name, type(error).__name__)
            return _refusal("server_error", "The logout failed here.")

    @sensitive_variables()
    def log_out(self, configuration: str, token: str) -> HttpResponse:
        """Judge the token, spend its ``jti`` and end what it names; the ``jti`` is given back unless all of that ended."""
        started = time.monotonic()
        claims = get_client(configuration).validate_logout_token(token)
        _spend(configuration, claims)
        ended: Ended | None = None
        try:
            ended = end_sessions(configuration, sid=claims.get("sid"), subject=claims.get("sub"))
        finally:
            if ended is None or ended.left:
                SpentLogoutToken.objects.give_back(claims["iss"], claims["jti"])
        logger.info(
            "backchannel_logout configuration=%s by=%s ended=%d left=%d duration_ms=%d",
            configuration,
            "sid" if "sid" in claims else "sub",
            ended.login_sessions,
            ended.left,
            (time.monotonic() - started) * 1000,
        )
        if ended.left:
            return _refusal("server_error", "The logout failed here.")
        return HttpResponse()


def _spend(configuration: str, claims: Mapping[str, Any]) -> None:
    """Remember a logout token and what it ends, before any row is looked for. Raises LogoutRefused if it was used before.

    It is remembered for as long as it is good, and as a login may be under way that it ends.
    """
    conf, client = get_settings(configuration), get_client(configuration)
    now, sid, subject = conf.clock(), claims.get("sid"), claims.get("sub")
    is_new = SpentLogoutToken.objects.spend(
        claims["iss"],
        claims["jti"],
        expires_at=max(claims["exp"], now + TRANSACTION_AGE) + client.leeway,
        ended_key=SpentLogoutToken.ended_key_for(conf.client_id, claims["iss"], sid=sid, subject=subject),
        issued_at=claims["iat"],
        now=now,
    )
    if not is_new:
        raise LogoutRefused("This logout token was used before.", code="logout_token_replayed")


def read_logout_token(request: HttpRequest) -> str:
    """Return the one ``logout_token`` of a form, unjudged. Raises LogoutRefused."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise LogoutRefused("The request is no form.")
    length = _length_of(request)
    if length is None or length > MAX_BODY:
        raise LogoutRefused("The request is too long.")
    try:
        # Not request.POST: a chunked body names no length, and Django reads all of it into memory under ASGI.
        body = request.read(MAX_BODY + 1)
        if len(body) > MAX_BODY:
            raise LogoutRefused("The request is too long.")
        found = QueryDict(body).getlist("logout_token")
    except (SuspiciousOperation, BadRequest, OSError, ValueError):
        raise LogoutRefused("The request can't be read.") from None
    if len(found) != 1:
        raise LogoutRefused("The request must have one logout_token.")
    return found[0]


def _length_of(request: HttpRequest) -> int | None:
    """Return how long the request says that its body is; None if what it says is no length."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    return int(length) if length.isdecimal() and len(length) <= 9 else None


def _drain(request: HttpRequest) -> None:
    """Read the rest of a refused body: else a server may take it for the next request, or drop the connection."""
    with suppress(OSError, ValueError):
        while request.read(MAX_BODY):
            pass


def _may_close_connection(request: HttpRequest) -> bool:
    """Tell whether ``Connection`` may be sent.

    HTTP/2 has no such header; and wsgiref, which is Django's own server in development, takes none from applications and
    reads the rest of a body by itself.
    """
    version = getattr(request, "scope", {}).get("http_version", "1.1")
    software = str(request.META.get("SERVER_SOFTWARE", ""))
    return str(version).startswith("1") and not software.startswith("WSGIServer/")


def _refusal(error: str, description: str) -> HttpResponse:
    return JsonResponse({"error": error, "error_description": description}, status=400)
