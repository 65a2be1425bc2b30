"""``AUTH0`` parsed: defaults, several configurations, caches that follow the settings, and errors that name the key."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from django_auth0_flow.conf import Auth0Settings, configurations, find_problems, get_client, get_settings
from django_auth0_flow.conf.settings import SETTINGS
from tests.test_checks import GOOD, changed


def test_defaults() -> None:
    with override_settings(AUTH0={"DOMAIN": "Example.eu.auth0.com", "CLIENT_ID": "id", "CLIENT_SECRET": "secret"}):
        found = get_settings()
    assert found.issuer == "https://example.eu.auth0.com/"
    assert found.scope == "openid profile email"
    assert (found.refresh_margin, found.leeway, found.http_timeout) == (60, 60, 10)
    assert found.api_origins == ()
    assert found.forwarded_params == ("organization", "invitation", "login_hint", "screen_hint", "ui_locales")
    assert found.create_users
    assert not found.link_by_verified_email
    assert found.id_token_algorithm == "RS256"


@pytest.mark.parametrize("key", ["AUDIENCE", "RESOURCE"])
@pytest.mark.parametrize(
    ("api", "origins"),
    [
        ("http://api.example.com", ()),
        ("http://api.example.com:443/v2", ()),
        ("http://localhost:8000/api", ("http://localhost:8000",)),
        ("https://api.example.com/v2", ("https://api.example.com",)),
    ],
)
def test_X13_an_audience_in_clear_is_no_origin(key: str, api: str, origins: tuple[str, ...]) -> None:
    with override_settings(AUTH0={**GOOD, "AUDIENCE": "", key: api}):
        assert get_settings().api_origins == origins


def test_api_origins_default_to_the_audiences_origin() -> None:
    with override_settings(AUTH0=changed(AUDIENCE="https://API.example.com/v1")):
        assert get_settings().api_origins == ("https://api.example.com",)


def test_lists_and_dicts_become_frozen() -> None:
    with override_settings(AUTH0=changed(API_ORIGINS=["https://a.example.com"], USER_FIELDS={"email": "email"})):
        found = get_settings()
    assert found.api_origins == ("https://a.example.com",)
    with pytest.raises(TypeError):
        found.user_fields["email"] = "x"  # type: ignore[index]  # that is the point
    with pytest.raises(FrozenInstanceError):
        found.client_id = "x"  # type: ignore[misc]  # that is the point


def test_a_dotted_clock_is_imported() -> None:
    with override_settings(AUTH0=changed(CLOCK="time.monotonic")):
        assert get_settings().clock.__name__ == "monotonic"


def test_several_configurations() -> None:
    with override_settings(AUTH0={"default": GOOD, "partners": changed(CLIENT_ID="theirs")}):
        assert get_settings().client_id == "id"
        assert get_settings("partners").client_id == "theirs"
        assert get_client("partners").client_id == "theirs"
        assert get_client("partners") is get_client("partners") is not get_client()
        with pytest.raises(ImproperlyConfigured, match="'default', 'partners'"):
            get_settings("others")


@pytest.mark.parametrize("setting", [None, {}, "x", {"DOMAIN": "d"}, {"default": 1}, {"a": {}, "B": 1}], ids=repr)
def test_anything_else_is_one_configuration(setting: object) -> None:
    assert list(configurations(setting)) == ["default"]


def test_the_first_mistake_is_raised_when_the_settings_are_needed() -> None:
    with override_settings(AUTH0=changed(CLIENT_SECRT="x")), pytest.raises(ImproperlyConfigured, match="CLIENT_SECRET"):
        get_settings()


def test_warnings_do_not_stop_anything() -> None:
    with override_settings(AUTH0=changed(LEEWAY=301)):
        assert get_settings().leeway == 301


def test_changed_settings_are_seen_at_once() -> None:
    with override_settings(AUTH0=GOOD):
        before = get_client()
        with override_settings(AUTH0=changed(CLIENT_ID="other")):
            assert get_settings().client_id == "other"
        assert get_settings().client_id == "id"
        assert get_client() is not before


def test_no_secret_in_the_repr() -> None:
    with override_settings(AUTH0=changed(CLIENT_SECRET="s3cr3t-s3cr3t", ENCRYPTION_KEYS=["k3y" * 20])):
        assert "s3cr3t" not in repr(get_settings())
        assert "k3y" not in repr(get_settings())


def test_no_secret_in_a_problem() -> None:
    setting = changed(CLIENT_SECRET=["s3cr3t"], ENCRYPTION_KEYS=["k3y"])
    assert not [found for found in find_problems(setting) if "s3cr3t" in str(found) or "k3y" in str(found)]


DECLARED = {found.name.upper(): found for found in fields(Auth0Settings) if found.metadata}


@pytest.mark.parametrize("key", sorted(DECLARED))
def test_a_declaration_is_all_that_a_setting_takes(key: str) -> None:
    """The key is known by it, a value of another type is refused, and the default is one of its own type."""
    (wrong,) = [found for found in find_problems(changed(**{key: object()})) if found.id == "E003"]
    assert wrong.message == f"AUTH0[{key!r}] must be {SETTINGS[key].expected}."
    default = DECLARED[key].metadata["default"]
    assert not [found for found in find_problems(changed(**{key: default})) if found.id in ("E002", "E003")]


def test_a_problem_names_its_configuration() -> None:
    (found,) = find_problems(changed(CLIENT_AUTH="basic"), name="partners")
    assert found.message.startswith("AUTH0['partners']['CLIENT_AUTH'] must be one of client_secret_post, ")


VALUES: Any = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.sampled_from(["https://[", "http://localhost", "https://e.com/?a", "openid", "none", "https://e.com:x"]),
    st.lists(st.one_of(st.text(max_size=10), st.integers()), max_size=3),
    st.dictionaries(st.text(max_size=5), st.one_of(st.text(max_size=5), st.integers()), max_size=3),
)


@hypothesis_settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.one_of(st.sampled_from(sorted(SETTINGS)), st.text(max_size=9)), VALUES, max_size=6))
def test_no_setting_whatever_breaks_the_checks(setting: dict[str, Any]) -> None:
    for found in find_problems({**GOOD, **setting}):
        assert found.id
        assert found.message
