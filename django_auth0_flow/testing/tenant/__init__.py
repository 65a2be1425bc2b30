"""An Auth0 tenant on loopback, for tests and for trying things out.

Written from Auth0's documentation, not from this package's client: it imports neither Django nor any other part of
django_auth0_flow. ``python -m django_auth0_flow.testing.tenant`` starts one that a person can use.
"""

from .browser import AuthorizationAnswer, Browser, TenantPage
from .log import LoggedRequest
from .model import ALL_GRANTS, Api, Application, Authenticator, Invitation, Organization, User
from .tenant import Tenant

__all__ = [
    "ALL_GRANTS",
    "Api",
    "Application",
    "Authenticator",
    "AuthorizationAnswer",
    "Browser",
    "Invitation",
    "LoggedRequest",
    "Organization",
    "Tenant",
    "TenantPage",
    "User",
]
