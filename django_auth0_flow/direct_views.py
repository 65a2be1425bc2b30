"""The pages of logins without redirect: passwordless and password; the second factor's are in ``mfa_views``.

Subclass them, replace their templates. A form that is sent twice, reloaded or left open while another tab logged in leads
on instead of failing.
"""

from __future__ import annotations

import logging
from typing import Any

from django import forms
from django.conf import settings as django_settings
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from . import answers, direct_flow, mfa_flow, pending, site_urls
from .admission import tenants_page_needed
from .conf import get_settings
from .direct_errors import FINAL_CODES, note_setup_mistake, password_code, passwordless_code
from .direct_flow import AlreadyWaiting
from .forms import CodeForm, PasswordForm, PasswordlessForm
from .pending import Pending
from .protocol.errors import Auth0Error, MfaRequired, OAuthError, TransportError
from .signals import login_failed, send
from .views import _Auth0View
from .words import words_for

logger = logging.getLogger("django_auth0_flow.views")

#: The tenant's own words are shown when somebody in charge of it wrote them.
_TENANT_SAYS = frozenset(["access_denied", "unauthorized"])


def _any_view(request: HttpRequest) -> HttpResponse:
    """Stand for the view in Django's CSRF check, which passes over views that are exempt as ours are."""
    return HttpResponse()


class _CsrfCheck(CsrfViewMiddleware):
    """Django's check, whose refusal is an answer of ours: a form may have been open while another tab logged in."""

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        logger.warning("csrf_refused reason=%s", reason)
        return HttpResponse(status=403)


