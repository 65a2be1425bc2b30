"""What a machine token is asked for."""

from __future__ import annotations

import json
from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured
from django.utils.crypto import salted_hmac

from django_auth0_flow.conf import DEFAULT, Auth0Settings, get_settings
from django_auth0_flow.storage.sealing import secrets_of


@dataclass(frozen=True)
class Access:
    """One application's access to one API; ``scope`` sorted, "" for all scopes that the application has there."""

    audience: str
    scope: str = ""
    organization: str = ""
    configuration: str = DEFAULT

    @classmethod
    def to(cls, audience: str, *, scope: str = "", organization: str = "", configuration: str = DEFAULT) -> Access:
        """Return the access to ``audience``, by default the configuration's own. Raises ImproperlyConfigured."""
        conf = get_settings(configuration)
        if not (audience or conf.api_audience):
            raise ImproperlyConfigured(f"A machine token needs an audience: name one, or set {conf.where}['AUDIENCE'].")
        scope = " ".join(sorted(set(scope.split())))
        return cls(audience or conf.api_audience, scope, organization, configuration)

    @property
    def settings(self) -> Auth0Settings:
        """The configuration."""
        return get_settings(self.configuration)

    @property
    def key(self) -> str:
        """The key of the row that holds the token.

        Another client, or the same with other credentials for sealing, has another row: hosts that can't read each
        other's tokens must not replace them in turn, with a token request each time.
        """
        conf = self.settings
        parts = (conf.name, conf.issuer, conf.client_id, conf.dpop, self.audience, self.scope, self.organization)
        secret = secrets_of(self.configuration)[0]
        return salted_hmac("auth0_flow.machine", json.dumps(parts), secret=secret, algorithm="sha256").hexdigest()

    @property
    def parameters(self) -> dict[str, str]:
        """What the token request says; the configuration's own API is named as its logins name it."""
        conf = self.settings
        names = {"audience": self.audience, "resource": ""}
        if self.audience == conf.api_audience:
            names = {"audience": conf.audience, "resource": conf.resource}
        names |= {"scope": self.scope, "organization": self.organization}
        return {name: value for name, value in names.items() if value}
