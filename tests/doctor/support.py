"""The command run as a person runs it, and what it said."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from typing import Any

from django.core.management import call_command

SITE = "https://www.example.com"
SCOPE = "openid profile email"
DATABASE = "Username-Password-Authentication"
EVERYTHING = {"PASSWORD_REALM": True, "PASSWORDLESS": ["email-code", "sms"]}
OLD_SECRET = "the-old-secret-of-yesterday"
Configure = Callable[..., dict[str, Any]]


@dataclass(frozen=True)
class Outcome:
    code: int
    text: str

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text)
        return found

    @property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = self.data["configurations"][0]
        return found

    @property
    def findings(self) -> list[dict[str, str]]:
        found: list[dict[str, str]] = self.report["findings"]
        return found

    @property
    def ids(self) -> list[str]:
        return [found["id"] for found in self.findings]


def doctor(*arguments: str) -> Outcome:
    output = StringIO()
    code: object = 0
    try:
        call_command("auth0_doctor", *arguments, stdout=output, no_color=True)
    except SystemExit as end:
        code = end.code
    return Outcome(int(str(code)), output.getvalue())