class DirectView(_Auth0View):
    """What the pages share: a form, its refusal in plain words, and where the visitor goes on."""

    template_name = ""
    http_method_names = ["get", "head", "post", "options"]

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        # No transaction is open while the tenant answers, and a second submit sees at once what the first one does.
        view: Any = transaction.non_atomic_requests(super().as_view(**initkwargs))
        view.csrf_exempt = True  # the check is made in dispatch
        return view

    def is_enabled(self) -> bool:
        """Tell whether the configuration switches this page on."""
        return True

    @property
    def next_url(self) -> str:
        """Where the visitor wants to go after the login, if that is on this site."""
        wanted = self.request.POST.get("next") or self.request.GET.get("next")
        return site_urls.safe_next(self.request, wanted)

    @method_decorator([sensitive_post_parameters(), sensitive_variables()])
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Check the CSRF token here, where the answer to a bad one can lead on.

        Nothing of what follows shows its variables in an error report: they are passwords, codes and secrets.
        """
        if not self.is_enabled():
            raise Http404("This login is switched off.")
        if tenants_page_needed(request, get_settings(self.configuration)):
            return self.go(answers.login_path(self.configuration, self.next_url))
        check = _CsrfCheck(_any_view)
        check.process_request(request)
        if check.process_view(request, _any_view, args, kwargs) is not None:
            response: HttpResponseBase = self.form_expired(request)
        else:
            response = super().dispatch(request, *args, **kwargs)
        return check.process_response(request, response)

    def form_expired(self, request: HttpRequest) -> HttpResponse:
        """Answer a form whose CSRF token is not good (any more): go on if somebody is logged in, else show it anew."""
        if request.user.is_authenticated:
            return self.go(site_urls.landing_url(self.next_url))
        if not answers.is_navigation(request):
            return self.json(request, "form_expired", status=403)
        self.notice = words_for("form_expired")
        response: HttpResponse = self.get(request, **self.kwargs)  # type: ignore[attr-defined]  # each page has one
        if response.status_code == 200:
            response.status_code = 403
        return response

    notice = ""

    def go(self, url: str) -> HttpResponse:
        """Redirect, uncached."""
        return answers.finish_answer(HttpResponseRedirect(url))

    def go_to(self, name: str, waiting: Pending, **query: str) -> HttpResponse:
        """Redirect to the page where a waiting login goes on."""
        return self.go(answers.page_path(name, waiting.configuration, waiting.next_url, login=waiting.id, **query))

    def show(
        self, request: HttpRequest, form: forms.Form | None = None, *, status: int = 200, **context: Any
    ) -> HttpResponse:
        """Show the page."""
        values = {"form": form, "next": self.next_url, "notice": self.notice, **context}
        return answers.page(request, self.template_name, values, status)

    def show_invalid(self, request: HttpRequest, form: forms.Form, **context: Any) -> HttpResponse:
        """Show a form again whose fields are not filled in as they should be."""
        if not answers.is_navigation(request):
            return self.json(request, "malformed_request")
        return self.show(request, form, status=400, **context)

    def refuse(
        self, request: HttpRequest, error: Auth0Error, code: str, form: forms.Form, **context: Any
    ) -> HttpResponse:
        """Show the form again with what the tenant had against it, and tell log and receivers."""
        mistake = note_setup_mistake(error)
        logger.warning("login_failed code=%s configuration=%s", code, self.configuration)
        send(login_failed, type(self), request=request, error=error)
        if not answers.is_navigation(request):
            return self.json(request, code)
        says = error.error_description if isinstance(error, OAuthError) and code in _TENANT_SAYS else ""
        return self.show(
            request,
            form,
            status=400,
            code=code,
            words=words_for(code),
            tenant_says=says,
            mistake=mistake if django_settings.DEBUG else None,
            login_url=answers.login_path(self.configuration, self.next_url) if code == "requires_verification" else "",
            **context,
        )

    def json(self, request: HttpRequest, code: str, *, status: int = 400) -> HttpResponse:
        """Answer a script."""
        return answers.finish_answer(JsonResponse({"error": code, "message": words_for(code)}, status=status))

    def gone(self, request: HttpRequest, proof: str = "", *, start_url: str = "") -> HttpResponse:
        """Answer for a login that waits here no more: done by an equal submit, gone on elsewhere, or over."""
        waiting_id = request.GET.get("login", "")
        landing = site_urls.landing_url(self.next_url)
        if proof and pending.share_login(request, waiting_id, proof, self.configuration):
            return self.go(mfa_flow.shared_url(request, self.configuration, landing))
        if successor := pending.find_successor(request, waiting_id, proof):
            return self.go_to("mfa", successor)
        if request.user.is_authenticated:
            return self.go(landing)
        error = mfa_flow.LoginExpired("This login is not under way any more.")
        again = start_url or answers.login_path(self.configuration, self.next_url)
        return self.failure(request, error, next_url=self.next_url, counted=False, retry_url=again)


class PasswordlessView(DirectView):
    """``auth0:passwordless``, first step: where to send the code or link."""

    template_name = "passwordless.html"

    def is_enabled(self) -> bool:
        """``PASSWORDLESS`` names a kind."""
        return bool(get_settings(self.configuration).passwordless)

    @property
    def kinds(self) -> tuple[str, ...]:
        """What the configuration offers."""
        return get_settings(self.configuration).passwordless

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return self.show(request, PasswordlessForm(kinds=self.kinds), kinds=self.kinds)

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        form = PasswordlessForm(request.POST, kinds=self.kinds)
        if not form.is_valid():
            return self.show_invalid(request, form, kinds=self.kinds)
        data = form.cleaned_data
        return self.send_message(request, data["kind"], data["address"], form)

    def send_message(
        self, request: HttpRequest, kind: str, address: str, form: forms.Form, *, again: bool = False
    ) -> HttpResponse:
        """Have the message sent and lead to the second step."""
        try:
            waiting = direct_flow.begin_passwordless(
                request,
                configuration=self.configuration,
                kind=kind,
                address=address,
                next_url=self.next_url,
                again=again,
            )
        except TransportError as error:
            return self.failure(request, error, retry_url=self.start_url)
        except Auth0Error as error:
            return self.refuse(request, error, passwordless_code(error), form, kinds=self.kinds)
        return self.go_to("passwordless_code", waiting)

    @property
    def start_url(self) -> str:
        """Where a passwordless login begins."""
        return answers.page_path("passwordless", self.configuration, self.next_url)


class PasswordlessCodeView(PasswordlessView):
    """``auth0:passwordless_code``, second step: the code, or the words that a link is on its way."""

    template_name = "passwordless_code.html"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        waiting = self.waiting(request)
        if waiting is None:
            return self.gone(request, start_url=self.start_url)
        return self.show(request, CodeForm(), **self.context(waiting))

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        waiting = self.waiting(request)
        form = CodeForm(request.POST)
        if waiting is None:
            proof = form.cleaned_data["code"] if form.is_valid() else ""
            return self.gone(request, proof, start_url=self.start_url)
        if "again" in request.POST:
            data = waiting.data
            return self.send_message(request, data["kind"], data["address"], CodeForm(), again=True)
        if not form.is_valid():
            return self.show_invalid(request, form, **self.context(waiting))
        try:
            url = direct_flow.finish_passwordless(request, waiting, form.cleaned_data["code"])
        except MfaRequired as error:
            return answers.mfa_required(
                request,
                error,
                next_url=waiting.next_url,
                start_url=self.start_url,
                origin=waiting.id,
                proof=form.cleaned_data["code"],
            )
        except AlreadyWaiting as step:
            return self.go_to("mfa", step.waiting)
        except TransportError as error:
            return self.failure(request, error, retry_url=request.get_full_path())
        except Auth0Error as error:
            return self.refused(request, waiting, error, form)
        return self.go(url)

    def refused(self, request: HttpRequest, waiting: Pending, error: Auth0Error, form: CodeForm) -> HttpResponse:
        """Answer a code that did not log anybody in."""
        if not isinstance(error, OAuthError):
            return self.failure(request, error, next_url=waiting.next_url, retry_url=self.start_url)
        code = passwordless_code(error)
        if code in FINAL_CODES:
            waiting = direct_flow.end_passwordless(request, waiting)
        return self.refuse(request, error, code, form, **self.context(waiting))

    def waiting(self, request: HttpRequest) -> Pending | None:
        """Return the login that waits for this code."""
        found = pending.find(request, request.GET.get("login", ""), "code", "link")
        return found if found is not None and found.configuration == self.configuration else None

    def context(self, waiting: Pending) -> dict[str, Any]:
        """Return what the template needs of a waiting login."""
        data = waiting.data
        return {
            "kind": data["kind"],
            "address": data["address"],
            "start_url": self.start_url,
            "next": waiting.next_url,
            "is_over": bool(data.get("over")),
        }


class PasswordView(DirectView):
    """``auth0:password``: name and password, for a site that does not send its visitors to Auth0's page."""

    template_name = "password.html"

    def is_enabled(self) -> bool:
        """``PASSWORD_REALM`` is set."""
        return bool(get_settings(self.configuration).password_realm)

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return self.show(request, PasswordForm())

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        form = PasswordForm(request.POST)
        if not form.is_valid():
            return self.show_invalid(request, form)
        again = answers.page_path("password", self.configuration, self.next_url)
        try:
            url = direct_flow.finish_password(
                request,
                configuration=self.configuration,
                username=form.cleaned_data["username"],
                password=form.cleaned_data["password"],
                next_url=self.next_url,
            )
        except MfaRequired as error:
            error.configuration = self.configuration
            return answers.mfa_required(request, error, next_url=self.next_url, start_url=again)
        except TransportError as error:
            return self.failure(request, error, retry_url=again)
        except OAuthError as error:
            return self.refuse(request, error, password_code(error), form)
        except Auth0Error as error:
            return self.failure(request, error, next_url=self.next_url, retry_url=again)
        return self.go(url)
