"""Views of Django REST framework, judged by access token."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.urls import include, path
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.permissions import IsAdminUser, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle, UserRateThrottle
from rest_framework.views import APIView

from django_auth0_flow.rest_framework import Auth0BearerAuthentication, HasPermissions, HasScopes


class Throttle(UserRateThrottle):
    rate = "2/min"


class ScopedThrottle(ScopedRateThrottle):
    THROTTLE_RATES: Any = {"things": "2/min"}


class OtherAudience(Auth0BearerAuthentication):
    audience = "https://other.example.com"


class Chosen(Auth0BearerAuthentication):
    """Lets one Django user stand for whatever token comes."""

    def get_user(self, claims: Any) -> Any:
        return User.objects.get()


class Somebody(BaseAuthentication):
    """Another way to authenticate, which has nothing to do with the browser's session."""

    def authenticate(self, request: Request) -> Any:
        return User(username="somebody"), "key"


class Things(APIView):
    authentication_classes: Any = [Auth0BearerAuthentication, SessionAuthentication]
    permission_classes: Any = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        claims: Any = request.auth
        return Response(
            {"user": str(request.user), "kind": type(request.user).__name__, "sub": (claims or {}).get("sub")}
        )

    def post(self, request: Request) -> Response:
        return Response({"made": True}, status=201)


class Mine(Things):
    """What somebody finds who takes ``request.user`` for a row."""

    def get(self, request: Request) -> Response:
        user: Any = request.user
        found = [
            *User.objects.filter(pk=user.pk),
            *LogEntry.objects.filter(user_id=user.pk),
            *LogEntry.objects.filter(user=user),
        ]
        return Response({"found": len(found), "has_id": hasattr(user, "id")})


def view(*permissions: Any, **attributes: Any) -> Any:
    made: Any = type("View", (Things,), {"permission_classes": list(permissions) or [IsAuthenticated], **attributes})
    return made.as_view()


urlpatterns = [
    path("auth0/", include("django_auth0_flow.urls")),
    path("things/", view()),
    path("scoped/", view(HasScopes("read:things", "openid"))),
    path("permitted/", view(HasPermissions(["write:things"]))),
    path("either/", view(HasScopes("read:things") | IsAdminUser)),
    path("either-way-round/", view(IsAdminUser | HasScopes("read:things"))),
    path("both/", view(IsAuthenticated & HasScopes("read:things"))),
    path("without/", view(~HasScopes("read:things"))),
    path("other/", view(authentication_classes=[OtherAudience])),
    path("foreign/", view(HasPermissions("write:things"), authentication_classes=[Somebody])),
    path("throttled/", view(throttle_classes=[Throttle])),
    path("throttled/scoped/", view(throttle_classes=[ScopedThrottle], throttle_scope="things")),
    path("mine/", Mine.as_view()),
    path("chosen/", view(authentication_classes=[Chosen])),
]
