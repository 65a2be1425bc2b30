"""``Auth0Backend``: verified claims in, user or None out. ``Auth0PasswordBackend``: username and password in."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import Group
from django.db import IntegrityError, OperationalError, connections, router, transaction
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from .admission import FreshLogin, attach_login, check_organization_allowed, direct_logins, with_userinfo
from .conf import DEFAULT, get_settings, unlinked_issuers
from .direct_errors import note_setup_mistake, password_code
from .mapping import ClaimsMapper, remember_identity
from .models import Identity
from .protocol.errors import Auth0Error, MfaRequired, TransportError
from .signals import login_failed, send
from .storage.session_facts import noted

logger = logging.getLogger("django_auth0_flow.backends")

#: A longer password is nobody's: it is refused here.
MAX_PASSWORD = 1024


class Auth0Backend(ModelBackend):
    """Finds or makes the user of an identity and brings it up to date on every login.

    Permissions, and users loaded for a session, work as in ``ModelBackend``. Override ``is_allowed``, ``get_user_for``,
    ``create_user`` or ``update_user``; ``claims`` are always those of a validated ID token (with userinfo merged in where
    ``USERINFO`` asks for it): ``{"iss": …, "sub": …, "email": …, …}``.
    """

    mapper_class = ClaimsMapper

    def authenticate(  # type: ignore[override]  # Django hands each backend only the credentials that it names
        self,
        request: HttpRequest | None,
        *,
        id_token_claims: Mapping[str, Any],
        configuration: str = DEFAULT,
    ) -> Any:
        """Return the active user of these claims, or None if there is to be none."""
        mapper = self.mapper_class(get_settings(configuration), get_user_model())
        if not self.is_allowed(request, id_token_claims):
            logger.info("login_refused reason=is_allowed")
            return None
        identity = self._identity(id_token_claims) or self._first_login(mapper, id_token_claims)
        if identity is None:
            return None
        user: Any = identity.user
        if not self.user_can_authenticate(user):
            logger.info("login_refused reason=inactive user=%s", user.pk)
            return None
        self.update_user(user, id_token_claims, mapper)
        self.update_groups(identity, id_token_claims, mapper)
        remember_identity(user, identity)
        return user

    # -- steps to override -------------------------------------------------------------------------------------------

    def is_allowed(self, request: HttpRequest | None, claims: Mapping[str, Any]) -> bool:
        """Tell whether this person may log in at all. Default: yes."""
        return True

    def get_user_for(self, claims: Mapping[str, Any], mapper: ClaimsMapper) -> Any:
        """Return an existing user for an identity seen for the first time, or None to create one.

        Default: with ``LINK_BY_VERIFIED_EMAIL``, the only user whose e-mail equals the verified one to the letter, unless
        somebody logs in as that user from a tenant whose word for an address is not taken.
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

        The username comes from the subject, unless ``USER_FIELDS`` fills it. Raises IntegrityError when the user model
        refuses the values.
        """
        model = mapper.user_model
        values = mapper.field_values(claims)
        names: list[Any] = [*mapper.usernames(claims)]
        if mapper.names_user_by_email():
            names = [values.get(model.USERNAME_FIELD)]
            if not names[0]:
                raise IntegrityError("the user model's username comes from a claim that is missing")

        def insert(name: Any) -> Any:
            user = model(**{**values, model.USERNAME_FIELD: name})
            user.set_unusable_password()
            user.save(force_insert=True)
            return user

        # Insert and see: looking first would make two logins at once block each other on SQLite.
        for name in names[:-1]:
            with suppress(IntegrityError), transaction.atomic(using=router.db_for_write(model)):
                return insert(name)
        return insert(names[-1])

    def update_user(self, user: AbstractBaseUser, claims: Mapping[str, Any], mapper: ClaimsMapper) -> None:
        """Bring mapped fields and managed flags up to date; one UPDATE, and only if something changed."""
        values = {**mapper.field_values(claims), **mapper.flags(claims)}
        if mapper.names_user_by_email():
            values.pop(mapper.user_model.USERNAME_FIELD, None)
        changed = [name for name, value in values.items() if getattr(user, name) != value]
        for name in changed:
            setattr(user, name, values[name])
        if changed:
            try:
                with transaction.atomic(using=router.db_for_write(type(user))):
                    user.save(update_fields=changed)
            except IntegrityError:
                logger.warning("user_not_updated user=%s fields=%s", user.pk, ",".join(changed))
                user.refresh_from_db(fields=changed)

    def update_groups(self, identity: Identity, claims: Mapping[str, Any], mapper: ClaimsMapper) -> None:
        """Make the user's groups follow the claim: only groups that exist, and only those the claim ever gave."""
        if not mapper.conf.groups_claim or not hasattr(identity.user, "groups"):
            return
        groups = identity.user.groups
        claimed = mapper.group_names(claims)
        managed = set(identity.managed_groups) if isinstance(identity.managed_groups, list) else set()
        current = set(groups.values_list("name", flat=True))
        new = claimed - current
        # The database may compare without case: look again.
        found = [group for group in Group.objects.filter(name__in=new) if group.name in new] if new else []
        if found:
            groups.add(*found)
        if gone := (managed - claimed) & current:
            groups.remove(*Group.objects.filter(name__in=gone))
        given = sorted((managed & claimed & current) | {group.name for group in found})
        if given != identity.managed_groups:
            identity.managed_groups = given
            identity.save(update_fields=["managed_groups"])

    # -- identities --------------------------------------------------------------------------------------------------

    def _identity(self, claims: Mapping[str, Any]) -> Identity | None:
        key = Identity.key_for(claims["iss"], claims["sub"])
        return next(iter(Identity.objects.select_related("user").filter(key=key)), None)  # unique: nothing to order by

    def _first_login(self, mapper: ClaimsMapper, claims: Mapping[str, Any]) -> Identity | None:
        """Make the identity, and the user if need be; of two logins at once, one makes it and both get it."""
        alias = router.db_for_write(Identity)
        for attempt in range(3):
            user: Any = self.get_user_for(claims, mapper)
            if user is None and not mapper.conf.create_users:
                logger.info("login_refused reason=unknown_user")
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
            except IntegrityError:
                pass  # the other login was first, or took the username
            except OperationalError:
                # SQLite and MySQL turn one of two writers away at once. Inside a caller's transaction it stays so.
                if attempt == 2 or connections[alias].in_atomic_block:
                    raise
            if identity := self._identity(claims):
                return identity
        logger.error(
            "login_refused reason=user_not_created: the user model refuses the mapped fields. One that must be filled has "
            "no claim, or one that must be unique has another user's value (LINK_BY_VERIFIED_EMAIL joins them)"
        )
        return None


