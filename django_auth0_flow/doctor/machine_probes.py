"""May the application ask for tokens of its own, for each API in ``MACHINE_AUDIENCES``."""

from __future__ import annotations

from collections.abc import Iterator

from django_auth0_flow.conf import Auth0Settings
from django_auth0_flow.doctor.authorize_probes import CREDENTIALS_REFUSED, refused_client
from django_auth0_flow.doctor.examined import Examined, Test
from django_auth0_flow.doctor.findings import Finding, finding
from django_auth0_flow.doctor.refusals import find_mistake
from django_auth0_flow.doctor.token_probes import MADE_UP
from django_auth0_flow.protocol.client_credentials import request_machine_token
from django_auth0_flow.protocol.errors import MachineTokenRefused, TransportError

#: Mistakes that are one API's; any other holds for all.
_OF_ONE_API = ("SM15", "SM16")


def needs_machine(conf: Auth0Settings) -> bool:
    return bool(conf.machine_audiences)


def probe_machine(examined: Examined) -> Iterator[Finding]:
    """Ask for a scope that no API has: the refusal says how far the application may go, and no token is issued.

    Auth0 counts each token that it issues, and may bill it.
    """
    for audience in examined.conf.machine_audiences:
        try:
            request_machine_token(examined.client, {"audience": audience, "scope": MADE_UP})
        except MachineTokenRefused as error:
            mistake = _mistake(examined, error)
            if mistake is None:
                continue
            answer = examined.printable(f"{error.status} {error.error}: {error.error_description}")
            detail = examined.printable(f"It is the API {audience}.")
            yield finding(mistake, "machine tokens", answer, detail=detail)
            if mistake not in _OF_ONE_API:
                return
        except TransportError as error:
            if error.code != "quota_exceeded":
                raise
            yield finding("SM73", "machine tokens", examined.last_answer())
            return


def _mistake(examined: Examined, error: MachineTokenRefused) -> str | None:
    """Return the mistake that a refusal tells of, None for the one that was to be provoked."""
    mistake = find_mistake(error.error, error.error_description, error.status)
    if mistake == "SM19" or error.error == "invalid_scope":
        return None
    if mistake is None:
        mistake = "D16" if error.error == "unauthorized_client" else "D14"
    mistake = refused_client(examined, mistake) or mistake
    if mistake in CREDENTIALS_REFUSED:
        examined.lost["credentials"] = "the tenant refuses the client's credentials"
    return mistake


TESTS = (Test("machine tokens", probe_machine, needs=("tenant", "client", "credentials"), applies=needs_machine),)
