"""placeholder"""

from __future__ import annotations
from typing import TYPE_CHECKING
from .errors import ApiRefusal
from .records import Authorization

if TYPE_CHECKING:
    from .token_endpoint import TokenRequest


def demand_mfa(asked: TokenRequest, authorization: Authorization) -> ApiRefusal:
    token = asked.state.keep("mfa", None, 600)
    return ApiRefusal(403, "mfa_required", "Multifactor authentication required", extra={"mfa_token": token})
