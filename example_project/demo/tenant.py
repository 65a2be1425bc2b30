"""Who and what the demo's tenant and database start with."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from django_auth0_flow.testing.demo import Demo

from .walk import ClinicWalk

if TYPE_CHECKING:
    from django_auth0_flow.testing.tenant import Tenant

#: Short enough that an expiry is near, long enough to look around in.
TOKEN_LIFETIME = 300
PATIENT, MANAGER, NURSE = "ada@example.com", "grace@example.com", "mary@example.com"
#: Needs a second factor too, and has none yet.
NEWCOMER = "clara@example.com"
_MAY = {
    PATIENT: ["read:appointments", "write:appointments"],
    MANAGER: ["read:appointments", "write:appointments", "manage:rota"],
    NURSE: ["read:appointments"],
}
_VISITS = {
    PATIENT: [("blackwell", 2, "09:30", "Check-up"), ("ogino", 9, "14:00", "Eye test"), ("seacole", 23, "10:00", "")],
    MANAGER: [("seacole", 4, "11:30", "Vaccination")],
}
_BILLING = "https://billing.example.com"


class ClinicDemo(Demo):
    """Harbour Clinic with every way to log in."""

    def __init__(self) -> None:
        super().__init__("Harbour Clinic, the example project of django-auth0-flow", "/appointments/", walk=ClinicWalk)

    def prepare(self, tenant: Tenant, site: str) -> Mapping[str, str]:
        add_people(tenant)
        return {
            "DEBUG": "1",
            "SECRET_KEY": secrets.token_urlsafe(48),
            "API_URL": f"{site}/api/appointments/",
            "OUTBOX_URL": f"{tenant.issuer}_tenant/outbox",
            # Whatever the shell says about the site, it is not about this one.
            **dict.fromkeys(("ALLOWED_HOSTS", "BASE_URL", "TIME_ZONE"), ""),
            **add_ways(tenant, site),
        }

    def fill_database(self, tenant: Tenant) -> None:
        """Book a few appointments, in the weeks to come."""
        from clinic.models import Appointment

        today = datetime.fromtimestamp(tenant.clock.now(), UTC).date()
        for user in tenant.users.values():
            for doctor, days, clock, reason in _VISITS.get(user.email or "", []):
                day = today + timedelta(days=days)
                day += timedelta(days=max(0, 7 - day.weekday()) if day.weekday() > 4 else 0)
                starts_at = datetime.combine(day, time.fromisoformat(clock), UTC)
                Appointment.objects.create(subject=user.sub, doctor=doctor, starts_at=starts_at, reason=reason)

    def notes(self, tenant: Tenant) -> str:
        organization = next(iter(tenant.organizations.values()))
        link = tenant.invitation_link(tenant.invite(organization, email=PATIENT))
        return f"\n  Invitation to an organization, for {PATIENT}:\n  {link}\n"


def add_people(tenant: Tenant) -> None:
    """Give the tenant's users their permissions and roles, and its API short-lived tokens."""
    from django_auth0_flow.testing.tenant import Authenticator

    tenant.application.name = "Harbour Clinic"
    tenant.api.scopes = ["read:appointments", "write:appointments", "manage:rota", "read:board"]
    tenant.application.client_grants = {tenant.api.identifier: ["read:board"]}
    tenant.api.lifetime = TOKEN_LIFETIME
    tenant.api.rbac = tenant.api.add_permissions = True
    tenant.add_user(
        email=NURSE,
        name="Mary Seacole",
        nickname="mary",
        given_name="Mary",
        family_name="Seacole",
        password="nursing notes",
        mfa_required=True,
        authenticators=[Authenticator("email", name=NURSE)],
    )
    tenant.add_user(
        email=NEWCOMER,
        name="Clara Barton",
        nickname="clara",
        given_name="Clara",
        family_name="Barton",
        password="field hospital",
        mfa_required=True,
    )
    for user in tenant.users.values():
        user.permissions = {tenant.api.identifier: _MAY.get(user.email or "", [])}
        if user.email == MANAGER:
            user.claims["https://clinic.example.com/roles"] = ["admin"]


def add_ways(tenant: Tenant, site: str) -> dict[str, str]:
    """Prepare the tenant for each kind of login; return the environment that ``site_config.ways`` reads."""
    from django_auth0_flow.testing.tenant.model import PASSWORDLESS_OTP

    billing = tenant.add_api(_BILLING, name="Invoices API", scopes=["read:invoices"])
    billing.lifetime = TOKEN_LIFETIME
    application = tenant.application
    application.grant_types |= {"password", "mfa", PASSWORDLESS_OTP}
    application.initiate_login_uri = f"{site}/auth0/login/"
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
    vault = tenant.add_application(name="Harbour Clinic, calendar", rotation=False)
    api_client = tenant.add_application(name="Harbour Clinic, appointments API", resource_server=tenant.api.identifier)
    application.allow_token_exchange = True
    known = {f"old-session-of-{user.nickname}": user for user in tenant.users.values()}
    tenant.token_exchange_profiles["urn:harbour-clinic:old-session"] = known.get
    for each in (application, strong, vault):
        each.refresh_policies = {_BILLING: ["read:invoices"]}
    tenant.allow_connected_accounts(vault, google_oauth2=["openid"])
    staff = tenant.add_organization("harbour-staff", display_name="Harbour Staff")
    for user in tenant.users.values():
        if user.email in (PATIENT, MANAGER, NURSE):
            user.orgs = [staff.id]
    return {
        "AUTH0_ORGANIZATION": staff.id,
        "AUTH0_BILLING": _BILLING,
        "AUTH0_STRONG_CLIENT_ID": strong.client_id,
        "AUTH0_STRONG_KEY": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "AUTH0_API_CLIENT_ID": api_client.client_id,
        "AUTH0_API_CLIENT_SECRET": api_client.client_secret,
        "AUTH0_VAULT_CLIENT_ID": vault.client_id,
        "AUTH0_VAULT_CLIENT_SECRET": vault.client_secret,
    }
