"""``python -m django_auth0_flow.testing.tenant``: a tenant that runs until Ctrl-C."""

from __future__ import annotations

import argparse
import sys
import textwrap
import threading

from .control import CONTROLS
from .faults import FAULTS
from .model import ALL_GRANTS
from .production import InProduction, refuse_production_of_this_shell
from .tenant import DEFAULT_AUDIENCE, DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, Tenant


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m django_auth0_flow.testing.tenant",
        description=(
            "Run a simulated Auth0 tenant on this computer until Ctrl-C, for development. It is no production server: "
            "it logs anybody in as anybody, and does not start for settings with DEBUG = False."
        ),
        epilog=controls_text(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=9400, help="port on 127.0.0.1 (default: 9400; 0 = any free one)")
    parser.add_argument(
        "--callback",
        action="append",
        metavar="URL",
        help="allowed callback URL; may be repeated (default: http://127.0.0.1:8000/auth0/callback/ and localhost)",
    )
    parser.add_argument(
        "--logout-url",
        action="append",
        metavar="URL",
        help="allowed logout URL; may be repeated (default: those hosts, /auth0/logged-out/ and /)",
    )
    parser.add_argument("--backchannel-logout-url", metavar="URL", help="where logout tokens go")
    parser.add_argument("--client-id", default=DEFAULT_CLIENT_ID)
    parser.add_argument("--client-secret", default=DEFAULT_CLIENT_SECRET)
    parser.add_argument("--audience", default=DEFAULT_AUDIENCE, help="identifier of the API")
    parser.add_argument("--lifetime", type=int, default=86400, help="seconds that access tokens live (default: 86400)")
    parser.add_argument("--no-rotation", action="store_true", help="turn refresh token rotation off")
    parser.add_argument("--overlap", type=float, default=0, help="rotation overlap period in seconds (default: 0)")
    parser.add_argument("--auto-login", action="store_true", help="log the first user in without showing a page")
    return parser


def controls_text() -> str:
    """Return the controls as --help shows them."""
    lines = []
    for method, path, _, text, body in CONTROLS:
        lines += [f"  {f'{method} {path}':22} {text}", *([f"{'':25}{body}"] if body else [])]
    names = textwrap.fill(", ".join(FAULTS), 110, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join(
        (
            "While it runs, its page at /_tenant/ shows users, messages and what went wrong, and has buttons for most of",
            "this. Programs on this computer send JSON to the addresses below /_tenant:",
            "",
            *lines,
            "",
            "Faults, for POST /faults:",
            names,
        )
    )


def build_tenant(arguments: argparse.Namespace) -> Tenant:
    tenant = Tenant(arguments.port)
    application = tenant.application
    del tenant.applications[application.client_id]
    application.client_id, application.client_secret = arguments.client_id, arguments.client_secret
    tenant.applications[application.client_id] = application
    hosts = ("http://127.0.0.1:8000", "http://localhost:8000")
    application.callbacks = arguments.callback or [f"{host}/auth0/callback/" for host in hosts]
    application.logout_urls = arguments.logout_url or [
        f"{host}{path}" for host in hosts for path in ("/auth0/logged-out/", "/")
    ]
    application.backchannel_logout_uri = arguments.backchannel_logout_url
    application.grant_types = set(ALL_GRANTS)
    application.rotation, application.overlap = not arguments.no_rotation, arguments.overlap
    api = tenant.apis.pop(tenant.api.identifier)
    for user in tenant.users.values():
        if api.identifier in user.permissions:
            user.permissions[arguments.audience] = user.permissions.pop(api.identifier)
    api.identifier, api.lifetime = arguments.audience, arguments.lifetime
    tenant.apis[api.identifier] = api
    tenant.auto_login = arguments.auto_login
    return tenant


def settings_text(tenant: Tenant) -> str:
    """Return the AUTH0 setting to copy."""
    return (
        "AUTH0 = {\n"
        f'    "ISSUER": "{tenant.issuer}",\n'
        f'    "CLIENT_ID": "{tenant.application.client_id}",\n'
        f'    "CLIENT_SECRET": "{tenant.application.client_secret}",\n'
        f'    "AUDIENCE": "{tenant.api.identifier}",\n'
        '    "SCOPE": "openid profile email offline_access",\n'
        "}"
    )


def main(argv: list[str] | None = None) -> None:
    tenant = build_tenant(build_parser().parse_args(argv))
    try:
        refuse_production_of_this_shell()
    except InProduction as error:
        sys.exit(str(error))
    with tenant:
        print(f"A simulated tenant, not Auth0 and no production server, is listening at {tenant.issuer}\n")
        print(settings_text(tenant))
        print("\nCallback URLs: " + ", ".join(tenant.application.callbacks))
        print("Logout URLs:   " + ", ".join(tenant.application.logout_urls))
        people = (f"{user.email} / {user.password}" for user in tenant.users.values())
        print("Users:         " + ", ".join(people))
        print(f"Its page:      {tenant.issuer}_tenant/")
        print(f"Messages sent: {tenant.issuer}_tenant/outbox")
        print("\nStop it with Ctrl-C.", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
