"""Views of the test project."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.decorators import method_decorator
from django.views.generic import View

from django_auth0_flow import machine
from django_auth0_flow.decorators import Auth0LoginRequiredMixin, auth0_login_required, bearer_token_required
from django_auth0_flow.protocol.errors import LoginRequired
from django_auth0_flow.session import Auth0Session


class Request(HttpRequest):
    """What the middleware and the decorators add, for type checkers."""

    auth0: Auth0Session
    access_token_claims: dict[str, Any]


MFA = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"


@login_not_required
def home(request: Request) -> HttpResponse:
    name = request.user.get_username() if request.user.is_authenticated else "nobody"
    return HttpResponse(f"home of {name}")


def plain(request: Request) -> HttpResponse:
    return HttpResponse("plain")


@auth0_login_required
def bare(request: Request) -> HttpResponse:
    return HttpResponse(f"bare {request.auth0.claims['sub']}")


@auth0_login_required(scopes="read:things")
def scoped(request: Request) -> HttpResponse:
    return HttpResponse("scoped")


@auth0_login_required(permissions=["write:things"])
def permitted(request: Request) -> HttpResponse:
    return HttpResponse("permitted")


@auth0_login_required(organization="org_9ybsU1dN2dKfDkBi")
def organized(request: Request) -> HttpResponse:
    return HttpResponse(f"organized {request.auth0.organization}")


@auth0_login_required(max_age=300)
def recent(request: Request) -> HttpResponse:
    return HttpResponse("recent")


@auth0_login_required(acr_values=MFA)
def strong(request: Request) -> HttpResponse:
    return HttpResponse("strong")


class Mixin(Auth0LoginRequiredMixin, View):
    auth0_scopes = "openid"

    def get(self, request: Request) -> HttpResponse:
        return HttpResponse("mixin")


@transaction.non_atomic_requests  # Django can't run async views in a transaction
@auth0_login_required
async def async_bare(request: Request) -> HttpResponse:
    return HttpResponse(f"async {(await request.auth0.aclaims())['sub']}")


@transaction.non_atomic_requests
@auth0_login_required
async def async_token(request: Request) -> HttpResponse:
    return HttpResponse(await request.auth0.aaccess_token())


@auth0_login_required
def token(request: Request) -> HttpResponse:
    return HttpResponse(request.auth0.access_token())


def machine_token(request: HttpRequest) -> HttpResponse:
    return HttpResponse(machine.machine_token())


async def async_machine_token(request: HttpRequest) -> HttpResponse:
    return HttpResponse(await machine.amachine_token())


@transaction.atomic
def machine_token_in_transaction(request: HttpRequest) -> HttpResponse:
    return machine_token(request)


@transaction.atomic
def machine_token_then_error(request: HttpRequest) -> HttpResponse:
    machine_token(request)
    raise RuntimeError("the view failed")


def unmarked_token(request: Request) -> HttpResponse:
    return HttpResponse(request.auth0.access_token(audience=request.GET.get("audience", "")))


def wants_login(request: Request) -> HttpResponse:
    raise LoginRequired("Never satisfied.")


def token_then_error(request: Request) -> HttpResponse:
    request.auth0.access_token()
    raise RuntimeError("the view fails after the refresh")


@method_decorator(auth0_login_required, name="dispatch")
class Call(View):
    """Calls the address in ``url`` through ``request.auth0.api``."""

    def get(self, request: Request) -> HttpResponse:
        answer = request.auth0.api.request(str(request.method), request.GET["url"], data=request.body or None)
        return HttpResponse(answer.content, status=answer.status_code)

    post = put = patch = delete = get


call = Call.as_view()


@transaction.non_atomic_requests
@auth0_login_required
async def async_call(request: Request) -> HttpResponse:
    answer = await request.auth0.arequest("GET", request.GET["url"])
    return HttpResponse(answer.content, status=answer.status_code)


@bearer_token_required(scopes="read:things")
def api(request: Request) -> JsonResponse:
    return JsonResponse({"sub": request.access_token_claims["sub"], "method": request.method})


@bearer_token_required(permissions="write:things")
def api_write(request: Request) -> JsonResponse:
    return JsonResponse({"written": True})


@transaction.non_atomic_requests
@bearer_token_required
async def async_api(request: Request) -> JsonResponse:
    return JsonResponse({"sub": request.access_token_claims["sub"]})


def unmarked_token_then_error(request: Request) -> HttpResponse:
    request.auth0.access_token()
    raise RuntimeError("the view fails after the refresh")
