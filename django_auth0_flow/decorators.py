"""``auth0_login_required`` and its mixin for pages, ``bearer_token_required`` for views that are the API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial, wraps
from inspect import isawaitable
from typing import Any, TypeVar, overload

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from django_auth0_flow.access import bearer
from django_auth0_flow.access.requirements import OrganizationChoice, Requirement, as_configurations, as_names
from django_auth0_flow.middleware import MARK
from django_auth0_flow.pages.cache_headers import TOKEN_HEADERS, keep_private
from django_auth0_flow.views.protection import check_login

View = TypeVar("View", bound=Callable[..., Any])

_ARGUMENTS = "scopes permissions organization max_age acr_values connection access_token silent configuration".split()


@overload
def auth0_login_required(view: View) -> View: ...


@overload
def auth0_login_required(
    *,
    scopes: str | Collection[str] = (),
    permissions: str | Collection[str] = (),
    organization: OrganizationChoice = None,
    max_age: int | None = None,
    acr_values: str | None = None,
    connection: str | None = None,
    access_token: bool = False,
    silent: bool = False,
    configuration: str | Sequence[str] = (),
) -> Callable[[View], View]: ...


def auth0_login_required(
    view: Any = None,
    *,
    scopes: str | Collection[str] = (),
    permissions: str | Collection[str] = (),
    organization: OrganizationChoice = None,
    max_age: int | None = None,
    acr_values: str | None = None,
    connection: str | None = None,
    access_token: bool = False,
    silent: bool = False,
    configuration: str | Sequence[str] = (),
) -> Any:
    """Let only visitors in who logged in through Auth0 and whose login satisfies every test given.

    A failed test sends the visitor to Auth0 with the matching parameters and back to this address; the answer is checked,
    and a test that still fails is a 403 page. ``max_age`` in seconds; ``connection`` is a hint, no claim names it.
    ``organization``: an id or name, True for any, or a callable that takes the request and returns one of these (None
    asks for none). ``access_token``: the login must have one; a login by ``RESPONSE_TYPE`` ``id_token`` fetches it.
    ``silent``: a visitor whom the tenant knows is logged in without a page, any other is let through as nobody; who is
    logged in must satisfy the tests all the same. ``configuration``: the name, or names, of the configurations whose logins
    count; by default the one that this request would log in with (``CONFIGURATION_FOR``, else ``default``). A visitor
    without such a login logs in with the one that ``CONFIGURATION_FOR`` says, that of the last login, or the first named.
    For sync and async views, and with ``method_decorator``.
    """
    names = as_configurations(configuration)
    requirement = Requirement(
        as_names(scopes), as_names(permissions), organization, max_age, acr_values, connection, access_token
    )

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        def check(request: HttpRequest) -> HttpResponse | None:
            return check_login(request, requirement, configurations=names, may_be_nobody=silent)

        return _protect(view, check, mark=names)

    return decorate(view) if view is not None else decorate


class Auth0LoginRequiredMixin:
    """``auth0_login_required`` for class-based views; the attributes are its arguments. Put it first among the bases."""

    auth0_scopes: str | Collection[str] = ()
    auth0_permissions: str | Collection[str] = ()
    auth0_organization: OrganizationChoice = None
    auth0_max_age: int | None = None
    auth0_acr_values: str | None = None
    auth0_connection: str | None = None
    auth0_access_token: bool = False
    auth0_silent: bool = False
    auth0_configuration: str | Sequence[str] = ()

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., Any]:
        """Return the view function, protected."""
        arguments = {name: initkwargs.get(f"auth0_{name}", getattr(cls, f"auth0_{name}")) for name in _ARGUMENTS}
        view: Callable[..., Any] = super().as_view(**initkwargs)  # type: ignore[misc]  # View's, beside this mixin
        protected: Callable[..., Any] = auth0_login_required(**arguments)(view)
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
    the claims are in ``request.access_token_claims``. ``configuration``: whose tokens count, a name or several, by default
    those of the one that the request would log in with. Others get 401 or 403 with ``WWW-Authenticate`` (RFC 6750 §3), or
    503 when the keys can't be had. The view is exempt from CSRF checks: it takes no cookie for an answer.
    """
    wanted_scopes, wanted_permissions, names = as_names(scopes), as_names(permissions), as_configurations(configuration)

    def check(request: HttpRequest) -> HttpResponse | None:
        return bearer.check_bearer_token(
            request,
            audience=audience,
            scopes=wanted_scopes,
            permissions=wanted_permissions,
            configurations=names,
        )

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        protected = _protect(view, check)
        protected.csrf_exempt = True  # type: ignore[attr-defined]  # how Django marks it
        return protected

    return decorate(view) if view is not None else decorate


def _protect(
    view: Callable[..., Any],
    check: Callable[[HttpRequest], HttpResponse | None],
    *,
    mark: tuple[str, ...] | None = None,
) -> Callable[..., Any]:
    """Wrap a sync or async view: ``check`` answers in its stead, or lets it run. No shared cache keeps the answer."""
    varies_on = TOKEN_HEADERS if mark is None else ("Cookie",)
    if iscoroutinefunction(view):

        @wraps(view)
        async def protected(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            answer: HttpResponseBase | None = await sync_to_async(check)(request)
            return keep_private(answer if answer is not None else await view(request, *args, **kwargs), *varies_on)

    else:

        async def protected_later(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            answer = await sync_to_async(check)(request)
            return keep_private(answer if answer is not None else await view(request, *args, **kwargs), *varies_on)

        @wraps(view)
        def protected(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if _is_async_dispatch(view):
                return protected_later(request, *args, **kwargs)
            answer = check(request)
            answer = answer if answer is not None else view(request, *args, **kwargs)
            if isawaitable(answer):  # an async view under somebody's synchronous decorator
                return _keep_private_later(answer, varies_on)
            return keep_private(answer, *varies_on)

    # LoginRequiredMiddleware steps back: what is asked for here is a login and more, or a token that needs no session.
    protected.login_required = False  # type: ignore[attr-defined]  # how Django marks it
    if mark is not None:
        setattr(protected, MARK, mark)
    return protected


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
