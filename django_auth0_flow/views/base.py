"""What the pages share."""

from __future__ import annotations

import logging
from typing import Any

from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.views.generic import View

from django_auth0_flow import error_responses
from django_auth0_flow.conf import configuration_for
from django_auth0_flow.pages import messages, rendering
from django_auth0_flow.pages.unavailable import unavailable
from django_auth0_flow.protocol.errors import Auth0Error, TokenValidationError, TransportError
from django_auth0_flow.session import Auth0Session, no_middleware
from django_auth0_flow.signals import login_failed, send

logger = logging.getLogger(__name__)


class Auth0View(View):
    """What the views share: open to visitors who are not logged in, and their configuration's name."""

    # Django's LoginRequiredMiddleware must let visitors log in.
    login_required = False

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        view: Any = super().as_view(**initkwargs)
        view.login_required = False
        # Not in a transaction, whatever ATOMIC_REQUESTS says: it would be held while the tenant answers, and a rollback
        # would give a used state back.
        for alias in connections:
            view = transaction.non_atomic_requests(using=alias)(view)
        return view

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Refuse to work without our middleware: logins would seem to succeed, and not be there afterwards."""
        super().setup(request, *args, **kwargs)
        if not isinstance(getattr(request, "auth0", None), Auth0Session):
            raise no_middleware(f"{type(self).__name__} of django_auth0_flow")

    @property
    def configuration(self) -> str:
        return str(self.kwargs.get("configuration") or configuration_for(self.request))

    def failure(
        self,
        request: HttpRequest,
        error: Auth0Error,
        *,
        next_url: str = "",
        counted: bool = True,
        retry_url: str = "",
    ) -> HttpResponse:
        """Answer an error of the login and tell the receivers of ``login_failed``; else as ``error_responses.failed``."""
        code = messages.public_code(error)
        log_failure(error, code, self.configuration)
        send(login_failed, type(self), request=request, error=error, code=code, configuration=self.configuration)
        if isinstance(error, TransportError):
            # Not this address: a callback's has been used, and its code and state must not appear on a page.
            again = retry_url or rendering.login_path(self.configuration, next_url)
            return unavailable(request, error, retry_url=again)
        return error_responses.failed(
            request,
            error,
            next_url=next_url,
            configuration=self.configuration,
            counted=counted,
            retry_url=retry_url,
        )


def log_failure(error: Auth0Error, code: str, configuration: str) -> None:
    """Log why a login failed. What is wrong with a token is said in our own words; the tenant's may be anyone's."""
    why = f": {error}" if isinstance(error, TokenValidationError) else ""
    logger.warning("login_failed code=%s configuration=%s%s", code, configuration, why)


def _any_view(request: HttpRequest) -> HttpResponse:
    """Stand for the view in Django's CSRF check, which passes over views that are exempt as ours are."""
    return HttpResponse()


class _CsrfCheck(CsrfViewMiddleware):
    """Django's check, whose refusal is an answer of ours: a form may have been open while another tab logged in."""

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        logger.warning("csrf_refused reason=%s", reason)
        return HttpResponse(status=403)


class FormView(Auth0View):
    """A page with a form. Its CSRF token is checked here, where the answer to a bad one can lead on."""

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        view = super().as_view(**initkwargs)
        view.csrf_exempt = True  # the check is made in dispatch
        return view

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        check = _CsrfCheck(_any_view)
        check.process_request(request)
        if check.process_view(request, _any_view, args, kwargs) is not None:
            response: HttpResponseBase = self.form_expired(request)
        else:
            response = super().dispatch(request, *args, **kwargs)
        return check.process_response(request, response)

    def form_expired(self, request: HttpRequest) -> HttpResponse:
        """Answer a form whose CSRF token is not good (any more)."""
        raise NotImplementedError  # each page has its own
