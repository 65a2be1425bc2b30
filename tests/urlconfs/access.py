"""Views that ask who is logged in, in every way there is, for one configuration, another, or both."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views.generic import View
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from django_auth0_flow.access.requirements import MULTI_FACTOR
from django_auth0_flow.decorators import Auth0LoginRequiredMixin, auth0_login_required, bearer_token_required
from django_auth0_flow.protocol.errors import Auth0Error
from django_auth0_flow.rest_framework import Auth0BearerAuthentication, HasPermissions, HasScopes

BOTH = ("default", "partners")
ACME, OTHER = "org_acme000000000000", "org_other00000000000"


def who(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    """Say who is logged in to Django, and by which configuration."""
    login = request.auth0  # type: ignore[attr-defined]  # the middleware's
    name = login.configuration.name if login.is_logged_in else "-"
    return HttpResponse(f"{request.user.get_username() or 'nobody'} {name}")


def nothing(request: HttpRequest) -> HttpResponse:
    return HttpResponse("nothing is read here")


async def anothing(request: HttpRequest) -> HttpResponse:
    return HttpResponse("nothing is read here")


async def awho(request: HttpRequest) -> HttpResponse:
    login = request.auth0  # type: ignore[attr-defined]  # the middleware's
    user = await request.auser()
    name = login.accepted and ("in" if await login.ais_logged_in() else "-")
    return HttpResponse(f"{user.get_username() or 'nobody'} {name}")


def everything(request: HttpRequest) -> HttpResponse:
    """Show all that ``request.auth0`` gives without a decorator, errors by their code."""
    login = request.auth0  # type: ignore[attr-defined]  # the middleware's
    found = [
        login.is_logged_in,
        dict(login.claims),
        sorted(login.scopes),
        sorted(login.permissions),
        login.organization,
    ]
    for get in (login.access_token, lambda: login.api, lambda: login.tokens, lambda: login.login_session):
        try:
            found.append(bool(get()))
        except Auth0Error as error:
            found.append(error.code)
    return HttpResponse(repr(found))


async def aeverything(request: HttpRequest) -> HttpResponse:
    login = request.auth0  # type: ignore[attr-defined]  # the middleware's
    found = [
        await login.ais_logged_in(),
        dict(await login.aclaims()),
        sorted(await login.ascopes()),
        sorted(await login.apermissions()),
        await login.aorganization(),
    ]
    try:
        found.append(bool(await login.aaccess_token()))
    except Auth0Error as error:
        found.append(error.code)
    return HttpResponse(repr(found))


def greet(request: HttpRequest) -> HttpResponse:
    template = Template("{% load auth0 %}{% auth0_user as person %}{{ person.name|default:'nobody' }}")
    return HttpResponse(template.render(Context({"request": request})))


def swallow(request: HttpRequest) -> HttpResponse:
    """Want a token, and go on without one."""
    try:
        request.auth0.access_token()  # type: ignore[attr-defined]  # the middleware's
    except Auth0Error as error:
        return HttpResponse(f"without: {error.code}")
    return HttpResponse("with")


class Bare(Auth0LoginRequiredMixin, View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return nothing(request)


@method_decorator(auth0_login_required, name="dispatch")
class Dispatched(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return nothing(request)


@method_decorator(auth0_login_required(scopes="read:things"), name="dispatch")
class AsyncDispatched(View):
    """Its ``dispatch`` is synchronous and runs in the event loop."""

    async def get(self, request: HttpRequest) -> HttpResponse:
        return nothing(request)


@method_decorator(bearer_token_required, name="dispatch")
class AsyncApi(View):
    async def get(self, request: HttpRequest) -> HttpResponse:
        return nothing(request)


class Partners(Auth0LoginRequiredMixin, View):
    auth0_configuration: Any = "partners"

    def get(self, request: HttpRequest) -> HttpResponse:
        return who(request)


class Both(Partners):
    auth0_configuration = BOTH


def api(*permissions: Any) -> Any:
    class Things(APIView):
        authentication_classes = [SessionAuthentication]
        permission_classes = list(permissions)

        def get(self, request: Request) -> Response:
            return Response({"who": request.user.get_username()})

    return Things.as_view()


def bearer_api(configuration: Any, *permissions: Any) -> Any:
    class Bearer(Auth0BearerAuthentication):
        pass

    Bearer.configuration = configuration

    class Things(APIView):
        authentication_classes = [Bearer]
        permission_classes: Any = list(permissions) or [HasScopes("read:things")]

        def get(self, request: Request) -> Response:
            return Response({})

    return Things.as_view()


def unlocked(view: Any) -> Any:
    return transaction.non_atomic_requests(view)


urlpatterns = [
    path("auth0/", include("django_auth0_flow.urls")),
    path(
        "partners/", include(("django_auth0_flow.urls", "auth0"), namespace="partners"), {"configuration": "partners"}
    ),
    # reads nothing, protected in each way
    path("bare/", auth0_login_required(nothing)),
    path("bare-async/", unlocked(auth0_login_required(anothing))),
    path("bare-mixin/", Bare.as_view()),
    path("bare-dispatch/", Dispatched.as_view()),
    path("scoped-async-dispatch/", unlocked(AsyncDispatched.as_view())),
    path("api-async-dispatch/", unlocked(AsyncApi.as_view())),
    path("organized-anyhow/", auth0_login_required(organization=True)(nothing)),
    path("organized/", auth0_login_required(organization=ACME)(nothing)),
    path("scoped/", auth0_login_required(scopes="read:things")(nothing)),
    path(
        "scoped-twice/",
        auth0_login_required(scopes="read:things")(auth0_login_required(scopes="write:things")(nothing)),
    ),
    path(
        "organized-twice/", auth0_login_required(organization=ACME)(auth0_login_required(scopes="read:things")(nothing))
    ),
    path(
        "organized-two-ways/",
        auth0_login_required(organization=ACME)(auth0_login_required(organization=OTHER)(nothing)),
    ),
    path("bare-drf/", api(HasScopes("openid"))),
    path("django/", login_required(nothing)),
    path("swallow/", swallow),
    path("swallow-protected/", auth0_login_required(swallow)),
    # says who
    path("who/", who),
    path("who-async/", unlocked(awho)),
    path("greet/", greet),
    path("everything/", everything),
    path("everything-async/", unlocked(aeverything)),
    path("of-default/", auth0_login_required(who)),
    path("permitted/", auth0_login_required(permissions="read:things")(who)),
    path("of-partners/", auth0_login_required(configuration="partners")(who)),
    path("of-partners-scoped/", auth0_login_required(configuration="partners", scopes="openid")(who)),
    path("of-partners-async/", unlocked(auth0_login_required(configuration="partners")(awho))),
    path("of-partners-mixin/", Partners.as_view()),
    path("of-both/", auth0_login_required(configuration=BOTH)(who)),
    path("of-both-list/", auth0_login_required(configuration=["partners", "default"])(who)),
    path("of-both-mixin/", Both.as_view()),
    path("of-partners-twice/", auth0_login_required(configuration="partners")(auth0_login_required(who))),
    path(
        "of-each/", auth0_login_required(configuration="default")(auth0_login_required(configuration="partners")(who))
    ),
    path("of-nobody/", auth0_login_required(configuration="no-such")(who)),
    path("drf/", api(HasScopes("openid"))),
    path("drf-any/", api(HasScopes("openid") | IsAuthenticated)),
    path("drf-permitted/", api(HasPermissions("read:things"))),
    path("drf-partners/", api(HasScopes("openid", configuration="partners"))),
    path("drf-both/", api(HasScopes("openid", configuration=BOTH))),
    path("api/", bearer_token_required(scopes="read:things")(nothing)),
    path("api-partners/", bearer_token_required(configuration="partners")(nothing)),
    path("api-both/", bearer_token_required(configuration=BOTH)(nothing)),
    path("api-drf/", bearer_api(())),
    path("api-drf-partners/", bearer_api("partners")),
    path("api-drf-both/", bearer_api(BOTH)),
    path("api-drf-both-one-permitted/", bearer_api(BOTH, HasScopes("read:things", configuration="partners"))),
    # silent
    path("quiet/", auth0_login_required(silent=True)(who)),
    path("quiet-async/", unlocked(auth0_login_required(silent=True)(awho))),
    path("quiet-organized/", auth0_login_required(silent=True, organization="org_acme000000000000")(who)),
    path("quiet-recent/", auth0_login_required(silent=True, max_age=300)(who)),
    path("quiet-strong/", auth0_login_required(silent=True, acr_values=MULTI_FACTOR)(who)),
    path("quiet-scoped/", auth0_login_required(silent=True, scopes="openid")(who)),
    path("quiet-scoped-async/", unlocked(auth0_login_required(silent=True, scopes="openid")(awho))),
    path("quiet-partners/", auth0_login_required(silent=True, configuration="partners")(who)),
    path("quiet-both/", auth0_login_required(silent=True, configuration=BOTH)(who)),
]
