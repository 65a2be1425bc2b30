"""A backend of social-auth-app-django as Auth0's quickstart has it: Auth0 takes no address with a query of its own."""

from __future__ import annotations

from typing import Any

from social_core.backends.auth0 import Auth0OAuth2


class Auth0(Auth0OAuth2[Any]):
    REDIRECT_STATE = False
