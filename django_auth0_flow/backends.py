"""``Auth0Backend`` finds the user of verified claims; ``Auth0PasswordBackend`` checks a password at Auth0."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from django.contrib.auth import authenticate, get_backends, get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import DatabaseError, DataError, IntegrityError, OperationalError, connections, router, transaction
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from django_auth0_flow.conf import DEFAULT, get_settings, unlinked_issuers
from django_auth0_flow.login.admission import (
    Login,
    attach_login,
    check_ceiling,
    check_organization_allowed,
    with_userinfo,
)
from django_auth0_flow.models import Identity
from django_auth0_flow.protocol.errors import Auth0Error, MfaRequired, TransportError
from django_auth0_flow.signals import login_failed, send
from django_auth0_flow.storage.django_session_facts import noted
from django_auth0_flow.users.mapping import ClaimsMapper, find_identity, remember_identity
from django_auth0_flow.users.writing import save_fields, save_flags, save_groups

logger = logging.getLogger(__name__)

#: Characters. A longer password is refused without asking the tenant.
MAX_PASSWORD = 1024


class Auth0Backend(ModelBackend):
    """Finds or creates the user of an identity, and updates it at every login.

    Permissions, and users loaded for a session, work as in ``ModelBackend``. Override ``is_allowed``, ``get_user_for``,
    ``create_user``, ``update_flags``, ``update_groups`` or ``update_user``; ``claims`` are those of a validated ID token
    (with userinfo merged in where ``USERINFO`` asks for it): ``{"iss": …, "sub": …, "email": …, …}``.

    Rights are written first and apart from the profile: if that fails, the login fails. Where a configuration manages
    ``is_staff`` or ``is_superuser``, its logins overwrite the flag, however it was set: a user who was linked by e-mail,
    or got the flag from another tenant, loses it when the claim does not give it. Groups belong to the identity: it takes
    back only groups that it gave.
    """

    mapper_class = ClaimsMapper

    def authenticate(  # type: ignore[override]  # Django hands each backend only the credentials that it names
        self,
        request: HttpRequest | None,
        *,
        id_token_claims: Mapping[str, Any],
        configuration: str = DEFAULT,
    ) -> Any:
        """Return the active user of these claims, or None if this person may not log in.

        Raises OperationalError when the database is out of reach.
        """
        mapper = self.mapper_class(get_settings(configuration), get_user_model())
        if not self.is_allowed(request, id_token_claims):
            logger.warning("login_refused reason=is_allowed")
            return None
        identity = find_identity(id_token_claims) or self._first_login(mapper, id_token_claims)
        if identity is None:
            return None
        user: Any = identity.user
        if not self.user_can_authenticate(user):
            logger.warning("login_refused reason=inactive user=%s", user.pk)
            return None
        if not self._update_rights(identity, id_token_claims, mapper):
            return None
        self.update_user(user, id_token_claims, mapper)
        remember_identity(user, identity)
        return user

    # -- methods to override -----------------------------------------------------------------------------------------

    def is_allowed(self, request: HttpRequest | None, claims: Mapping[str, Any]) -> bool:
        """Tell whether this person may log in at all. Default: yes.

        ``Auth0BearerAuthentication`` (Django REST framework) asks too, before it authenticates a user by an access token.
        The claims are then the access token's, which has no e-mail address unless an Action adds one.
        """
        return True

    def get_user_for(self, claims: Mapping[str, Any], mapper: ClaimsMapper) -> Any:
        """Return an existing user for an identity seen for the first time, or None to create one.

        Default: with ``LINK_BY_VERIFIED_EMAIL``, the only user with exactly the verified address. None if that user has an
        identity at a tenant that this setting does not cover.
        """
        email = mapper.verified_email(claims) if mapper.conf.link_by_verified_email else None
        if email is None:
            return None
        model = mapper.user_model
        name = model.get_email_field_name()
        # The database may compare without case or accents: look again.
        users = [user for user in model._default_manager.filter(**{name: email})[:50] if getattr(user, name) == email]
        if len(users) != 1:
            return None
        strangers = Identity.objects.filter(user=users[0], issuer__in=unlinked_issuers() or ())
        return None if strangers.exists() else users[0]

    def create_user(self, claims: Mapping[str, Any], mapper: ClaimsMapper) -> Any:
        """Create and return a user without a usable password.

        The username comes from the subject, unless ``USER_FIELDS`` fills it. If the database refuses the mapped fields (for
        example another user's value in a unique field), the optional ones are left to ``update_user``. Raises
        IntegrityError, DataError or ValidationError if it refuses the user even so.
        """
        model = mapper.user_model
        values = mapper.field_values(claims)
        names: list[Any] = [*mapper.usernames(claims)]
        if mapper.names_user_by_email():
            names = [values.get(model.USERNAME_FIELD)]
            if not names[0]:
                raise IntegrityError("the user model's username comes from a claim that is missing")

        attempts = [(name, values) for name in names]
        if (required := mapper.required_values(values)) != values:
            attempts.append((names[-1], required))

        def insert(name: Any, fields: Mapping[str, Any]) -> Any:
            user = model(**{**fields, model.USERNAME_FIELD: name})
            user.set_unusable_password()
            user.save(force_insert=True)
            return user

        # Insert without looking first: on SQLite, two logins that look first would block each other.
        for attempt in attempts[:-1]:
            with (
                suppress(IntegrityError, DataError, ValidationError),
                transaction.atomic(using=router.db_for_write(model)),
            ):
                return insert(*attempt)
        return insert(*attempts[-1])

    def update_flags(self, user: AbstractBaseUser, claims: Mapping[str, Any], mapper: ClaimsMapper) -> None:
        """Set ``is_staff`` and ``is_superuser`` as the claims say, where the configuration manages them.

        Removals are saved first and separately. Raises DatabaseError or ValidationError: the login then fails.
        """
        save_flags(user, mapper.flags(claims))

    def update_groups(self, identity: Identity, claims: Mapping[str, Any], mapper: ClaimsMapper) -> None:
        """Make the user's groups follow the claim: add groups that exist, remove groups that this identity once gave.

        Removals are saved first and separately. Raises DatabaseError or ValidationError: the login then fails.
        """
        if mapper.conf.groups_claim and hasattr(identity.user, "groups"):
            save_groups(identity, mapper.group_names(claims))

    def update_user(self, user: AbstractBaseUser, claims: Mapping[str, Any], mapper: ClaimsMapper) -> None:
        """Update the mapped profile fields: one UPDATE, and only if something changed.

        Fields that the database refuses keep their value, and the log names them. Flags and groups are not touched.
        """
        rights = mapper.flags(claims)
        values = {name: value for name, value in mapper.field_values(claims).items() if name not in rights}
        if mapper.names_user_by_email():
            values.pop(mapper.user_model.USERNAME_FIELD, None)
        changed = {name: value for name, value in values.items() if getattr(user, name) != value}
        if not changed or save_fields(user, changed):
            return
        if refused := [name for name, value in changed.items() if not save_fields(user, {name: value})]:
            logger.warning("user_not_updated user=%s fields=%s", user.pk, ",".join(refused))

    def _update_rights(self, identity: Identity, claims: Mapping[str, Any], mapper: ClaimsMapper) -> bool:
        """Write flags and groups, each even if the other fails; False if one fails. Raises OperationalError."""
        written = True
        updates: Any = ((self.update_flags, identity.user), (self.update_groups, identity))
        for update, whose in updates:
            try:
                update(whose, claims, mapper)
            except OperationalError:
                raise
            except (DatabaseError, ValidationError) as error:
                reason = type(error).__name__
                logger.error("login_refused reason=rights_not_written user=%s error=%s", identity.user.pk, reason)
                written = False
        return written

    # -- identities --------------------------------------------------------------------------------------------------

    def _first_login(self, mapper: ClaimsMapper, claims: Mapping[str, Any]) -> Identity | None:
        """Create the identity, and the user if needed. Two logins at the same time get the same identity."""
        alias = router.db_for_write(Identity)
        for attempt in range(3):
            user: Any = self.get_user_for(claims, mapper)
            if user is None and not mapper.conf.create_users:
                logger.warning("login_refused reason=unknown_user")
                return None
            try:
                with transaction.atomic(using=alias):
                    if user is None:
                        user = self.create_user(claims, mapper)
                    return Identity.objects.create(
                        key=Identity.key_for(claims["iss"], claims["sub"]),
                        issuer=claims["iss"],
                        subject=claims["sub"],
                        user=user,
                    )
            except (IntegrityError, DataError, ValidationError):
                pass  # the other login was first, or took the username, or the model refuses the values
            except OperationalError:
                # SQLite and MySQL may refuse one of two writers. Inside a caller's transaction a second try would fail too.
                if attempt == 2 or connections[alias].in_atomic_block:
                    raise
            if identity := find_identity(claims):
                return identity
        logger.error(
            "login_refused reason=user_not_created: the user model refuses the mapped fields. A required field has no "
            "claim, or a unique field has another user's value (LINK_BY_VERIFIED_EMAIL links the two)"
        )
        return None


def may_log_in(request: HttpRequest, user: Any, claims: Mapping[str, Any]) -> bool:
    """Tell whether an ``Auth0Backend`` of the project lets ``user`` log in with these claims; one of several is enough."""
    found = [backend for backend in get_backends() if isinstance(backend, Auth0Backend)]
    try:
        return any(
            backend.is_allowed(request, claims) and backend.user_can_authenticate(user)
            for backend in found or [Auth0Backend()]
        )
    except PermissionDenied:
        return False  # as authenticate() takes it: no other backend is asked


class Auth0PasswordBackend(ModelBackend):
    """Username and password, through Auth0's password grant: for Django's ``LoginView``, the admin, ``authenticate()``.

    List it beside ``Auth0Backend`` (or your subclass of it), which decides who may log in. ``AUTH0["PASSWORD_REALM"]``
    switches it on. The returned user carries the tokens, and ``login()`` stores them.
    """

    @sensitive_variables()
    def authenticate(  # type: ignore[override]  # Django hands each backend only the credentials that it names
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        *,
        configuration: str = DEFAULT,
    ) -> Any:
        """Return the user, or None: wrong password, refused by the tenant, by ``Auth0Backend``, or not switched on.

        With a request, ``refusal_of(request)`` then tells the reason. Raises MfaRequired, which ``Auth0Middleware`` answers
        with the second factor's page (without a request: None, since no one could go on), and TransportError.
        """
        conf = get_settings(configuration)
        if not conf.password_realm or not username or not password or len(password) > MAX_PASSWORD:
            return None
        # Here and below, since every request of a user loads this module, and few sites have this backend.
        from django_auth0_flow.embedded.visitor_logins import embedded_logins

        session = getattr(request, "session", None)
        try:
            logins = embedded_logins(configuration, request if session is not None else None)
            granted = logins.log_in_with_password(username, password, realm=conf.database_connection)
            check_organization_allowed(conf, granted.claims, was_asked_for=False)
            check_ceiling(conf, granted.claims)
        except MfaRequired as error:
            if session is None:
                logger.warning("login_refused reason=mfa_required")
                return None
            error.configuration = configuration
            raise
        except TransportError:
            raise
        except Auth0Error as error:
            self._note_refusal(request, error, configuration)
            return None
        claims = with_userinfo(conf, granted.tokens, granted.claims)
        user = authenticate(request, id_token_claims=claims, configuration=configuration)
        if user is None:
            self._note_refusal(request, Auth0Error(code="user_not_allowed"), configuration)
            return None
        before = noted(request) if request is not None and session is not None else {}
        attach_login(user, Login(configuration, granted.tokens, claims, by_hand=True, before=before))
        return user

    def _note_refusal(self, request: HttpRequest | None, error: Auth0Error, configuration: str) -> None:
        from django_auth0_flow.doctor.setup_mistakes import note_setup_mistake
        from django_auth0_flow.embedded.error_codes import password_code

        note_setup_mistake(error)
        code = password_code(error)
        logger.warning("password_refused code=%s", code)
        if request is not None:
            request._auth0_refusal = code  # type: ignore[attr-defined]  # a note for this request's form
            send(login_failed, type(self), request=request, error=error, code=code, configuration=configuration)


def refusal_of(request: HttpRequest | None) -> str:
    """Return the error code by which ``Auth0PasswordBackend`` refused a login in this request, "" if it did not."""
    return str(getattr(request, "_auth0_refusal", ""))