class Auth0PasswordBackend(ModelBackend):
    """Username and password, through Auth0's password grant: for Django's ``LoginView``, the admin, ``authenticate()``.

    Stands beside ``Auth0Backend`` (or your subclass of it), which decides who may come in, here as for any other login; and
    ``AUTH0["PASSWORD_REALM"]`` switches it on. The tokens travel with the user: ``login()`` stores them.
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

        With a request the reason is left in ``refusal_of(request)``. Raises MfaRequired, which ``Auth0Middleware`` answers
        with the second factor's page (without a request: None, since nobody could go on), and TransportError.
        """
        conf = get_settings(configuration)
        if not conf.password_realm or not username or not password or len(password) > MAX_PASSWORD:
            return None
        session = getattr(request, "session", None)
        realm = conf.password_realm if isinstance(conf.password_realm, str) else ""
        try:
            logins = direct_logins(configuration, request if session is not None else None)
            granted = logins.log_in_with_password(username, password, realm=realm)
            check_organization_allowed(conf, granted.claims, was_asked_for=False)
        except MfaRequired as error:
            if session is None:
                logger.info("login_refused reason=mfa_required")
                return None
            error.configuration = configuration
            raise
        except TransportError:
            raise
        except Auth0Error as error:
            self._note_refusal(request, error)
            return None
        claims = with_userinfo(conf, granted.tokens, granted.claims)
        user = authenticate(request, id_token_claims=claims, configuration=configuration)
        if user is None:
            self._note_refusal(request, Auth0Error(code="user_not_allowed"))
            return None
        before = noted(request) if request is not None and session is not None else None
        attach_login(user, FreshLogin(granted.tokens, claims, configuration, before=before))
        return user

    def _note_refusal(self, request: HttpRequest | None, error: Auth0Error) -> None:
        note_setup_mistake(error)
        code = password_code(error)
        logger.info("password_refused code=%s", code)
        if request is not None:
            request._auth0_refusal = code  # type: ignore[attr-defined]  # a note for this request's form
            send(login_failed, type(self), request=request, error=error)


def refusal_of(request: HttpRequest | None) -> str:
    """Return the code of what ``Auth0PasswordBackend`` refused in this request, "" for nothing."""
    return str(getattr(request, "_auth0_refusal", ""))
