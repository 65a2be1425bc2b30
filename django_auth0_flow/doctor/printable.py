"""The tenant's answers as a terminal may show them: one short line, no control characters, no secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from django_auth0_flow.doctor.refusals import telling_part

MAX_LENGTH = 240

_HIDDEN = "[hidden]"

#: What looks like a token, a code or a key: longer than any word.
_TOKEN = re.compile(r"ey[A-Za-z0-9_-]{15,}(?:\.[A-Za-z0-9_-]*)*|[A-Za-z0-9_-]{40,}")


class Printable:
    """Makes untrusted text printable. ``secrets`` are never shown, percent-encoded ones neither."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {
            form
            for secret in secrets
            if len(secret) >= 8
            for form in (secret, quote(secret, safe=""), quote_plus(secret))
        }
        self._secrets = sorted(forms, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return ``text`` in one line, cut around the part that names a mistake, with unprintable characters escaped."""
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        text = _TOKEN.sub(_HIDDEN, " ".join(text.split()))
        start = max(0, telling_part(text) - MAX_LENGTH // 2) if len(text) > MAX_LENGTH else 0
        cut = text[start : start + MAX_LENGTH]
        shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in cut)
        return f"{'… ' if start else ''}{shown}{' …' if len(text) > start + MAX_LENGTH else ''}"
