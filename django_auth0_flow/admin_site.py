"""Django's admin behind the login at Auth0: no password form, and no loop for people who are not staff."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth import REDIRECT_FIELD_NAME, get_user_model
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from django_auth0_flow import error_responses
from django_auth0_flow.access.requirements import Shortfall
from django_auth0_flow.pages import rendering
from django_auth0_flow.pages import urls as site_urls
from django_auth0_flow.protocol.errors import LoginRequired
from django_auth0_flow.storage.django_session_facts import noted_login
from django_auth0_flow.users.mapping import ClaimsMapper
from django_auth0_flow.views.logout import LogoutView


class Auth0AdminSiteMixin:
    """For an ``AdminSite``: visitors log in at Auth0. Users who are not staff get a 403 page with a logout button.

    Logging out ends the login at Auth0 too, and revokes its refresh token.
    """

    name: str

    @method_decorator(never_cache)
    @method_decorator(login_not_required)
    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Send the visitor to Auth0 where Django's admin would show its password form."""
        index = reverse("admin:index", current_app=self.name)
        next_url = site_urls.safe_next(request, request.GET.get(REDIRECT_FIELD_NAME), default=index)
        if not request.user.is_authenticated:
            return error_responses.login_required(request, LoginRequired("The admin is for staff."), next_url=next_url)
        if self.has_permission(request):
            return rendering.finish_answer(HttpResponseRedirect(next_url))
        return error_responses.forbidden(request, _not_staff(request), next_url=next_url)

    def has_permission(self, request: HttpRequest) -> bool:
        """Tell whether the admin site lets this user in."""
        return bool(super().has_permission(request))  # type: ignore[misc]  # AdminSite's, beside this mixin

    def logout(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Log out here and at the tenant if the login came from there, else as Django does."""
        if request.method == "POST" and noted_login(request):
            return LogoutView.as_view()(request)
        return super().logout(request, extra_context)  # type: ignore[misc]  # as above


def _not_staff(request: HttpRequest) -> Shortfall:
    """Return what a user lacks for the admin: with STAFF_GROUPS, what the login's claim had to have."""
    login = error_responses.login_of(request)
    conf = login.configuration
    if not conf.staff_groups:
        return Shortfall("not_staff", ("is_staff",))
    held = sorted(ClaimsMapper(conf, get_user_model()).claimed_values(login.claims))
    missing = tuple(f"{name} in {conf.groups_claim}" for name in conf.staff_groups)
    return Shortfall("not_staff", missing, tuple(held))


class Auth0AdminSite(Auth0AdminSiteMixin, AdminSite):
    """The admin site for projects whose staff logs in through Auth0."""
