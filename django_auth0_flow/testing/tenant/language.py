"""The language of the tenant's pages: English or Japanese, from a gettext catalogue of its own.

What a person chose at the foot of a page counts first, then the ``ui_locales`` of the login, then the browser's languages.
Auth0 has no such choice on its pages. Answers to programs stay in English, as its are.
"""

from __future__ import annotations

import gettext
from functools import cache
from pathlib import Path
from urllib.parse import urlencode

from flask import Flask, Response, g, has_request_context, request

LANGUAGES = {"en": "English", "ja": "日本語"}
_LOCALES = Path(__file__).with_name("locale")
_COOKIE, _PARAMETER = "tenant_language", "language"


def translate_pages(app: Flask) -> None:
    """Give templates ``gettext``, ``language()`` and ``other_languages()``, and let a visitor choose."""
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]  # the extension's
        translate, lambda one, many, number: _catalogue(language()).ngettext(one, many, number), newstyle=True
    )
    app.jinja_env.globals.update(language=language, other_languages=_other_languages)
    # For texts of the code, which may have a percent sign in them.
    app.jinja_env.filters["translated"] = translate
    app.after_request(_remember)


def wish(ui_locales: str | None) -> None:
    """Note the ``ui_locales`` of the login that this request belongs to."""
    g.ui_locales = (ui_locales or "").split()


def language() -> str:
    """Return the code of this request's language."""
    if not has_request_context():
        return "en"
    chosen = request.args.get(_PARAMETER) or request.cookies.get(_COOKIE)
    browser = request.accept_languages.best_match(LANGUAGES) or "en"
    asked = g.get("ui_locales") or request.args.get("ui_locales", "").split()
    wishes = (code.partition("-")[0].lower() for code in (chosen or "", *asked[:1]))
    return next((code for code in wishes if code in LANGUAGES), browser)


def translate(text: str) -> str:
    """Return ``text`` in this request's language, unchanged if the catalogue does not have it."""
    return _catalogue(language()).gettext(text)


def _other_languages() -> list[tuple[str, str, str]]:
    """Return code, name and address of this page in each other language."""
    kept = {name: value for name, value in request.args.items() if name != _PARAMETER}
    others = {code: name for code, name in LANGUAGES.items() if code != language()}
    return [(code, name, "?" + urlencode({**kept, _PARAMETER: code})) for code, name in others.items()]


def _remember(response: Response) -> Response:
    chosen = request.args.get(_PARAMETER, "")
    if chosen in LANGUAGES and response.mimetype == "text/html":
        response.set_cookie(_COOKIE, chosen, httponly=True, samesite="Lax")
    if response.mimetype == "text/html":
        response.content_language.add(language())
    return response


@cache
def _catalogue(code: str) -> gettext.NullTranslations:
    return gettext.NullTranslations() if code == "en" else gettext.translation("tenant", _LOCALES, [code])
