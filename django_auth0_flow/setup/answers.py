"""What ``auth0_setup`` has to know, where each answer may come from, and which answers it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django_auth0_flow.conf import find_problems
from django_auth0_flow.conf.client_auth_methods import CLIENT_AUTH_METHODS
from django_auth0_flow.conf.settings import build_settings

#: The domain in the documentation: nobody's answer.
PLACEHOLDER = "example.eu.auth0.com"

_SCOPE = "openid profile email"


@dataclass(frozen=True)
class Question:
    """One thing to know. ``variable``: its key in ``AUTH0``, and the end of its environment variable's name."""

    variable: str
    option: str
    text: str
    help: str
    is_needed: bool = True
    is_secret: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of ``AUTH0`` that the answer may be for."""
        return ("DOMAIN", "ISSUER") if self.variable == "DOMAIN" else (self.variable,)


QUESTIONS = (
    Question(
        "DOMAIN",
        "domain",
        "Domain",
        "the tenant: example.eu.auth0.com; for a local tenant or any other provider its issuer, with http(s)://",
    ),
    Question("CLIENT_ID", "client_id", "Client ID", "the application's Client ID"),
    Question("CLIENT_SECRET", "client_secret", "Client Secret", "", is_secret=True),
    Question(
        "AUDIENCE",
        "audience",
        "API Identifier (empty: logins only)",
        "the Identifier of the API to call in users' names; none: logins only",
        is_needed=False,
    ),
)

#: The keys of ``AUTH0`` that hold the answers.
ASKED = tuple(key for question in QUESTIONS for key in question.keys)


def known_answers(setting: Mapping[str, Any]) -> dict[str, str]:
    """Return the answers that a configuration in ``AUTH0`` has already."""
    found = {question.variable: setting.get(question.variable) for question in QUESTIONS}
    found["DOMAIN"] = setting.get("ISSUER") or found["DOMAIN"]
    return {name: value for name, value in found.items() if isinstance(value, str) and value and value != PLACEHOLDER}


def cleaned(question: Question, answer: str) -> str:
    """Return an answer without what people copy along: blanks, and around a domain of Auth0 the rest of its address."""
    answer = answer.strip()
    if question.variable == "DOMAIN" and answer.startswith("https://"):
        host = urlsplit(answer).netloc.lower()
        if host.endswith(".auth0.com") and urlsplit(answer).path in ("", "/"):
            return host
    return answer


def refusal_of(question: Question, answer: str, others: Mapping[str, str]) -> str:
    """Return why an answer can't be right, in one sentence; "" if it may be."""
    if not answer:
        return f"{question.text} is needed." if question.is_needed else ""
    if not answer.isprintable() or " " in answer:
        return f"{question.text} has a blank or an unprintable character in it. Was too much copied?"
    if answer == PLACEHOLDER:
        return f"{PLACEHOLDER} is only an example: take the domain of your own tenant."
    if question.is_secret:
        return "That is the Client ID. The Client Secret stands below it." if answer == others["CLIENT_ID"] else ""
    setting = tenant_setting(answer) if question.variable == "DOMAIN" else {question.variable: answer}
    (key,) = setting
    found = [problem for problem in find_problems({**others, **setting}) if problem.key == key and problem.is_error]
    return f"{question.text} {found[0].text} {found[0].hint}".strip() if found else ""


def tenant_setting(answer: str) -> dict[str, str]:
    """Return the key of ``AUTH0`` for a domain, or for an issuer."""
    return {"ISSUER" if "://" in answer else "DOMAIN": answer}


def configuration_of(answers: Mapping[str, str], setting: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration with these answers; its other keys stay, and tokens for an API can be refreshed."""
    kept = {key: value for key, value in setting.items() if key not in ("DOMAIN", "ISSUER")}
    found = {**tenant_setting(answers["DOMAIN"]), **kept}
    for question in QUESTIONS[1:]:
        found.pop(question.variable, None)
        if answer := answers.get(question.variable):
            found[question.variable] = answer
    if answers.get("AUDIENCE"):
        found.setdefault("SCOPE", f"{_SCOPE} offline_access")
    return found


def needs_secret(setting: Mapping[str, Any]) -> bool:
    """Tell whether the client proves itself by a secret, as it does unless the settings name another way."""
    method = CLIENT_AUTH_METHODS.get(build_settings(setting).client_auth)
    return method is None or method.credential == "CLIENT_SECRET"
