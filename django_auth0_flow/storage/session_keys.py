"""How a login session keeps the key of its Django session: sealed, to end the session by, and as a digest to compare.

Someone who reads the table, or a copy of it, can log in with neither.
"""

from __future__ import annotations

import hashlib
import logging
import uuid

from django.core.exceptions import ImproperlyConfigured

from django_auth0_flow.storage.sealing import UnsealError, django_secrets, seal, secrets_of, unseal

logger = logging.getLogger(__name__)

_PURPOSE = "session_key"


def digest_session_key(key: str) -> str:
    """Return the digest of a session key, "" for none.

    A plain hash is enough: Django's keys are random, 165 bits of them, so there is nothing to guess; and unlike a keyed
    one it stays comparable when the keys that seal rotate.
    """
    return hashlib.sha256(f"auth0_flow session key\0{key}".encode("utf-8", "surrogatepass")).hexdigest() if key else ""


def seal_session_key(key: str, *, configuration: str, login_id: uuid.UUID) -> str:
    """Return a session key sealed for the login session ``login_id``, "" for none."""
    if not key:
        return ""
    data = key.encode("utf-8", "surrogatepass")
    return seal(data, purpose=_PURPOSE, keys=_keys_of(configuration), context=login_id.hex)


def unseal_session_key(sealed: str, *, configuration: str, login_id: uuid.UUID) -> str:
    """Return the session key, "" if there is none or it can't be unsealed, which is logged. Raises nothing."""
    if not sealed:
        return ""
    try:
        data = unseal(sealed, purpose=_PURPOSE, keys=_keys_of(configuration), context=login_id.hex)
    except UnsealError:
        logger.warning("session_key_unreadable login_session=%s", login_id)
        return ""
    return data.decode("utf-8", "surrogatepass")


def _keys_of(configuration: str) -> tuple[str, ...]:
    """Return the configuration's key material, Django's for one that was taken out of the settings.

    No login starts with such a configuration, but those it left behind must still be ended.
    """
    try:
        return secrets_of(configuration)
    except ImproperlyConfigured:
        return django_secrets()
