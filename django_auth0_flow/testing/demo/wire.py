"""One request that went over the wire, and how it is told: secrets as their length only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from django_auth0_flow.testing.tenant import LoggedRequest

#: Parameters shown as they are; of any other only the length is told.
_PLAIN = frozenset(
    "acr_values audience code_challenge_method doctor grant_type next post_logout_redirect_uri redirect_uri "
    "response_type scope token_type_hint username action error error_description response_mode prompt organization "
    "organization_name realm connection send email kind address factor challenge_type client_assertion_type "
    "requested_token_type subject_token_type authenticator_types ui_locales".split()
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

    @classmethod
    def to_tenant(cls, entry: LoggedRequest) -> Hop:
        return cls(
            source=_source(entry.headers.get("User-Agent", "")),
            target="tenant",
            method=entry.method,
            path=entry.path,
            parameters={name: values[0] for name, values in {**entry.query, **entry.form}.items() if values},
            time=entry.time,
            status=entry.status,
            proof=entry.headers.get("DPoP", ""),
        )

    @property
    def kind(self) -> tuple[str, ...]:
        """What requests told on one line have in common."""
        grant_type = self.parameters.get("grant_type", "")
        return (self.source, self.target, self.method, self.path, grant_type, str(self.status))

    def told(self) -> str:
        """Return the request's parameters and proofs as text without secrets."""
        shown = [f"{name}={value if name in _PLAIN else _veiled(value)}" for name, value in self.parameters.items()]
        if self.token:
            shown.append(f"Authorization: {self.scheme} {_veiled(self.token)}")
        if self.proof:
            shown.append(f"DPoP: {_veiled(self.proof)}")
        return " ".join(shown)


def _veiled(secret: str) -> str:
    return f"…({len(secret)} chars)"


def _source(user_agent: str) -> str:
    """The site uses requests under its own name; browsers, the walk's too, call themselves otherwise."""
    return "site" if user_agent.startswith("python-requests/") else "browser"
