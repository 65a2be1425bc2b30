"""``auth0_login_required`` and its mixin for pages, ``bearer_token_required`` for views that are the API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from difflib import get_close_matches
from functools import partial, wraps
from inspect import isawaitable
from typing import Any, TypeVar, Unpack, overload

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from django_auth0_flow.access import bearer
from django_auth0_flow.access.requirements import (
    Demanded,
    LoginDemands,
    Requirement,
    as_configurations,
    as_names,
    note_demand,
)
from django_auth0_flow.middleware import MARK
from django_auth0_flow.pages.cache_headers import TOKEN_HEADERS, keep_private
from django_auth0_flow.views.protection import check_login

View = TypeVar("View", bound=Callable[..., Any])


@overload
def auth0_login_required(view: View) -> View: ...


@overload
def auth0_login_required(**demands: Unpack[LoginDemands]) -> Callable[[View], View]: ...


def auth0_login_required(view: Any = None, **demands: Unpack[LoginDemands]) -> Any:
    """Let only visitors in who logged in through Auth0 and whose login satisfies every test given.

    The arguments, all optional, are those of ``LoginDemands``. A failed test sends the visitor to Auth0 with the matching
    parameters and back to this address. The answer is checked, and a test that still fails is a 403 page. A visitor
    without a login that counts logs in with the configuration that ``CONFIGURATION_FOR`` says, else that of the last
    login, else the first named. For sync and async views, and with ``method_decorator``.
    """
    names, silent = as_configurations(demands.pop("configuration", ())), demands.pop("silent", False)
    requirement = Requirement.of(**demands)

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        def check(request: HttpRequest) -> HttpResponse | None:
            _check_is_request(request, "auth0_login_required")
            return check_login(request, requirement, configurations=names, may_be_anonymous=silent)

        protected = _protect(view, check, mark=names)
        note_demand(protected, Demanded(requirement, names))
        return protected

    return decorate(view) if view is not None else decorate


class Auth0LoginRequiredMixin:
    """``auth0_login_required`` for class-based views. Put it first among the bases.

    Attributes are the decorator's arguments, with ``auth0_`` before the name: ``auth0_scopes = "read:reports"``.
    ``as_view`` takes them too. A class that would protect less than it says is refused when it is defined.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        before = cls.__mro__[: cls.__mro__.index(Auth0LoginRequiredMixin)]
        if any((base.__module__, base.__name__) == ("django.views.generic.base", "View") for base in before):
            raise ImproperlyConfigured(
                f"{cls.__qualname__}: put Auth0LoginRequiredMixin first; behind View it protects nothing."
            )
        known = [f"auth0_{name}" for name in LoginDemands.__annotations__]
        for name in vars(cls):
            if name.startswith("auth0_") and name not in known and (near := get_close_matches(name, known, 1, 0.9)):
                raise ImproperlyConfigured(f"{cls.__qualname__}.{name} protects nothing. Did you mean {near[0]}?")

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., Any]:
        """Return the view function, protected."""
        names = {name: f"auth0_{name}" for name in LoginDemands.__annotations__}
        set_on_class = {name: getattr(cls, own) for name, own in names.items() if hasattr(cls, own)}
        given = {name: initkwargs.pop(own) for name, own in names.items() if own in initkwargs}
        view: Callable[..., Any] = super().as_view(**initkwargs)  # type: ignore[misc]  # View's, beside this mixin
        demands: Any = {**set_on_class, **given}
        protected: Callable[..., Any] = auth0_login_required(**demands)(view)
        return protected


@overload
def bearer_token_required(view: View) -> View: ...


@overload
def bearer_token_required(
    *,
    scopes: str | Collection[str] = (),
    permissions: str | Collection[str] = (),
    audience: str | None = None,
    configuration: str | Sequence[str] = (),
) -> Callable[[View], View]: ...


