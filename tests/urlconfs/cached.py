"""Views behind Django's per-site cache; what each of them makes is different every time."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views.generic import View
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from django_auth0_flow.decorators import Auth0LoginRequiredMixin, auth0_login_required, bearer_token_required
from django_auth0_flow.rest_framework import Auth0BearerAuthentication, HasScopes

_runs = count()


def fresh(request: HttpRequest, **headers: str) -> HttpResponse:
    """Say who asks, differently at every call."""
    claims = getattr(request, "access_token_claims", None)
    who = claims["sub"] if claims else request.user.get_username()
    return JsonResponse({"who": who, "run": next(_runs)}, headers=headers)


def saying(cache_control: str) -> Callable[[HttpRequest], HttpResponse]:
    return lambda request: fresh(request, **{"Cache-Control": cache_control})


@login_not_required
def anybody(request: HttpRequest) -> HttpResponse:
    """Not ours: what the cache is there for."""
    return HttpResponse(str(next(_runs)))


def forgetful(request: HttpRequest) -> Any:
    """Return nothing."""


def streamed(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(iter([b"a", b"b"]))


def file(request: HttpRequest) -> FileResponse:
    with open(__file__, "rb") as found:  # noqa: PTH123 - as people write it
        return FileResponse(found.read().splitlines())


def rendered_later(request: HttpRequest) -> TemplateResponse:
    return TemplateResponse(request, "auth0/logged_out.html", {})


async def later(request: HttpRequest) -> HttpResponse:
    return fresh(request)


class Page(Auth0LoginRequiredMixin, View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return fresh(request)


@method_decorator(bearer_token_required, name="dispatch")
class AsyncHandlers(View):
    async def get(self, request: HttpRequest) -> HttpResponse:
        return fresh(request)


class Things(APIView):
    authentication_classes: Any = [Auth0BearerAuthentication, SessionAuthentication]
    permission_classes: Any = [IsAuthenticated]
    says = ""

    def get(self, request: Request) -> HttpResponseBase:
        return Response(
            {"who": str(request.user), "run": next(_runs)}, headers={"Cache-Control": self.says} if self.says else None
        )


urlpatterns = [
    path("auth0/", include("django_auth0_flow.urls")),
    path("anybody/", anybody),
    path("api/", bearer_token_required(fresh)),
    path("api/public/", bearer_token_required(saying("public, max-age=600"))),
    path("api/never/", bearer_token_required(saying("no-store"))),
    path("api/nothing/", bearer_token_required(forgetful)),
    path("api/async/", transaction.non_atomic_requests(bearer_token_required(later))),
    path("api/handlers/", transaction.non_atomic_requests(AsyncHandlers.as_view())),
    path("drf/", Things.as_view()),
    path("drf/public/", Things.as_view(says="public, max-age=600")),
    path("drf/never/", Things.as_view(says="no-store, max-age=0")),
    path("drf/scoped/", Things.as_view(permission_classes=[HasScopes("read:things")])),
    path("drf/anybody/", Things.as_view(permission_classes=[AllowAny])),
    path("page/", auth0_login_required(fresh)),
    path("page/public/", auth0_login_required(saying("public, max-age=600"))),
    path("page/never/", auth0_login_required(saying("no-store"))),
    path("page/async/", transaction.non_atomic_requests(auth0_login_required(later))),
    path("page/mixin/", Page.as_view()),
    path("page/silent/", auth0_login_required(silent=True)(fresh)),
    path("page/streamed/", auth0_login_required(streamed)),
    path("page/file/", auth0_login_required(file)),
    path("page/template/", auth0_login_required(rendered_later)),
]
