"""What the demo's tenant and database start with."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

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


def furnish_tenant(tenant: Tenant) -> None:
    """Give the tenant's users their permissions and roles, and its API short-lived tokens."""
    from django_auth0_flow.testing.tenant import Authenticator

    tenant.application.name = "Harbour Clinic"
    tenant.api.scopes = ["read:appointments", "write:appointments", "manage:rota"]
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


def furnish_database(tenant: Tenant) -> None:
    """Book a few appointments for the tenant's users, in the weeks to come."""
    from clinic.models import Appointment

    today = datetime.fromtimestamp(tenant.clock.now(), UTC).date()
    for user in tenant.users.values():
        for doctor, days, clock, reason in _VISITS.get(user.email or "", []):
            day = today + timedelta(days=days)
            day += timedelta(days=max(0, 7 - day.weekday()) if day.weekday() > 4 else 0)
            starts_at = datetime.combine(day, time.fromisoformat(clock), UTC)
            Appointment.objects.create(subject=user.sub, doctor=doctor, starts_at=starts_at, reason=reason)
