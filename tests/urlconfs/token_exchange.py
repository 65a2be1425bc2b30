"""A site that moves: who is logged in there by the old system's cookie is logged in here."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import include, path

from django_auth0_flow.decorators import auth0_login_required
from django_auth0_flow.embedded.token_exchange import log_in_with_token
from django_auth0_flow.tokens.exchange import exchange_token


def from_the_old_site(request: HttpRequest) -> HttpResponse:
    token, back = request.COOKIES["old_session"], request.GET.get("next", "")
    return HttpResponseRedirect(log_in_with_token(request, token, "urn:example:old-session", next_url=back))


from_the_old_site.login_required = False  # type: ignore[attr-defined]  # as login_not_required marks it, from Django 5.1


def to_a_page(request: HttpRequest) -> HttpResponse:
    token = request.COOKIES["old_session"]
    return HttpResponseRedirect(log_in_with_token(request, token, "urn:example:old-session", next_url="/page/"))


to_a_page.login_required = False  # type: ignore[attr-defined]  # as above


def for_a_token(request: HttpRequest) -> HttpResponse:
    return HttpResponse(exchange_token(request.GET["token"], "urn:example:old-session").token_type)


for_a_token.login_required = False  # type: ignore[attr-defined]  # as above


@auth0_login_required
def bare(request: HttpRequest) -> HttpResponse:
    return HttpResponse("in")


urlpatterns = [
    path("auth0/", include("django_auth0_flow.urls")),
    path("from-the-old-site/", from_the_old_site),
    path("to-a-page/", to_a_page),
    path("for-a-token/", for_a_token),
    path("bare/", bare),
]
