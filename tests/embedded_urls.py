"""The URLs of the tests of embedded logins: Django's own login views beside ours."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpResponse
from django.template import engines
from django.urls import include, path

from django_auth0_flow.forms import Auth0AuthenticationForm, Auth0LoginErrors
from tests.urls import urlpatterns as _common

_PAGE = """<form method="post">{% csrf_token %}{{ form }}<input type="hidden" name="next" value="{{ next }}"></form>"""


class DjangoLoginView(LoginView):
    """Django's own view, with a page that needs no template file."""

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> Any:
        return HttpResponse(engines["django"].from_string(_PAGE).render(context, self.request))


class AdminForm(Auth0LoginErrors, AdminAuthenticationForm):
    """What a project gives its admin."""


class Admin(admin.AdminSite):
    login_form = AdminForm


site = Admin(name="telling_admin")

urlpatterns = [
    *_common,
    path("accounts/login/", DjangoLoginView.as_view()),
    path("accounts/telling-login/", DjangoLoginView.as_view(authentication_form=Auth0AuthenticationForm)),
    path("telling-admin/", site.urls),
    path("partners/", include("django_auth0_flow.urls", namespace="partners"), {"configuration": "partners"}),
]
