"""For Django REST framework (extra ``drf``): access tokens as authentication, their scopes and permissions as permissions.

To be imported where djangorestframework is installed; nothing else in this package does.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed, PermissionDenied
from rest_framework.permissions import BasePermission, OperationHolderMixin
from rest_framework.request import Request
from rest_framework.views import APIView

from .bearer import check_bearer_token, granted_permissions, granted_scopes
from .models import Identity
from .requirements import as_configurations, as_names
from .session import Auth0Session

_CHALLENGE = "_auth0_challenge"


class AccessTokenUser:
    """``request.user`` for an access token whose subject has never logged in here: a machine, or somebody else's user.

    Authenticated, without any of Django's permissions; ``pk`` is the subject, so that throttling tells callers apart.
    """

    is_active = is_authenticated = True
    is_anonymous = is_staff = is_superuser = False

    def __init__(self, claims: Mapping[str, Any]) -> None:
        self.claims = claims
        self.subject = self.pk = self.id = self.username = str(claims["sub"])

    def __str__(self) -> str:
        return self.subject

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AccessTokenUser) and self._who == other._who

    def __hash__(self) -> int:
        return hash(self._who)

    @property
    def _who(self) -> tuple[object, str]:
        return self.claims["iss"], self.subject

    def get_username(self) -> str:
        """Return the subject."""
        return self.subject

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """No: ``HasScopes`` and ``HasPermissions`` judge the token."""
        return False

    def has_perms(self, perm_list: Collection[str], obj: Any = None) -> bool:
        """No, unless nothing is asked for."""
        return not perm_list

    def has_module_perms(self, app_label: str) -> bool:
        """No."""
        return False


class Auth0BearerAuthentication(BaseAuthentication):
    """Takes the access token in the Authorization header: ``request.user`` and, in ``request.auth``, its claims.

    What is checked is what ``bearer_token_required`` checks. A request without one goes on to the next authentication
    class; name this class first, or DRF answers 403 where it should challenge with 401.
    """

    #: Default: ``AUTH0["AUDIENCE"]``.
    audience: str | None = None
    configuration = "default"

    def authenticate(self, request: Request) -> tuple[Any, Mapping[str, Any]] | None:
        """Return user and claims, or None if no access token came. Raises AuthenticationFailed or another APIException."""
        http_request: Any = request._request
        if http_request.headers.get("Authorization", "").partition(" ")[0].lower() not in ("bearer", "dpop"):
            return None
        refusal = self._check(http_request)
        if refusal is not None:
            raise _exception_for(http_request, refusal)
        claims: Mapping[str, Any] = http_request.access_token_claims
        return self.get_user(claims), claims

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return str(getattr(request._request, _CHALLENGE, 'Bearer realm="api"'))

    def get_user(self, claims: Mapping[str, Any]) -> Any:
        """Return the user that this subject logs in as here, else an AccessTokenUser; to override. One query."""
        key = Identity.key_for(str(claims["iss"]), str(claims["sub"]))
        identity = Identity.objects.select_related("user").filter(key=key).first()
        if identity is None:
            return AccessTokenUser(claims)
        user: Any = identity.user
        if not getattr(user, "is_active", True):
            raise AuthenticationFailed("The user is not active.", code="user_inactive")
        return user

    def _check(self, request: HttpRequest) -> HttpResponse | None:
        return check_bearer_token(
            request, audience=self.audience, scopes=(), permissions=(), configuration=self.configuration
        )


class _HasNames(OperationHolderMixin, BasePermission):
    """An instance stands in ``permission_classes`` as a class would, and combines with ``&``, ``|`` and ``~``.

    ``configuration``: the name, or names, of the configurations whose logins and tokens count; by default the one that the
    request would log in with.

    Where it stands there by itself, its 403 for an access token has the challenge of RFC 6750 §3.1.
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
        if self.names <= self.granted(claims):
            return True
        named: Sequence[object] = view.permission_classes
        if any(found is self for found in named):
            raise self._refusal()
        return False

    def has_object_permission(self, request: Request, view: APIView, obj: Any) -> bool:
        """As ``has_permission``: a token does not know of objects."""
        return self.has_permission(request, view)

    def _browser_may(self, request: Request) -> bool:
        """Judge the browser's login, which is ``request.auth0`` in the view then."""
        found = getattr(request._request, "auth0", None)
        if not isinstance(found, Auth0Session):
            return False
        login = found.for_configuration(*self.configurations)
        if not (login.is_logged_in and self.names <= self.granted_to(login)):
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
        return granted_scopes(dict(claims))

    def granted_to(self, login: Auth0Session) -> frozenset[str]:
        """Return the scopes of the login's access token."""
        return login.scopes


class HasPermissions(_HasNames):
    """``permission_classes = [HasPermissions("write:things")]``: the token's ``permissions`` claim has all of these."""

    word = "permission"

    def granted(self, claims: Mapping[str, Any]) -> frozenset[str]:
        """Return the permissions."""
        return granted_permissions(dict(claims))

    def granted_to(self, login: Auth0Session) -> frozenset[str]:
        """Return the permissions in the login's access token."""
        return login.permissions


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
