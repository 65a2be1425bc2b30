"""The browser and the system that a User-Agent header names, in words from short lists: no version, nothing of its text."""

from __future__ import annotations

#: Marks and names, first match first: most browsers claim to be others too. "" for a robot that names a browser.
_BROWSERS = (
    ("bot", ""),
    (" Line/", "LINE"),
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("YaBrowser/", "Yandex Browser"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("; wv)", ""),
    ("Chrome/", "Chrome"),
    ("Version/", "Safari"),
)

_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
)

_MAX_HEADER = 1000


def browser_and_system(user_agent: str) -> tuple[str, str]:
    """Return both names, each "" if it is not known. An iPad may say that it is a Mac."""
    text = user_agent[:_MAX_HEADER]
    if not text.startswith("Mozilla/"):
        return "", ""
    return _first(text, _BROWSERS), _first(text, _SYSTEMS)


def _first(text: str, names: tuple[tuple[str, str], ...]) -> str:
    return next((name for mark, name in names if mark in text), "")
