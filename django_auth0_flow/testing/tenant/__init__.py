"""An Auth0 tenant on loopback, for tests and for trying things out.

Written from Auth0's documentation, not from this package's client: it imports neither Django nor any other part of
django_auth0_flow. ``python -m django_auth0_flow.testing.tenant`` starts one that a person can use.

Where it departs from Auth0, on purpose: plain http on 127.0.0.1 and one fixed issuer (no custom domains); the login page
offers its users at one click and shows the second-factor code; loopback callbacks need no confirmation unless
``confirm_non_verifiable_callbacks`` is set; codes live for 60 seconds, rate limits are off, and everything below
``/_tenant/`` is its own. Where Auth0's documentation leaves a text or status open, the code that answers says so or
makes it a setting (``invalid_grant_status``).

Not here: device flow, CIBA, custom token exchange, rich authorization requests, mTLS, the MFA API by access token,
``/dbconnections/*``, and the Management API.
"""

from importlib.util import find_spec

if find_spec("flask") is None:
    raise ModuleNotFoundError('The local tenant runs on Flask: pip install "django-auth0-flow[tenant]"', name="flask")

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
