"""What goes over the wire, for showing: who asked whom for what, secrets as their length only."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from django_auth0_flow.testing.tenant import Tenant

#: Parameters shown as they are; of any other only the length is told.
_PLAIN = frozenset(
    "acr_values audience code_challenge_method doctor grant_type next post_logout_redirect_uri redirect_uri "
    "response_type scope token_type_hint username action error error_description response_mode prompt organization "
    "organization_name realm connection send email kind address factor challenge_type client_assertion_type "
    "requested_token_type subject_token_type authenticator_types".split()
)


@dataclass
class Hop:
    """One request. ``parameters`` are those of the query and the form together; ``status`` 0 while unanswered."""

    source: str
    target: str
    method: str
    path: str
    parameters: Mapping[str, str] = field(repr=False)
    time: float
    status: int = 0
    scheme: str = ""
    token: str = field(default="", repr=False)
    #: The proof that the sender of a bound token has its key.
    proof: str = field(default="", repr=False)

    @classmethod
    def to_site(cls, environ: WSGIEnvironment, time: float) -> Hop:
        """Return the hop of a WSGI request to the site; its body is not read."""
        path = environ["PATH_INFO"]
        scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        return cls(
            source=_source(environ.get("HTTP_USER_AGENT", "")),
            target="api" if path.startswith("/api/") else "site",
            method=environ["REQUEST_METHOD"],
            path=path,
            parameters=dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)),
            time=time,
            scheme=scheme,
            token=token,
            proof=environ.get("HTTP_DPOP", ""),
        )

    @property
    def is_tenants(self) -> bool:
        return self.target == "tenant"

    @property
    def grant_type(self) -> str:
        return self.parameters.get("grant_type", "")

    def told(self, *, briefly: bool = False) -> str:
        """Return the request as a line of text without secrets; ``briefly`` only counts the parameters."""
        if briefly:
            return f"{self.method} {self.path} ({len(self.parameters)} parameters as above)"
        shown = [f"{name}={value if name in _PLAIN else veiled(value)}" for name, value in self.parameters.items()]
        if self.token:
            shown.append(f"Authorization: {self.scheme} {veiled(self.token)}")
        if self.proof:
            shown.append(f"DPoP: {veiled(self.proof)}")
        return " ".join([self.method, self.path, *shown])


def tenant_hops(tenant: Tenant) -> Iterator[Hop]:
    """Yield the requests that the tenant has received."""
    for entry in tenant.requests:
        yield Hop(
            source=_source(entry.headers.get("User-Agent", "")),
            target="tenant",
            method=entry.method,
            path=entry.path,
            parameters={name: values[0] for name, values in {**entry.query, **entry.form}.items() if values},
            time=entry.time,
            status=entry.status,
            proof=entry.headers.get("DPoP", ""),
        )


def veiled(secret: str) -> str:
    return f"…({len(secret)} chars)"


def _source(user_agent: str) -> str:
    """The site uses requests under its own name; browsers, the walk's too, call themselves otherwise."""
    return "site" if user_agent.startswith("python-requests/") else "browser"


def tell(hops: Sequence[Hop], width: int, told: set[tuple[str, ...]] | None = None) -> Iterator[str]:
    """Yield lines about ``hops``, no longer than ``width``; requests of the same kind are counted on one line.

    With a set to remember requests in, the parameters of one told before are not spelt out again if they are many.
    """

    def kind(hop: Hop) -> tuple[str, str, str, str, str, int]:
        return (hop.source, hop.target, hop.method, hop.path, hop.grant_type, hop.status)

    ordered = sorted(hops, key=lambda hop: [kind(each) for each in hops].index(kind(hop)))
    for key, alike in groupby(ordered, key=kind):
        group = list(alike)
        source, target, *_, status = key
        times = f"{len(group)} x " if len(group) > 1 else ""
        start = f"{source:>7} → {target:<6} "
        hop = group[0]
        known = (hop.path, hop.grant_type, *hop.parameters)
        briefly = told is not None and known in told and len(hop.parameters) > 3
        if told is not None:
            told.add(known)
        text = f"{times}{hop.told(briefly=briefly)}  [{status}]"
        yield from textwrap.wrap(
            text,
            width,
            initial_indent=start,
            subsequent_indent=" " * (len(start) + 2),
            break_long_words=False,
            break_on_hyphens=False,
        )
