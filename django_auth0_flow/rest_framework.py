"""For Django REST framework (extra ``drf``): access tokens as authentication, their scopes and permissions as permissions.

Import it only where djangorestframework is installed. No other module of this package imports it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import EmptyResultSet
from django.db.models import Expression
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed, PermissionDenied
from rest_framework.permissions import BasePermission, OperationHolderMixin
from rest_framework.request import Request
from rest_framework.views import APIView

from django_auth0_flow.access.bearer import check_bearer_token
from django_auth0_flow.access.requirements import as_configurations, as_names
from django_auth0_flow.backends import may_log_in
from django_auth0_flow.models import Identity
from django_auth0_flow.pages.cache_headers import TOKEN_HEADERS, forbid_storing, keep_private
from django_auth0_flow.pages.rendering import TOKEN_CONFIGURATION
from django_auth0_flow.protocol.claim_checks import permissions_of, scopes_of
from django_auth0_flow.session import Auth0Session
from django_auth0_flow.users.mapping import find_identity

_CHALLENGE = "_auth0_challenge"


class _Nothing(Expression):
    """Compares equal to no value in any row, NULL included."""

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        """Have Django find that no row can match."""
        raise EmptyResultSet


class NoKey(str):
    """The ``pk`` of an AccessTokenUser: a text that tells callers apart, in cache keys of throttles and in logs.

    It is no row's key. Look-ups by it find nothing, whatever the type of the column (``__in`` on a relation may raise
    TypeError). Saving a row with it raises TypeError.
    """

    __slots__ = ()

    def resolve_expression(
        self,
        query: Any = None,
        allow_joins: bool = True,
        reuse: Any = None,
        summarize: bool = False,
        for_save: bool = False,
    ) -> Expression:
        """Take the place of a value in a query. Raises TypeError where it would be stored."""
        if for_save:
            raise TypeError("An AccessTokenUser has no row in the database, so it has no key that could be saved.")
        return _Nothing()


class AccessTokenUser:
    """``request.user`` for an access token whose subject has never logged in here: a machine, or a user of another site.

    Authenticated, without any of Django's permissions, and without ``id``: a subject may look like a user's key. Its
    ``pk`` is a ``NoKey``, so that throttles tell callers apart and filters, by it or by this object, find no rows.
    """

    is_active = is_authenticated = True
    is_anonymous = is_staff = is_superuser = False

    def __init__(self, claims: Mapping[str, Any]) -> None:
        self.claims = claims
        self.subject = self.username = str(claims["sub"])
        self.pk = NoKey(f"access-token:{Identity.key_for(str(claims['iss']), self.subject)}")

    def __str__(self) -> str:
        return self.subject

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AccessTokenUser) and self._who == other._who

    def __hash__(self) -> int:
        return hash(self._who)

    @property
    def _who(self) -> tuple[object, str]:
        return self.claims["iss"], self.subject

    def resolve_expression(self, *args: Any, **kwargs: Any) -> Expression:
        """Take the place of ``pk`` in a query."""
        return self.pk.resolve_expression(*args, **kwargs)

    def get_username(self) -> str:
        """Return the subject."""
        return self.subject

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Return False: ``HasScopes`` and ``HasPermissions`` judge the token."""
        return False

    def has_perms(self, perm_list: Collection[str], obj: Any = None) -> bool:
        """Return False, unless ``perm_list`` is empty."""
        return not perm_list

    def has_module_perms(self, app_label: str) -> bool:
        """Return False."""
        return False


class Auth0BearerAuthentication(BaseAuthentication):
    """Takes the access token in the Authorization header: ``request.user`` and, in ``request.auth``, its claims.

    What is checked is what ``bearer_token_required`` checks. A request without one goes on to the next authentication
    class; name this class first, or DRF answers 403 where it should challenge with 401.
    """

    #: Default: ``AUTH0["AUDIENCE"]``.
    audience: str | None = None
    #: The name, or names, of the configurations whose tokens count; default: the one that the request would log in with.
    configuration: str | Sequence[str] = ()

    def authenticate(self, request: Request) -> tuple[Any, Mapping[str, Any]] | None:
        """Return user and claims, or None if no access token came. Raises AuthenticationFailed or another APIException."""
        http_request: Any = request._request
        _guard_answer(request)
        if http_request.headers.get("Authorization", "").partition(" ")[0].lower() not in ("bearer", "dpop"):
            return None
        refusal = self._check(http_request)
        if refusal is not None:
            raise _exception_for(http_request, refusal)
        claims: Mapping[str, Any] = http_request.access_token_claims
        user = self.get_user(claims)
        if isinstance(user, get_user_model()) and not may_log_in(http_request, user, claims):
            raise AuthenticationFailed("This user may not log in here.", code="user_not_allowed")
        return user, claims

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return str(getattr(request._request, _CHALLENGE, 'Bearer realm="api"'))

    def get_user(self, claims: Mapping[str, Any]) -> Any:
        """Return the user that this subject logs in as here, else an AccessTokenUser; to override. One query.

        A Django user then needs the consent of the project's ``Auth0Backend``, as at a login: of its ``is_allowed``, which
        gets the access token's claims, and of its ``user_can_authenticate``.
        """
        identity = find_identity(claims)
        return AccessTokenUser(claims) if identity is None else identity.user

    def _check(self, request: HttpRequest) -> HttpResponse | None:
        return check_bearer_token(request, audience=self.audience, configurations=as_configurations(self.configuration))


