"""From claims to a Django user: what goes into its fields, its name and its groups. No claim's type is trusted."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import models, router

from django_auth0_flow.conf import Auth0Settings, unlinked_issuers
from django_auth0_flow.models import Identity
from django_auth0_flow.storage.prepared_queries import PreparedQuery

logger = logging.getLogger(__name__)

#: The fields of a user that are rights: ``flags`` decides about them, never ``field_values``.
FLAGS = ("is_staff", "is_superuser")

_identities = PreparedQuery(
    Identity, lambda alias: Identity.objects.using(alias).select_related("user").filter(key=""), related="user"
)


class ClaimsMapper:
    """Reads one login's claims for one user model. Subclass it, or override steps of ``Auth0Backend``."""

    def __init__(self, conf: Auth0Settings, user_model: Any) -> None:
        self.conf = conf
        self.user_model = user_model

    def field_values(self, claims: Mapping[str, Any]) -> dict[str, Any]:
        """Return the user fields that ``USER_FIELDS`` fills from ``claims``, rights apart.

        A missing claim leaves its field alone, and so does one that the field can't hold; the log names that field.
        """
        values = {}
        for name, claim in self.conf.user_fields.items():
            field = self._field(name)
            if field is None or name in FLAGS or claims.get(claim) is None:
                continue
            try:
                values[field.attname] = clean_value(field, claims[claim])
            except (ValidationError, ValueError, TypeError, OverflowError):
                logger.warning("user_not_updated fields=%s reason=unreadable_claim", name)
        email = self._email_field()
        if email in values and self.verified_email(claims) != values[email] and unlinked_issuers() is not None:
            # Where verified addresses link users, an unverified one is not stored: its owner would be linked to this user.
            # All configurations share the users.
            del values[email]
        return values

    def required_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return those of ``values`` that the user model requires."""
        fields = {name: self.user_model._meta.get_field(name) for name in values}
        return {
            name: value
            for name, value in values.items()
            if not (fields[name].null or fields[name].blank or fields[name].has_default())
        }

    def usernames(self, claims: Mapping[str, Any]) -> Iterator[str]:
        """Yield names for a new user: from the subject, which is unique and stays; the second one is always free."""
        key = Identity.key_for(claims["iss"], claims["sub"])
        length = getattr(self._field(self._username_field()), "max_length", None) or 150
        base = re.sub(r"[^A-Za-z0-9@.+_-]+", ".", claims["sub"]).strip(".") or "user"
        yield base[:length]
        yield f"{base[: max(1, length - 17)]}.{key[:16]}"[:length]

    def names_user_by_email(self) -> bool:
        """Tell whether the user model's username is filled from a claim, as with e-mail addresses as usernames."""
        return self._username_field() in self.conf.user_fields

    def claimed_values(self, claims: Mapping[str, Any]) -> set[str]:
        """Return the values of ``GROUPS_CLAIM``; none where the claim is missing or of another type.

        The claim is a list of texts or one text, which is one value, or several with ``GROUPS_SEPARATOR`` between them.
        """
        found = claims.get(self.conf.groups_claim) if self.conf.groups_claim else None
        if isinstance(found, str):
            separator = self.conf.groups_separator
            found = [part.strip() for part in found.split(separator)] if separator else [found]
        return {value for value in found if isinstance(value, str) and value} if isinstance(found, list) else set()

    def group_names(self, claims: Mapping[str, Any]) -> set[str]:
        """Return the names of the Django groups that the claim gives: by ``GROUPS``, or by their own name."""
        values = self.claimed_values(claims)
        if self.conf.groups:
            return {self.conf.groups[value] for value in values if value in self.conf.groups}
        return values

    def flags(self, claims: Mapping[str, Any]) -> dict[str, bool]:
        """Return ``is_staff`` and ``is_superuser`` where the configuration manages them.

        False unless the claim says otherwise: one of the flag's groups, or the boolean ``true`` where ``USER_FIELDS``
        fills the flag.
        """
        values = self.claimed_values(claims)
        wanted = {name: claims.get(claim) is True for name, claim in self.conf.user_fields.items() if name in FLAGS}
        for name, groups in zip(FLAGS, (self.conf.staff_groups, self.conf.superuser_groups), strict=True):
            if groups:
                wanted[name] = bool(values.intersection(groups))
        return {name: value for name, value in wanted.items() if self._field(name) is not None}

    def verified_email(self, claims: Mapping[str, Any]) -> str | None:
        """Return the e-mail address if the tenant vouches for it with the boolean ``true`` and it is plain."""
        email = claims.get("email")
        if claims.get("email_verified") is not True or not isinstance(email, str):
            return None
        plain = email.count("@") == 1 and email.isprintable() and unicodedata.normalize("NFKC", email) == email
        return email if plain and " " not in email else None

    def _email_field(self) -> str:
        return str(self.user_model.get_email_field_name())

    def _username_field(self) -> str:
        return str(self.user_model.USERNAME_FIELD)

    def _field(self, name: str) -> models.Field[Any, Any] | None:
        try:
            field = self.user_model._meta.get_field(name)
        except FieldDoesNotExist:
            return None
        return field if isinstance(field, models.Field) and not field.many_to_many else None


def find_identity(claims: Mapping[str, Any]) -> Identity | None:
    """Return the identity of these claims with its user, None if there is none yet. One query."""
    found = _identities.rows(router.db_for_write(Identity), Identity.key_for(claims["iss"], claims["sub"]))
    return found[0] if found else None


def remember_identity(user: AbstractBaseUser, identity: Identity) -> None:
    """Note on ``user`` which identity it was found by, for ``identity_of``."""
    user._auth0_identity = identity  # type: ignore[attr-defined]  # a note for the rest of this request


def identity_of(user: AbstractBaseUser, claims: Mapping[str, Any]) -> Identity:
    """Return the identity that ``user`` just logged in with; a query only for backends that did not note it."""
    identity = getattr(user, "_auth0_identity", None)
    if isinstance(identity, Identity):
        return identity
    return Identity.objects.get(key=Identity.key_for(claims["iss"], claims["sub"]))


def clean_value(field: models.Field[Any, Any], value: object) -> Any:
    """Return ``value`` as ``field`` can store it, or raise ValueError/ValidationError.

    Text loses control characters and lone surrogates and is cut to the column; an e-mail address that would have to be
    cut is refused: cut, it would be another address.
    """
    if not isinstance(field, (models.CharField, models.TextField)):
        found = field.to_python(value)
        field.run_validators(found)  # a number beyond the column, say
        if isinstance(field, models.ForeignKey):
            field.validate(found, None)  # databases may notice a missing row too late, at the commit
        return found
    if not isinstance(value, str):
        raise ValueError("not text")
    text = "".join(char for char in value if unicodedata.category(char) not in ("Cc", "Cs"))
    if field.max_length is not None and len(text) > field.max_length:
        if isinstance(field, models.EmailField):
            raise ValueError("too long")
        text = text[: field.max_length]
    return text