def bearer_token_required(
    view: Any = None,
    *,
    scopes: str | Collection[str] = (),
    permissions: str | Collection[str] = (),
    audience: str | None = None,
    configuration: str | Sequence[str] = (),
) -> Any:
    """Let only requests in that bring a valid access token for this API in their Authorization header.

    Signature, ``iss``, ``aud`` (``audience``, default ``AUTH0["AUDIENCE"]``), expiry, scopes and permissions are checked;
    the claims are in ``request.access_token_claims``. ``configuration``: the name, or names, of the
    configurations whose tokens count; default: the one that the request would log in with. Other requests get 401 or 403
    with ``WWW-Authenticate`` (RFC 6750 §3), or 503 when the keys can't be fetched. The view is exempt from CSRF checks,
    since no cookie authenticates its requests.
    """
    wanted_scopes, wanted_permissions, names = as_names(scopes), as_names(permissions), as_configurations(configuration)

    def check(request: HttpRequest) -> HttpResponse | None:
        _check_is_request(request, "bearer_token_required")
        return bearer.check_bearer_token(
            request,
            audience=audience,
            scopes=wanted_scopes,
            permissions=wanted_permissions,
            configurations=names,
        )

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        protected = _protect(view, check)
        note_demand(protected, Demanded(configurations=names, is_bearer=True, audience=audience or ""))
        protected.csrf_exempt = True  # type: ignore[attr-defined]  # how Django marks it
        return protected

    return decorate(view) if view is not None else decorate


def _protect(
    view: Callable[..., Any],
    check: Callable[[HttpRequest], HttpResponse | None],
    *,
    mark: tuple[str, ...] | None = None,
) -> Callable[..., Any]:
    """Wrap a sync or async view: ``check`` answers in its place, or returns None to let it run.

    No shared cache keeps the answer.
    """
    varies_on = TOKEN_HEADERS if mark is None else ("Cookie",)

    async def protected_async(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        answer: HttpResponseBase | None = await sync_to_async(check)(request)
        return keep_private(answer if answer is not None else await view(request, *args, **kwargs), *varies_on)

    def protected_sync(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if _is_async_dispatch(view):
            return protected_async(request, *args, **kwargs)
        answer = check(request)
        answer = answer if answer is not None else view(request, *args, **kwargs)
        if isawaitable(answer):  # an async view under a synchronous decorator
            return _keep_private_later(answer, varies_on)
        return keep_private(answer, *varies_on)

    protected: Any = wraps(view)(protected_async if iscoroutinefunction(view) else protected_sync)
    # LoginRequiredMiddleware need not check this view: it demands a login and more, or a token that needs no session.
    protected.login_required = False  # how Django marks it
    if mark is not None:
        setattr(protected, MARK, mark)
    found: Callable[..., Any] = protected
    return found


def _check_is_request(found: object, decorator: str) -> None:
    if hasattr(type(found), "as_view"):  # the view itself; importing its class here would load all of Django's views
        mixin = ", or Auth0LoginRequiredMixin" * (decorator == "auth0_login_required")
        raise ImproperlyConfigured(
            f"{decorator} stands at a method of {type(found).__qualname__}: write "
            f'@method_decorator({decorator}, name="dispatch") above the class{mixin}.'
        )


async def _keep_private_later(answer: Awaitable[HttpResponseBase], varies_on: tuple[str, ...]) -> HttpResponseBase:
    return keep_private(await answer, *varies_on)


def _is_async_dispatch(view: Any) -> bool:
    """Tell whether this is the ``dispatch`` of a class-based view whose handlers are async.

    It is synchronous, may run in the event loop, and its caller awaits whatever it returns. ``method_decorator`` hands it
    over as a partial of the bound method, below the wrappers of the other decorators in its list.
    """
    while view is not None:
        method = view.func if isinstance(view, partial) else view
        if (instance := getattr(method, "__self__", None)) is not None:
            return getattr(instance, "view_is_async", False) is True and not iscoroutinefunction(method)
        view = getattr(view, "__wrapped__", None)
    return False
