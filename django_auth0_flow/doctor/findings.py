"""What an examination finds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from django_auth0_flow.doctor.catalogue import ERROR, MISTAKES


@dataclass(frozen=True)
class Finding:
    """One mistake found. ``test`` names what found it; ``answer`` is the tenant's literal answer, made printable."""

    id: str
    name: str
    severity: str
    test: str
    cause: str
    fix: str
    answer: str = ""

    @property
    def is_error(self) -> bool:
        return self.severity == ERROR


def finding(mistake_id: str, test: str, answer: str = "", *, severity: str = "", detail: str = "") -> Finding:
    """Return a finding with the catalogue's texts; ``detail`` is one more sentence about this case."""
    mistake = MISTAKES[mistake_id]
    cause = f"{mistake.cause} {detail}" if detail else mistake.cause
    return Finding(mistake.id, mistake.name, severity or mistake.severity, test, cause, mistake.fix, answer)


@dataclass(frozen=True)
class Untested:
    """A test that could not be made, and why."""

    test: str
    why: str


@dataclass
class Report:
    """The result for one configuration. ``is_complete``: the tenant answered every test."""

    configuration: str
    issuer: str = ""
    client_id: str = ""
    callback: str = ""
    logged_out: str = ""
    address_source: str = ""
    tested: list[str] = field(default_factory=list)
    untested: list[Untested] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    requests: int = 0
    is_complete: bool = True

    def as_dict(self) -> dict[str, object]:
        return asdict(self)
