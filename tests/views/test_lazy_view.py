"""The views of the include stand for those of the package: same attributes, same class, loaded when looked at."""

from __future__ import annotations

import copy
from functools import WRAPPER_ASSIGNMENTS, wraps
from typing import Any

import pytest
from asgiref.sync import iscoroutinefunction
from django.contrib.auth.decorators import login_not_required
from django.urls import resolve, reverse
from django.utils.module_loading import import_string

from django_auth0_flow import views
from django_auth0_flow.urls import urlpatterns
from django_auth0_flow.views.callback import CallbackView
from django_auth0_flow.views.lazy_view import LazyView
from django_auth0_flow.views.login import LoginView

PATTERNS: dict[str, Any] = {str(pattern.name): pattern for pattern in urlpatterns}


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_has_the_attributes_of_its_view(name: str) -> None:
    """``csrf_exempt``, ``login_required`` and the like decide what middleware does before the view runs."""
    pattern = PATTERNS[name]
    view = import_string(pattern.lookup_str).as_view()
    assert {key: getattr(pattern.callback, key) for key in WRAPPER_ASSIGNMENTS if hasattr(view, key)} == {
        key: getattr(view, key) for key in WRAPPER_ASSIGNMENTS if hasattr(view, key)
    }
    assert not iscoroutinefunction(pattern.callback)
    assert pattern.callback.view_class is view.view_class
    assert {key: getattr(pattern.callback, key) for key in vars(view)} == vars(view)
    assert resolve(reverse(f"auth0:{name}")).func is pattern.callback


def test_the_face_has_every_view() -> None:
    assert {pattern.callback.view_class.__name__ for pattern in PATTERNS.values()} | {"Auth0View"} == set(views.__all__)
    assert {name: getattr(views, name).__name__ for name in views.__all__} == {name: name for name in views.__all__}
    assert dir(views) == sorted(views.__all__)
    with pytest.raises(AttributeError, match="LoginVeiw"):
        _ = views.LoginVeiw


def lazy() -> LazyView:
    return LazyView("django_auth0_flow.views.callback.CallbackView")


def test_a_decorated_view_keeps_its_attributes() -> None:
    """Decorators of whole includes go by ``functools.wraps``."""
    view = lazy()

    @wraps(view)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    assert (decorated.__module__, decorated.__qualname__) == (CallbackView.__module__, "View.as_view.<locals>.view")
    assert decorated.csrf_exempt is True  # type: ignore[attr-defined]
    assert decorated.login_required is False  # type: ignore[attr-defined]


def test_attributes_can_be_set() -> None:
    view: Any = lazy()
    view.csrf_exempt = False
    assert view.csrf_exempt is False
    assert login_not_required(view) is view


def test_a_copy_is_a_view_too() -> None:
    view: Any = lazy()
    assert copy.copy(view).csrf_exempt is True
    assert view.view_initkwargs == {}
    assert copy.deepcopy(view).csrf_exempt is True


def test_what_the_view_lacks_is_lacking() -> None:
    assert not hasattr(lazy(), "no_such_attribute")
    assert LoginView is PATTERNS["login"].callback.view_class
