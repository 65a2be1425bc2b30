"""What the project's views need of the settings is seen, at the views that URLs lead to."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import CheckMessage
from django.urls import clear_url_caches, path

from django_auth0_flow.checks import check_views
from django_auth0_flow.decorators import auth0_login_required, bearer_token_required
from tests.test_checks import GOOD, NOTHING, changed
from tests.urlconfs import needy

URLCONF = "tests.urlconfs.needy"


@pytest.fixture
def route(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the project have these views only."""
    settings.ROOT_URLCONF = URLCONF

    def of(*views: Any) -> None:
        routed = [path(f"{number}/", view) for number, view in enumerate(views)]
        monkeypatch.setattr(needy, "urlpatterns", [needy.ours, *routed])
        clear_url_caches()

    yield of
    clear_url_caches()


def found_for(settings: Any, setting: dict[str, Any]) -> list[CheckMessage]:
    settings.AUTH0 = setting
    return check_views()


NO_API = changed(AUDIENCE=NOTHING)
NEEDY = [
    (needy.calls_an_api, "tests.urlconfs.needy.calls_an_api (request.auth0.api)"),
    (needy.calls_an_api_inside, "tests.urlconfs.needy.calls_an_api_inside (request.auth0.arequest)"),
    (auth0_login_required(needy.calls_an_api), "needy.calls_an_api (request.auth0.api)"),
    (needy.Pay.as_view(), "tests.urlconfs.needy.Pay (permissions=)"),
    (needy.Reports.as_view(), "tests.urlconfs.needy.Reports (scopes=)"),
    (needy.Calls.as_view(), "tests.urlconfs.needy.Calls (request.auth0.api)"),
]


@pytest.mark.parametrize(("view", "named"), NEEDY, ids=[named for _, named in NEEDY])
def test_W046_a_view_that_needs_an_api_s_token_where_there_is_none(
    view: Any, named: str, route: Any, settings: Any
) -> None:
    route(view)
    (found,) = found_for(settings, NO_API)
    assert (found.id, found.is_serious()) == ("auth0_flow.W046", False)
    assert named in found.msg
    assert "copy Identifier into AUTH0['AUDIENCE']" in str(found.hint)
    assert found_for(settings, GOOD) == []
    assert found_for(settings, changed(AUDIENCE=NOTHING, RESOURCE="https://api.example.com")) == []


def test_many_views_are_counted(route: Any, settings: Any) -> None:
    route(*(view for view, _ in NEEDY))
    (found,) = found_for(settings, NO_API)
    assert "and 2 more" in found.msg  # the third is the first one, under a decorator


def test_a_view_that_takes_what_every_login_has_is_fine(route: Any, settings: Any) -> None:
    route(needy.content)
    assert found_for(settings, NO_API) == []


def test_a_demand_is_about_the_configurations_that_it_names(route: Any, settings: Any) -> None:
    route(needy.of_partners)
    assert found_for(settings, {"default": NO_API, "partners": GOOD}) == []
    (found,) = found_for(settings, {"default": GOOD, "partners": NO_API})
    assert found.msg.startswith("AUTH0['partners'] has no AUDIENCE")


def test_a_view_without_a_name_is_about_any_that_the_request_may_choose(route: Any, settings: Any) -> None:
    route(needy.Pay.as_view())
    both = {"default": GOOD, "partners": NO_API}
    assert found_for(settings, both) == []
    (found,) = found_for(settings, {**both, "CONFIGURATION_FOR": lambda request: "partners"})
    assert found.msg.startswith("AUTH0['partners'] has no AUDIENCE")
    both["partners"] = changed(AUDIENCE=NOTHING, RESPONSE_TYPE="id_token", SCOPE="openid")
    assert found_for(settings, {**both, "CONFIGURATION_FOR": lambda request: "partners"}) == []


def test_E055_is_no_error_where_the_request_chooses_and_one_has_an_api(route: Any, settings: Any) -> None:
    route(bearer_token_required(scopes="read:things")(needy.content))
    chooser = {"CONFIGURATION_FOR": lambda request: "partners"}
    assert found_for(settings, {"default": GOOD, "partners": NO_API, **chooser}) == []
    found = found_for(settings, {"default": NO_API, "partners": NO_API, **chooser})
    assert [message.id for message in found] == ["auth0_flow.E055", "auth0_flow.E055"]


def test_E055_an_api_without_an_audience(route: Any, settings: Any) -> None:
    route(bearer_token_required(scopes="read:things")(needy.content))
    (found,) = found_for(settings, NO_API)
    assert (found.id, found.is_serious()) == ("auth0_flow.E055", True)
    assert "tests.urlconfs.needy.content" in found.msg
    route(bearer_token_required(audience="https://api.example.com")(needy.content))
    assert found_for(settings, NO_API) == []


def test_E055_an_api_of_rest_framework_without_an_audience(route: Any, settings: Any) -> None:
    rest_framework = pytest.importorskip("rest_framework.views")
    from django_auth0_flow.rest_framework import Auth0BearerAuthentication

    class Named(Auth0BearerAuthentication):
        audience = "https://api.example.com"

    for authentication, expected in ((Auth0BearerAuthentication, ["auth0_flow.E055"]), (Named, [])):
        attributes = {"authentication_classes": [authentication]}
        view: Any = type("Things", (rest_framework.APIView,), attributes)
        route(view.as_view())
        assert [found.id for found in found_for(settings, NO_API)] == expected


SCOPE = {"SCOPE": "openid profile"}


@pytest.mark.parametrize(
    ("views", "keys", "why"),
    [
        ([needy.calls_an_api], SCOPE, "want access tokens: tests.urlconfs.needy.calls_an_api"),
        ([auth0_login_required(access_token=True)(needy.content)], SCOPE, "want access tokens"),
        ([], SCOPE, "AUDIENCE names an API"),
        ([], {**SCOPE, "REFRESH_MARGIN": 30}, "REFRESH_MARGIN is set"),
        ([], {"AUTHORIZATION_PARAMS": {"scope": "openid"}}, "AUDIENCE names an API"),
    ],
    ids=["calls", "wants a token", "audience", "margin", "parameter"],
)
def test_W040_no_refresh_token_is_asked_for_where_one_is_needed(
    views: list[Any], keys: dict[str, Any], why: str, route: Any, settings: Any
) -> None:
    route(*views)
    (found,) = found_for(settings, changed(**keys))
    assert (found.id, found.is_serious()) == ("auth0_flow.W040", False)
    assert why in found.msg
    assert "Allow Offline Access" in str(found.hint)
    assert found_for(settings, GOOD) == []


def test_a_site_that_only_is_an_api_needs_no_refresh_token(route: Any, settings: Any) -> None:
    route(bearer_token_required(needy.content))
    assert found_for(settings, changed(**SCOPE)) == []
    implicit = changed(RESPONSE_TYPE="id_token", RESPONSE_MODE="form_post", **SCOPE)
    assert found_for(settings, implicit) == []


def test_a_project_without_urls_is_left_alone(settings: Any) -> None:
    settings.ROOT_URLCONF = None
    assert found_for(settings, NO_API) == []
