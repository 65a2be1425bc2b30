"""The picture of a login: which steps of a browser's login have been taken."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from django_auth0_flow.testing.demo import flow
from django_auth0_flow.testing.tenant import Tenant
from tests.visitor import Visitor

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("auth0_settings")]


@pytest.fixture(autouse=True)
def recorder(settings: Any) -> flow.Recorder:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django_auth0_flow.testing.demo.flow.FlowMiddleware"]
    return flow.recorder


def taken(person: Visitor) -> dict[str, int]:
    steps = flow.recorder.state(person.cookie("demo_flow"))["taken"]
    return {name: found["times"] for name, found in steps.items()}


def latest(person: Visitor) -> str:
    return str(flow.recorder.state(person.cookie("demo_flow"))["latest"])


def test_each_step_lights_up_as_it_happens(tenant: Tenant, auth0_settings: Any) -> None:
    person = Visitor(tenant)
    person.get("https://testserver/open/")
    assert taken(person) == {}
    login = person.get("https://testserver/auth0/login/?next=/token/")["Location"]
    assert (taken(person), latest(person)) == ({"ask": 1, "authorize": 1}, "authorize")
    person.get(tenant.login(login))
    person.visit("/token/")
    assert (taken(person), latest(person)) == ({"ask": 1, "authorize": 1, "callback": 1, "exchange": 1}, "exchange")
    tenant.clock.advance(90_000)
    person.visit("/token/")
    assert (taken(person)["refresh"], latest(person)) == (1, "refresh")
    person.get("https://testserver/auth0/logout/")
    person.submit(follow=False)
    assert latest(person) == "logout"


def test_a_call_of_the_api_belongs_to_the_browser_of_its_user(tenant: Tenant) -> None:
    ada, other = (
        Visitor(tenant),
        Visitor(tenant, user=next(user for user in tenant.users.values() if user.nickname == "grace")),
    )
    for person in (ada, other):
        person.visit("/auth0/login/?next=/token/")
    token = ada.visit("/token/").content.decode()
    api, bearer = "/api/things/async/", {"Authorization": f"Bearer {token}"}
    assert Client().get(api, headers=bearer).status_code == 200
    assert Client().get("/api/things/", headers=bearer).status_code == 403
    assert Client().get(api).status_code == 401
    assert taken(ada)["api"] == 1
    assert "api" not in taken(other)


def test_a_new_login_begins_a_new_picture(tenant: Tenant) -> None:
    person = Visitor(tenant)
    person.visit("/auth0/login/?next=/token/")
    person.get("https://testserver/auth0/login/?next=/token/")
    assert taken(person) == {"ask": 1, "authorize": 1}


def test_only_so_many_browsers_are_remembered() -> None:
    recorder = flow.Recorder()
    for number in range(1000):
        recorder.note(f"browser-{number}", "ask")
        recorder.own(f"user-{number}", f"browser-{number}")
    assert recorder.state("browser-0")["taken"] == {}
    assert recorder.state("browser-999")["taken"].keys() == {"ask"}
    recorder.note_of("user-0", "api")
    assert recorder.state("browser-0")["taken"] == {}


def test_a_script_is_told_of_its_own_browser_alone(tenant: Tenant, rf: Any) -> None:
    person = Visitor(tenant)
    person.visit("/auth0/login/?next=/token/")
    stranger = flow.state(rf.get("/"))
    assert (stranger.content, "no-store" in stranger["Cache-Control"]) == (b'{"taken": {}, "latest": ""}', True)
    request = rf.get("/")
    request.COOKIES["demo_flow"] = person.cookie("demo_flow")
    text = flow.state(request).content.decode()
    assert '"exchange"' in text
    assert person.visit("/token/").content.decode() not in text
