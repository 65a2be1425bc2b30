"""Views in a URLconf whose modules are loaded when somebody visits them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils.module_loading import import_string

_OF_EVERY_CLASS = frozenset(["__annotations__", "__doc__", "__module__"])


class LazyView:
    """Stands for ``as_view()`` of the class at ``dotted_path``. All attributes are the view's: looking at one loads it."""

    # No __dict__: functools.wraps, too, gets the view's.
    __slots__ = ("__weakref__", "_dotted_path", "_view")
    _dotted_path: str
    _view: Callable[..., Any]

    def __init__(self, dotted_path: str) -> None:
        object.__setattr__(self, "_dotted_path", dotted_path)

    def __call__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response: HttpResponseBase = self._view(request, *args, **kwargs)
        return response

    def __getattribute__(self, name: str) -> Any:
        # The class has some of its own: __getattr__ would not be asked for them.
        return self.__getattr__(name) if name in _OF_EVERY_CLASS else object.__getattribute__(self, name)

    def __getattr__(self, name: str) -> Any:
        if name == "_view":  # not loaded yet
            object.__setattr__(self, "_view", import_string(self._dotted_path).as_view())
            return self._view
        return getattr(self._view, name)

    def __reduce__(self) -> tuple[type[LazyView], tuple[str]]:
        return LazyView, (self._dotted_path,)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._view, name, value)


def page(route: str, view: str, name: str) -> URLPattern:
    """Return the URL pattern of a class in this package: ``login.LoginView``, say."""
    dotted_path = f"{__package__}.{view}"
    pattern = path(route, LazyView(dotted_path), name=name)
    # ``reverse()`` of any name of the site wants this of every view, and Django would load it to find out.
    pattern.lookup_str = dotted_path
    return pattern
