"""The renewal of a machine token under its row's lease: what each answer of the tenant means for all who use it."""

from __future__ import annotations

import logging
import time
from functools import partial

from django.dispatch import Signal

from django_auth0_flow.doctor.setup_mistakes import note_setup_mistake
from django_auth0_flow.machine.access import Access
from django_auth0_flow.models import MachineToken
from django_auth0_flow.protocol.errors import (
    KNOWN_OAUTH_ERRORS,
    Auth0Error,
    MachineTokenRefused,
    OAuthError,
    TransportError,
)
from django_auth0_flow.protocol.grant import Grant
from django_auth0_flow.protocol.tokens import TokenSet
from django_auth0_flow.signals import machine_token_failed, machine_token_renewed, send
from django_auth0_flow.tokens.fetch import fetch_machine_token
from django_auth0_flow.tokens.lease import Lease
from django_auth0_flow.tokens.stored import Wanted, fresh_tokens, is_usable, now_for
from django_auth0_flow.tokens.sync_async import Database, Network, Procedure

logger = logging.getLogger(__name__)

#: Seconds without another try after the tenant has refused the application: that is for its operators to repair.
REFUSED_SECONDS = 60

#: The same after an answer with a token that can't be used: the tenant has issued it, and counts it.
UNUSABLE_SECONDS = 600

_ISSUED = frozenset(["access_token_missing", "organization_mismatch", "token_type_unsupported"])


class MachineLease(Lease[MachineToken]):
    """The renewal of one machine token. Each token issued may cost money: failures and 401s cause few requests."""

    KIND = "machine_token"
    MAX_RETRY = 3600
    REJECTED_COOL_DOWN = 600

    def __init__(self, access: Access) -> None:
        super().__init__(access.key)
        self.access = access

    @property
    def name(self) -> str:
        """The row as log lines name it."""
        return f"{self.KIND}={str(self.pk)[:12]} audience={self.access.audience!r}"

    def find(self) -> MachineToken | None:
        return MachineToken.objects.filter(pk=self.pk).first()

    def load(self) -> MachineToken:
        """Return the row, made if it is not there, or not there any more."""
        access = self.access
        asked = {"audience": access.audience, "scope": access.scope, "organization": access.organization}
        values = {"configuration": access.configuration, "sealed": "", **asked}
        return MachineToken.objects.get_or_create(pk=self.pk, defaults=values)[0]

    def without_refresh(self, row: MachineToken, wanted: Wanted) -> TokenSet | None:
        return None if self.is_to_replace(row, wanted) else fresh_tokens(row)

    def failed_lately(self, row: MachineToken, seconds: int) -> Auth0Error:
        """Return what the worker that asked was told."""
        if row.refresh_failure in KNOWN_OAUTH_ERRORS or row.refresh_failure == OAuthError.code:
            return MachineTokenRefused(row.refresh_failure)
        return super().failed_lately(row, seconds)

    def renew(self, wanted: Wanted, row: MachineToken, lease: str) -> Procedure[MachineToken]:
        started, noted = time.monotonic(), self.with_rejection(wanted, row)
        fetch = Network(partial(fetch_machine_token, row.configuration, self.access.parameters, noted.tokens.dpop_key))
        try:
            tokens = yield from self.without_connection(row, fetch)
        except TransportError as error:
            if error.code in _ISSUED:
                error.retry_after = UNUSABLE_SECONDS
            elif error.code != "quota_exceeded":
                error.retry_after = min(error.retry_after or 0, Lease.MAX_RETRY)
            pause, failed = self.pause_after(row, error)
            yield Database(partial(row.release, lease, **failed))
            logger.warning(
                "machine_token_failed %s code=%s retry_in=%d cause=%s", self.name, error.code, pause, error.cause
            )
            yield _tell(machine_token_failed, row, started, code=error.code)
            error.retry_after = pause
            if is_usable(row, wanted):
                return row
            raise
        except MachineTokenRefused as error:
            retry_at = now_for(row) + REFUSED_SECONDS
            yield Database(partial(row.release, lease, retry_at=retry_at, failure=error.code))
            logger.error("machine_token_refused %s code=%s", self.name, error.code)
            yield _tell(machine_token_failed, row, started, code=error.code)
            note_setup_mistake(error)
            if is_usable(row, wanted):
                return row
            raise
        row = yield from self._store(row, Grant(tokens, rejected_at=noted.rejected_at))
        logger.info("machine_token_renewed %s duration_ms=%d", self.name, (time.monotonic() - started) * 1000)
        yield _tell(machine_token_renewed, row, started)
        return row

    def _store(self, row: MachineToken, grant: Grant) -> Procedure[MachineToken]:
        """Save the token for all; where that fails, this worker at least has it."""
        saved = yield from self.save(row, grant, refreshed_at=now_for(row))
        if saved is False:
            # Another worker was first, after this one's lease had ended; or the row was deleted.
            row = yield Database(self.load)
            if fresh_tokens(row) is None:
                yield from self.save(row, grant, refreshed_at=now_for(row))
                row.grant = grant
        return row


def _tell(signal: Signal, row: MachineToken, started: float, **values: str) -> Database:
    """Return the step that tells a signal's receivers how long the tenant took, and more."""
    duration = time.monotonic() - started
    return Database(partial(send, signal, MachineToken, configuration=row.configuration, duration=duration, **values))
