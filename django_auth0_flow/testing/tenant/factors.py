"""Second factors: TOTP codes (RFC 6238), text messages, recovery codes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
import time

from .model import User
from .state import TenantState

#: What users without an authenticator type on the login page's second-factor screen.
DEMO_CODE = "123456"


def totp(secret: str, now: float) -> str:
    """Return the six-digit code of a base32 secret at ``now``."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.new(key, struct.pack(">Q", int(now) // 30), hashlib.sha1).digest()
    offset = digest[-1] & 15
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"


def totp_fits(secret: str, code: str, now: float) -> bool:
    """Accept the code of this half minute and of its neighbours."""
    return any(hmac.compare_digest(totp(secret, now + shift), code) for shift in (-30, 0, 30) if code.isascii())


def authenticator_shows(state: TenantState, secret: str, code: str) -> bool:
    """Accept the code by the tenant's clock, and by that of a real telephone, which nobody has put forward."""
    return any(totp_fits(secret, code, now) for now in (state.clock.now(), time.time()))


def accepts(state: TenantState, user: User, code: str) -> bool:
    """Say whether the login page's second-factor screen takes this code."""
    secrets = [factor.secret for factor in user.authenticators if factor.kind == "otp" and factor.active]
    if not secrets:
        return code == DEMO_CODE
    return any(authenticator_shows(state, secret, code) for secret in secrets)


def code_hint(state: TenantState, user: User) -> str:
    """Return a code that the screen takes now: this is a simulated tenant, nobody has a telephone for it."""
    secrets = [factor.secret for factor in user.authenticators if factor.kind == "otp" and factor.active]
    return totp(secrets[0], state.clock.now()) if secrets else DEMO_CODE
