"""Web addresses: their origin, which of them may get credentials, and adding to their query."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

_DEFAULT_PORTS = {"https": 443, "http": 80}


def origin_of(url: str) -> str:
    """Return scheme, host and port of ``url``, without the scheme's usual port; "" for anything but http and https."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return ""
    if not host or parts.scheme not in _DEFAULT_PORTS:
        return ""
    host = f"[{host}]" if ":" in host else host
    is_usual = port is None or port == _DEFAULT_PORTS[parts.scheme]
    return f"{parts.scheme}://{host}" if is_usual else f"{parts.scheme}://{host}:{port}"


def is_loopback_host(host: str | None) -> bool:
    """Tell whether ``host`` names this machine only, so that plain http is acceptable for development."""
    return host in ("localhost", "127.0.0.1", "::1") or bool(host and host.endswith(".localhost"))


def is_acceptable_endpoint(url: object) -> bool:
    """Tell whether ``url`` may get credentials: https, or http on loopback."""
    if not isinstance(url, str) or not origin_of(url):
        return False
    parts = urlsplit(url)
    if "@" in parts.netloc or parts.fragment or not url.isprintable() or " " in url:
        return False
    return parts.scheme == "https" or is_loopback_host(parts.hostname)


def token_origin(url: str) -> str:
    """Return the origin of ``url`` if a token may go there, else ""."""
    return origin_of(url) if is_acceptable_endpoint(url) else ""


def with_query(url: str, parameters: Mapping[str, str]) -> str:
    """Return ``url`` with ``parameters`` added to its query."""
    return url + ("&" if urlsplit(url).query else "?") + urlencode(parameters)
