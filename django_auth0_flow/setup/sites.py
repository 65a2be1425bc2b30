"""The addresses to register at Auth0, by the name of their field in the Dashboard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from django.conf import settings as django_settings

from django_auth0_flow.pages.urls import url_of
from django_auth0_flow.protocol.addresses import is_loopback_host

LOCAL_TENANT = (
    "A local tenant has those below /auth0/ at localhost:8000 and 127.0.0.1:8000 already. It takes others by its options "
    "--callback and --logout-url."
)


@dataclass
class Sites:
    """Where the site is reachable, as origins, the first for the doctor; ``notes``: what can't be known from here."""

    origins: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, origin: str) -> None:
        if origin not in self.origins:
            self.origins.append(origin)


def find_sites(base_url: str, *, port: int) -> Sites:
    """Return the one site at ``base_url``; without, one for every host in ALLOWED_HOSTS, and with DEBUG this machine."""
    if base_url:
        return Sites([base_url.rstrip("/")])
    sites = Sites()
    for host in map(str.lower, django_settings.ALLOWED_HOSTS):
        if "*" in host or not host:
            sites.notes.append("ALLOWED_HOSTS takes any host. Name the site's own there, or give --base-url.")
        elif is_loopback_host(host.strip("[].")):
            sites.add(f"http://{host.strip('.')}:{port}")
        else:
            sites.add(f"https://{host.removeprefix('.')}")
            if host.startswith("."):
                sites.notes.append(f"{host} also allows hosts below it: register each that the site is reached at.")
    if django_settings.DEBUG:
        for host in ("localhost", "127.0.0.1"):
            sites.add(f"http://{host}:{port}")
    if not sites.origins and not sites.notes:
        sites.notes.append("ALLOWED_HOSTS is empty, so the site's address is not known: give --base-url.")
    return sites


def fields_to_register(sites: Sites, configuration: str) -> Iterator[tuple[str, list[str], str]]:
    """Yield each field of Applications > Applications > (app) > Settings: its name, what to enter, and what it is for.

    Auth0 takes https only where it calls or sends people by itself.
    """
    public = [origin for origin in sites.origins if urlsplit(origin).scheme == "https"]

    def at(origins: list[str], name: str) -> list[str]:
        return [origin + url_of(name, configuration) for origin in origins]

    yield "Allowed Callback URLs", at(sites.origins, "callback"), "where logins come back to"
    yield "Allowed Logout URLs", at(sites.origins, "logged_out"), "where logouts come back to"
    yield "Application Login URI", at(public[:1], "login"), "for invitations and lost logins; one https address"
    yield (
        "OpenID Connect Back-Channel Logout",
        at(public[:1], "backchannel_logout"),
        "for logouts elsewhere; one https address that Auth0 can reach (Enterprise plan)",
    )
    yield "Allowed Web Origins", sites.origins, "only if scripts of your pages ask Auth0 themselves"
