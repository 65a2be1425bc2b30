"""The site's own addresses, as the tenant has to know them; a command has no request to take the host from."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.urls import NoReverseMatch

from django_auth0_flow.conf import Auth0Settings
from django_auth0_flow.pages.urls import url_of
from django_auth0_flow.protocol.addresses import is_loopback_host

_HOW = "Set AUTH0['BASE_URL'], or use --base-url https://www.example.com"


class NoAddress(Exception):
    """The site's address can't be known, or its URLs are not included. The message says what to do."""


@dataclass(frozen=True)
class Addresses:
    """``source`` says where the host comes from."""

    callback: str
    logged_out: str
    source: str


def find_addresses(conf: Auth0Settings, *, base_url: str = "", callback: str = "") -> Addresses:
    """Return the addresses of one configuration. ``base_url`` and ``callback`` win over the settings. Raises NoAddress."""
    try:
        callback_path, logged_out_path = url_of("callback", conf.name), url_of("logged_out", conf.name)
    except NoReverseMatch as error:
        raise NoAddress(str(error)) from None
    if callback:
        parts = urlsplit(_checked(callback, "--callback"))
        site = callback.removesuffix(callback_path)
        if site == callback:
            site = f"{parts.scheme}://{parts.netloc}"
        return Addresses(callback, site + logged_out_path, "--callback")
    site, source = _checked(base_url, "--base-url").rstrip("/"), "--base-url"
    if not site:
        site, source = (conf.base_url, "AUTH0['BASE_URL']") if conf.base_url else _assumed_site()
    return Addresses(site + callback_path, site + logged_out_path, source)


def _checked(url: str, option: str) -> str:
    try:
        parts = urlsplit(url)
        is_good = not url or (parts.scheme in ("http", "https") and parts.hostname and not parts.query + parts.fragment)
    except ValueError:
        is_good = False
    if not is_good or not url.isprintable() or "@" in url:
        raise NoAddress(f"{option} must be an address like https://www.example.com")
    return url


def _assumed_site() -> tuple[str, str]:
    hosts = [host for host in django_settings.ALLOWED_HOSTS if host and not host.startswith((".", "*"))]
    if django_settings.DEBUG and all(is_loopback_host(host.strip("[]")) for host in hosts):
        return f"http://{hosts[0] if hosts else 'localhost'}:8000", "assumed, since DEBUG is on"
    if len(hosts) == 1:
        return f"https://{hosts[0]}", "assumed from ALLOWED_HOSTS"
    raise NoAddress(f"The site's address is not known. {_HOW}")
