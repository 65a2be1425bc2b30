"""Whose address the tenant's attack protection should count: the visitor's, as far as it can't be forged."""

from __future__ import annotations

from ipaddress import ip_address

from django.http import HttpRequest


def visitor_address(request: HttpRequest | None, trusted_proxies: int | None) -> str:
    """Return the visitor's IP address, or "" where nothing trustworthy is known.

    With ``trusted_proxies`` 0 it is the peer of the connection. With N it is the Nth entry of ``X-Forwarded-For`` from the
    right: each of one's own proxies appends the address that it was called from, so whatever a visitor writes into the
    header stays left of it. A request with fewer entries did not come through all of the proxies: then, and with None,
    nothing is said.
    """
    if request is None or trusted_proxies is None:
        return ""
    if trusted_proxies == 0:
        return _address(request.META.get("REMOTE_ADDR", ""))
    entries = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    return _address(entries[-trusted_proxies]) if len(entries) >= trusted_proxies else ""


def _address(text: object) -> str:
    """Return an address in its canonical form; some proxies add a port, or brackets around IPv6."""
    value = str(text).strip()
    if value.startswith("["):
        value = value[1:].partition("]")[0]
    elif value.count(":") == 1:
        value = value.partition(":")[0]
    try:
        address = ip_address(value.partition("%")[0])
    except ValueError:
        return ""
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
