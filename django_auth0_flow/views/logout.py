"""``auth0:logout``, and where the tenant sends the browser after it."""

from __future__ import annotations

from typing import Any

from django.conf import settings as django_settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_protect

from django_auth0_flow.logout import browser
from django_auth0_flow.pages import rendering
from django_auth0_flow.pages import urls as site_urls
from django_auth0_flow.views.base import Auth0View


@method_decorator(csrf_protect, name="dispatch")
class LogoutView(Auth0View):
    """``auth0:logout``: POST logs out here and at the tenant; GET asks first."""

    http_method_names = ["get", "post", "options"]

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return rendering.page(request, "logout.html", {"next": site_urls.safe_next(request, request.GET.get("next"))})

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        url = browser.end_login(request, next_url=site_urls.safe_next(request, request.POST.get("next")))
        if not url:
            return rendering.page(request, "logged_out.html", {"tenant_left": True})
        return rendering.finish_answer(HttpResponseRedirect(url))


class LoggedOutView(Auth0View):
    """``auth0:logged_out``: where the tenant sends the browser after a logout. Register it in Allowed Logout URLs."""

    http_method_names = ["get", "options"]

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        next_url = browser.open_logout_state(request.GET.get("state", ""), self.configuration)
        if next_url is None:
            # This logout did not start here: say whether the visitor is logged in, redirect nowhere.
            return rendering.page(request, "logged_out.html", {"still_logged_in": request.user.is_authenticated})
        target = site_urls.safe_next(request, next_url) or django_settings.LOGOUT_REDIRECT_URL
        if target:
            return rendering.finish_answer(HttpResponseRedirect(resolve_url(target)))
        return rendering.page(request, "logged_out.html", {})