class _HasNames(OperationHolderMixin, BasePermission):
    """An instance can be used in ``permission_classes`` like a class, and combines with ``&``, ``|`` and ``~``.

    ``configuration``: the name, or names, of the configurations whose logins and tokens count; by default, for logins the
    one that the request would log in with, for tokens those that the authentication class takes.

    Unless it is combined, its 403 for an access token has the challenge of RFC 6750 §3.1.
    """

    word = ""

    def __init__(self, *names: str | Collection[str], configuration: str | Sequence[str] = ()) -> None:
        self.names = frozenset[str]().union(*map(as_names, names))
        self.configurations = as_configurations(configuration)
        self.message = f"The access token lacks a {self.word}."

    def __call__(self) -> _HasNames:
        return self

    def granted(self, claims: Mapping[str, Any]) -> frozenset[str]:
        """Return what an access token's claims grant."""
        raise NotImplementedError

    def granted_to(self, login: Auth0Session) -> frozenset[str]:
        """Return what a browser's login grants."""
        raise NotImplementedError

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Tell whether the access token, or that of the browser's login (SessionAuthentication), has all the names."""
        claims: Any = request.auth
        if isinstance(request.successful_authenticator, SessionAuthentication):
            return self._browser_may(request)
        if not isinstance(request.successful_authenticator, Auth0BearerAuthentication):
            return False
        name = getattr(request._request, TOKEN_CONFIGURATION, None)
        if self.configurations and name not in self.configurations:
            return False
        if self.names <= self.granted(claims):
            return True
        named: Sequence[object] = view.permission_classes
        if any(found is self for found in named):
            raise self._refusal()
        return False

    def has_object_permission(self, request: Request, view: APIView, obj: Any) -> bool:
        """As ``has_permission``: a token says nothing about single objects."""
        return self.has_permission(request, view)

    def _browser_may(self, request: Request) -> bool:
        """Judge the browser's login, which is ``request.auth0`` in the view then."""
        found = getattr(request._request, "auth0", None)
        if not isinstance(found, Auth0Session):
            return False
        login = found.for_configuration(*self.configurations)
        if not login.is_logged_in:
            if not request._request.user.is_authenticated:
                request.user = request._request.user  # the login was found to be over
            return False
        if not self.names <= self.granted_to(login):
            return False
        request._request.auth0 = login  # type: ignore[attr-defined]  # the middleware's
        return True

    def _refusal(self) -> PermissionDenied:
        error = PermissionDenied(self.message, code="insufficient_scope")
        wanted = " ".join(sorted(self.names))
        challenge = (
            f'Bearer realm="api", error="insufficient_scope", error_description="{self.message}", scope="{wanted}"'
        )
        error.auth_header = challenge  # type: ignore[attr-defined]  # where DRF's exception handler looks
        return error


class HasScopes(_HasNames):
    """``permission_classes = [HasScopes("read:things")]``: the access token has all of these scopes."""

    word = "scope"

    def granted(self, claims: Mapping[str, Any]) -> frozenset[str]:
        """Return the scopes."""
        return scopes_of(claims)

    def granted_to(self, login: Auth0Session) -> frozenset[str]:
        """Return the scopes of the login's access token."""
        return login.scopes


class HasPermissions(_HasNames):
    """``permission_classes = [HasPermissions("write:things")]``: the token's ``permissions`` claim has all of these."""

    word = "permission"

    def granted(self, claims: Mapping[str, Any]) -> frozenset[str]:
        """Return the permissions."""
        return permissions_of(claims)

    def granted_to(self, login: Auth0Session) -> frozenset[str]:
        """Return the permissions in the login's access token."""
        return login.permissions


def _guard_answer(request: Request) -> None:
    """Make the answer to this request say that it depends on the token, also when the request fails.

    An authentication class never sees the answer. So ``finalize_response`` is wrapped, on the view object, which serves
    this request only. Answers to anonymous visitors may be cached, apart from the others.
    """
    view: Any = (request.parser_context or {}).get("view")
    if view is None:
        return
    finalize = view.finalize_response

    def finalize_response(*args: Any, **kwargs: Any) -> HttpResponse:
        answer: HttpResponse = finalize(*args, **kwargs)
        is_public = request.successful_authenticator is None and "Authorization" not in request._request.headers
        if answer.status_code in (401, 403) or (answer.status_code >= 400 and not is_public):
            forbid_storing(answer)
        elif is_public:
            patch_vary_headers(answer, TOKEN_HEADERS)
            return answer
        return keep_private(answer, *TOKEN_HEADERS)

    view.finalize_response = finalize_response


def _exception_for(request: HttpRequest, refusal: HttpResponse) -> APIException:
    """Return the exception that DRF answers as ``refusal`` does."""
    body = json.loads(refusal.content)
    error, description = str(body["error"]), str(body.get("error_description", ""))
    if refusal.status_code == 401:
        setattr(request, _CHALLENGE, refusal["WWW-Authenticate"])
        return AuthenticationFailed(description, code=error)
    exception: Any = APIException(description or "The access token can't be checked at the moment.", code=error)
    exception.status_code = refusal.status_code
    exception.auth_header = refusal.get("WWW-Authenticate")
    exception.wait = int(refusal["Retry-After"]) if "Retry-After" in refusal else None
    failure: APIException = exception
    return failure
