"""What the page "Ways to log in" needs of the demo's tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from .people import MANAGER, NURSE, PATIENT, TOKEN_LIFETIME

if TYPE_CHECKING:
    from django_auth0_flow.testing.tenant import Application, Tenant

BILLING = "https://billing.example.com"
#: Configurations of the site that are the tenant's first application.
_SAME_APPLICATION = ("default", "form-post", "hybrid", "id-token", "implicit", "direct")


def furnish_ways(tenant: Tenant, site: str, hosts: list[str]) -> dict[str, str]:
    """Prepare the tenant for each kind of login at ``site``; return the environment that the settings want for them."""
    from django_auth0_flow.testing.tenant.model import PASSWORDLESS_OTP, TOKEN_VAULT

    billing = tenant.add_api(BILLING, name="Invoices API", scopes=["read:invoices"])
    billing.lifetime = TOKEN_LIFETIME
    application = tenant.application
    application.grant_types |= {"password", "mfa", PASSWORDLESS_OTP}
    application.initiate_login_uri = f"{site}/auth0/login/"
    allow(application, hosts, *_SAME_APPLICATION)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public_key = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    strong = tenant.add_application(
        name="Harbour Clinic, stronger",
        token_endpoint_auth_method="private_key_jwt",
        public_keys={"": public_key},
        require_par=True,
        require_jar=True,
        require_dpop=True,
    )
    allow(strong, hosts, "strong")
    vault = tenant.add_application(name="Harbour Clinic, calendar", rotation=False)
    vault.grant_types |= {TOKEN_VAULT}
    allow(vault, hosts, "vault")
    staff = tenant.add_organization("harbour-staff", display_name="Harbour Staff")
    for user in tenant.users.values():
        if user.email in (PATIENT, MANAGER, NURSE):
            user.orgs = [staff.id]
            user.linked_connections = {"google-oauth2": "token-of-another-provider"}
    return {
        "LOGIN_WAYS": "1",
        "AUTH0_ORGANIZATION": staff.id,
        "AUTH0_BILLING": BILLING,
        "AUTH0_STRONG_CLIENT_ID": strong.client_id,
        "AUTH0_STRONG_KEY": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "AUTH0_VAULT_CLIENT_ID": vault.client_id,
        "AUTH0_VAULT_CLIENT_SECRET": vault.client_secret,
        "OUTBOX_URL": f"{tenant.issuer}_tenant/outbox",
    }


def allow(application: Application, hosts: list[str], *configurations: str) -> None:
    """Register the addresses of these configurations with an application, and the second API."""
    paths = ["/auth0" if name == "default" else f"/ways/{name}" for name in configurations]
    application.callbacks = [f"{host}{path}/callback/" for host in hosts for path in paths]
    application.logout_urls = [f"{host}{path}/logged-out/" for host in hosts for path in paths]
    application.refresh_policies = {BILLING: ["read:invoices"]}


def invitation_link(tenant: Tenant) -> str:
    """Return the link of a new invitation to the organization, as its e-mail would have it."""
    organization = next(iter(tenant.organizations.values()))
    return tenant.invitation_link(tenant.invite(organization, email=PATIENT))
