"""Is this the tenant, and can its tokens be checked here: discovery, keys, clock, endpoints."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC
from email.utils import parsedate_to_datetime

import requests

from django_auth0_flow.doctor.catalogue import ERROR, WARNING
from django_auth0_flow.doctor.examined import Examined, Exchange, Test
from django_auth0_flow.doctor.findings import Finding, finding
from django_auth0_flow.protocol.errors import SigningKeyNotFound, TransportError

#: Seconds that a clock may be off without a finding: what Auth0 allows in a signed assertion.
CLOCK_TOLERANCE = 10


def probe_discovery(examined: Examined) -> Iterator[Finding]:
    try:
        examined.client.issuer.metadata()
    except TransportError as error:
        examined.lost["tenant"] = "the tenant's discovery document can't be used"
        yield _discovery_finding(examined, error)


def _discovery_finding(examined: Examined, error: TransportError) -> Finding:
    answer, test = examined.http.last, "discovery"
    if answer is None:
        return unreachable(examined, error, test)
    said = examined.last_answer()
    if error.code == "issuer_mismatch":
        named = examined.printable(repr(answer.json_object().get("issuer")))
        return finding("SM41", test, f"issuer {named}", detail=f"Yours is {examined.client.issuer.url!r}.")
    if error.code == "metadata_incomplete":
        return finding("D05", test, said)
    if answer.status == 429 or answer.status >= 500:
        return finding("SM69" if answer.status == 429 else "D07", test, said)
    return finding("D04", test, said)


def unreachable(examined: Examined, error: TransportError, test: str) -> Finding:
    """Return the finding of an exchange that brought no HTTP answer."""
    reasons = _reasons(error)
    names = " ".join(repr(reason) for reason in reasons)
    said = examined.printable(f"{type(reasons[-1]).__name__}: {reasons[-1]}") if len(reasons) > 1 else error.code
    if "NameResolutionError" in names or "gaierror" in names:
        return finding("D01", test, said)
    if any(isinstance(reason, requests.exceptions.SSLError | ssl.SSLError) for reason in reasons):
        no_tls = "WRONG_VERSION_NUMBER" in names or "RECORD_LAYER_FAILURE" in names
        detail = "Or it speaks no TLS at this port: a local tenant's ISSUER begins with http://." if no_tls else ""
        return finding("D03", test, said, detail=detail)
    return finding("D02", test, said)


def _reasons(error: BaseException) -> list[BaseException]:
    """Return the error and what lies behind it, the root last."""
    found: list[BaseException] = [error]
    while (cause := found[-1].__cause__ or found[-1].__context__) is not None and cause not in found:
        found.append(cause)
    return found


def probe_keys(examined: Examined) -> Iterator[Finding]:
    algorithm = examined.conf.id_token_algorithm
    try:
        keys = examined.client.issuer.signing_keys(None)
    except (SigningKeyNotFound, TransportError) as error:
        if isinstance(error, TransportError) and error.status is None and error.code != "no_signing_keys":
            raise
        yield finding("SM45", "keys", examined.last_answer(), severity=ERROR if algorithm != "HS256" else WARNING)
        return
    published = _published_algorithms(examined)
    if keys and published and algorithm in ("RS256", "PS256") and published.isdisjoint({algorithm, ""}):
        yield finding("D08", "keys", f"alg {', '.join(sorted(published))}")


def _published_algorithms(examined: Examined) -> set[str]:
    """Return the ``alg`` of each key, "" for a key that is good for any."""
    last = examined.http.last
    keys = last.json_object().get("keys") if last else None
    found = [key.get("alg", "") for key in keys if isinstance(key, dict)] if isinstance(keys, list) else []
    return {alg for alg in found if isinstance(alg, str)}


def probe_clock(examined: Examined) -> Iterator[Finding]:
    offsets = [found for exchange in examined.http.exchanges if (found := _offset(exchange)) is not None]
    if not offsets:
        return
    offset = min(offsets, key=abs)
    if abs(offset) <= CLOCK_TOLERANCE:
        return
    direction = "ahead" if offset > 0 else "behind"
    yield finding(
        "D06",
        "clock",
        severity=ERROR if abs(offset) > examined.conf.leeway else WARNING,
        detail=f"It is {round(abs(offset))} seconds {direction}; AUTH0['LEEWAY'] allows {examined.conf.leeway}.",
    )


def _offset(exchange: Exchange) -> float | None:
    """Return by how many seconds our clock was ahead of the server's when it answered, None if the answer has no date."""
    headers = exchange.answer.headers
    try:
        date = parsedate_to_datetime(headers["Date"])
        server = date.replace(tzinfo=date.tzinfo or UTC).timestamp() + int(headers.get("Age", "0"))
    except (KeyError, ValueError, TypeError, IndexError, OverflowError):
        return None
    # The header is cut to whole seconds, and the answer took its time.
    if exchange.sent_at - 1 <= server <= exchange.received_at:
        return 0
    return exchange.sent_at - 1 - server if server < exchange.sent_at - 1 else exchange.received_at - server


def probe_endpoints(examined: Examined) -> Iterator[Finding]:
    metadata = examined.client.issuer.metadata()
    if metadata.end_session_endpoint is None:
        yield finding("SM35", "endpoints", "no end_session_endpoint in the discovery document")


TESTS = (
    Test("discovery", probe_discovery, needs=()),
    Test("keys", probe_keys),
    Test("clock", probe_clock),
    Test("endpoints", probe_endpoints),
)
