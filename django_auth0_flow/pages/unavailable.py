"""Answers 503 and 502: the tenant or the database can't do its part now, and nobody is logged out for it."""

from __future__ import annotations

import logging
import math
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from django_auth0_flow.pages.messages import words_for
from django_auth0_flow.pages.rendering import details_of, finish_answer, is_navigation, page, return_url
from django_auth0_flow.protocol.errors import TransportError

logger = logging.getLogger(__name__)

#: Seconds to wait before the next try, where the tenant names none.
_RETRY_AFTER = 5

#: A page that has to wait for longer does not try again by itself.
_MAX_COUNTDOWN = 120


def unavailable(request: HttpRequest, error: TransportError, *, retry_url: str | None = None) -> HttpResponse:
    """Answer 503: the tenant or our database is out of reach, and waiting may help.

    ``retry_url``: the address to try again, by default this one. If the tenant has answered but the answer can't be used,
    the status is 502, without ``Retry-After``.
    """
    if error.is_unusable_answer:
        return unusable(request, error, retry_url)
    seconds = error.retry_after or _RETRY_AFTER
    cause = "database" if error.code == "database_unavailable" else "tenant"
    logger.warning("%s_unavailable code=%s retry_after=%d cause=%s", cause, error.code, seconds, error.cause)
    if is_navigation(request):
        context = _retry_context(request, error, retry_url, seconds)
        response = page(request, "unavailable.html", context, HTTPStatus.SERVICE_UNAVAILABLE)
    else:
        response = finish_answer(
            JsonResponse({"error": "temporarily_unavailable", "code": error.code, "retry_after": seconds}, status=503)
        )
    response["Retry-After"] = str(seconds)
    return response


def unusable(request: HttpRequest, error: TransportError, retry_url: str | None) -> HttpResponse:
    """Answer 502: the tenant has answered, and waiting does not help. ``retry_url`` as for ``unavailable``."""
    logger.error("tenant_answer_unusable code=%s status=%s: %s", error.code, error.status or "unknown", error)
    words = words_for(error.code)
    if not is_navigation(request):
        body = {"error": "unusable_answer", "code": error.code, "message": words}
        return finish_answer(JsonResponse(body, status=HTTPStatus.BAD_GATEWAY))
    context = _retry_context(request, error, retry_url, _RETRY_AFTER)
    return page(request, "unusable_answer.html", context, HTTPStatus.BAD_GATEWAY)


def _retry_context(request: HttpRequest, error: TransportError, retry_url: str | None, seconds: int) -> dict[str, Any]:
    """Return what a page says about the next try. Only what was asked for by GET is asked for again by itself."""
    retry_url = return_url(request) if retry_url is None else retry_url
    may_help = bool(retry_url) and error.code != "client_rejected" and seconds <= _MAX_COUNTDOWN
    return {
        "code": error.code,
        "words": words_for(error.code),
        "debug_details": details_of(error),
        "retry_url": retry_url,
        "retry_after": seconds,
        "retry_minutes": math.ceil(seconds / 60) if seconds > 90 else 0,
        "tries_itself": may_help and request.method == "GET",
    }
