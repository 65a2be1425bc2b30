"""What the pages of embedded logins share."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django import forms
from django.conf import settings as django_settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from django_auth0_flow.conf import get_settings
from django_auth0_flow.doctor.setup_mistakes import note_setup_mistake
from django_auth0_flow.embedded import waiting as waiting_logins
from django_auth0_flow.embedded.submit import AlreadySubmitted
from django_auth0_flow.embedded.waiting import WaitingLogin
from django_auth0_flow.login.admission import tenants_page_needed
from django_auth0_flow.pages import rendering
from django_auth0_flow.pages import urls as site_urls
from django_auth0_flow.pages.messages import words_for
from django_auth0_flow.protocol.errors import Auth0Error, OAuthError
from django_auth0_flow.signals import login_failed, send
from django_auth0_flow.views.base import FormView, log_failure

logger = logging.getLogger(__name__)

#: Refusals that come with words which the people who run the tenant wrote: these are shown.
_TENANT_SAYS = frozenset(["access_denied", "unauthorized"])


class EmbeddedView(FormView):
    """What the pages share: a form, its refusal in plain words, and where the visitor goes on."""

    template_name = ""
    http_method_names = ["get", "head", "post", "options"]
    notice = ""
    #: The kinds of waiting login that this page is about, if it is about one.
    waits_for: tuple[str, ...] = ()

    def is_enabled(self) -> bool:
        """Tell whether the configuration switches this page on."""
        return True

    @property
    def next_url(self) -> str:
        """Where the visitor wants to go after the login, if that is on this site."""
        wanted = self.request.POST.get("next") or self.request.GET.get("next")
        return site_urls.safe_next(self.request, wanted)

    @property
    def start_url(self) -> str:
        """Where a login that is over begins again."""
        return rendering.login_path(self.configuration, self.next_url)

    @property
    def ways_to_log_in(self) -> dict[str, str]:
        """The addresses of the pages to log in on, the tenant's page among them; "" for those that are switched off."""
        conf = get_settings(self.configuration)
        pages = {"password": bool(conf.password_realm), "passwordless": bool(conf.passwordless)}
        found = {
            f"{name}_url": rendering.page_path(name, self.configuration, self.next_url) if is_on else ""
            for name, is_on in pages.items()
        }
        return {**found, "tenants_page_url": rendering.login_path(self.configuration, self.next_url)}

    def waiting(self, request: HttpRequest) -> WaitingLogin | None:
        """Return the login of this browser that the page is about."""
        found = waiting_logins.find(request, request.GET.get("login", ""), *self.waits_for)
        return found if found is not None and found.configuration == self.configuration else None

    @method_decorator([sensitive_post_parameters(), sensitive_variables()])
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Show no variables of what follows in an error report: they are passwords, codes and secrets."""
        if not self.is_enabled():
            raise Http404("This login is switched off.")
        if tenants_page_needed(request, get_settings(self.configuration)):
            return self.go(rendering.login_path(self.configuration, self.next_url))
        return super().dispatch(request, *args, **kwargs)

    def form_expired(self, request: HttpRequest) -> HttpResponse:
        """Answer a form whose CSRF token is not good (any more): go on if the visitor is logged in, else show it anew."""
        if request.user.is_authenticated:
            return self.go(site_urls.landing_url(self.next_url))
        if not rendering.is_navigation(request):
            return self.json(request, "form_expired", status=403)
        self.notice = words_for("form_expired")
        response: HttpResponse = self.get(request, **self.kwargs)  # type: ignore[attr-defined]  # each page has one
        if response.status_code == 200:
            response.status_code = 403
        return response

    def go(self, url: str) -> HttpResponse:
        """Redirect, uncached."""
        return rendering.finish_answer(HttpResponseRedirect(url))

    def go_to(self, name: str, waiting: WaitingLogin, **query: str) -> HttpResponse:
        """Redirect to the page where a waiting login goes on."""
        return self.go(rendering.page_path(name, waiting.configuration, waiting.next_url, login=waiting.id, **query))

    def show(
        self, request: HttpRequest, form: forms.Form | None = None, *, status: int = 200, **context: Any
    ) -> HttpResponse:
        """Show the page."""
        values = {"form": form, "next": self.next_url, "notice": self.notice, **context}
        return rendering.page(request, self.template_name, values, status)

    def show_invalid(self, request: HttpRequest, form: forms.Form, **context: Any) -> HttpResponse:
        """Show a form again whose fields are not filled in as they should be."""
        if not rendering.is_navigation(request):
            return self.json(request, "malformed_request")
        return self.show(request, form, status=400, **context)

    def refuse(
        self, request: HttpRequest, error: Auth0Error, code: str, form: forms.Form, **context: Any
    ) -> HttpResponse:
        """Show the form again with what the tenant had against it, and tell log and receivers."""
        mistake = note_setup_mistake(error)
        log_failure(error, code, self.configuration)
        send(login_failed, type(self), request=request, error=error, code=code, configuration=self.configuration)
        if not rendering.is_navigation(request):
            return self.json(request, code)
        says = error.error_description if isinstance(error, OAuthError) and code in _TENANT_SAYS else ""
        login_url = rendering.login_path(self.configuration, self.next_url)
        return self.show(
            request,
            form,
            status=400,
            code=code,
            words=words_for(code),
            tenant_says=says,
            mistake=mistake if django_settings.DEBUG else None,
            login_url=login_url if code == "requires_verification" else "",
            **context,
        )

    def json(self, request: HttpRequest, code: str, *, status: int = 400) -> HttpResponse:
        """Answer a script."""
        return rendering.finish_answer(JsonResponse({"error": code, "message": words_for(code)}, status=status))

    def gone(self, request: HttpRequest) -> HttpResponse:
        """Answer for a login that does not wait here any more: used by another request, or over."""
        if request.user.is_authenticated:
            return self.go(site_urls.landing_url(self.next_url))
        if waiting_logins.is_claimed(request.GET.get("login", "")):
            return self.already_submitted(request, self.start_url)
        error = Auth0Error("This login is not under way any more.", code="login_expired")
        return self.failure(request, error, next_url=self.next_url, counted=False, retry_url=self.start_url)

    def already_submitted(self, request: HttpRequest, start_url: str) -> HttpResponse:
        """Answer a login that another request submits, or has submitted: the visitor goes on, or logs in again."""
        logger.info("already_submitted configuration=%s", self.configuration)
        # The first answer may have brought the cookie of a new session. Where the old one is gone, Django would delete it.
        request.COOKIES.pop(django_settings.SESSION_COOKIE_NAME, None)
        if not rendering.is_navigation(request):
            return self.json(request, AlreadySubmitted.code, status=409)
        context = {
            "code": AlreadySubmitted.code,
            "words": words_for(AlreadySubmitted.code),
            "next_url": site_urls.landing_url(self.next_url),
            "start_url": start_url,
        }
        return rendering.page(request, "already_submitted.html", context, 409)


V = TypeVar("V", bound=EmbeddedView)


def with_waiting_login(
    handler: Callable[[V, HttpRequest, WaitingLogin], HttpResponse],
) -> Callable[..., HttpResponse]:
    """Give the handler of a method the login that the page is about, or answer that it does not wait any more."""

    @wraps(handler)
    def handle(self: V, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        waiting = self.waiting(request)
        return self.gone(request) if waiting is None else handler(self, request, waiting)

    return handle
