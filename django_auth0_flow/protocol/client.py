"""The client at the issuer's endpoints: one method per standard endpoint, each judging its own answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode, urlsplit

from .authorization import AuthorizationRequest
from .client_auth import ClientAuth
from .errors import SigningKeyNotFound, TokenRequestError, TokenValidationError, TransportError
from .http import Http, parse_oauth_answer
from .issuer import Issuer
from .tokens import TokenSet, merge_refreshed, parse_token_response
from .validation import JoseKeys, validate_access_token, validate_id_token

#: ID token claims that a clock gone wrong makes fail.
_WEATHER = ("exp", "iat", "nbf")


class Client:
    """One application at one tenant. Safe to share between threads; keeps no user's data.

    ``clock`` returns epoch seconds. ``leeway`` in seconds tolerates differing clocks when judging tokens.
    """

    def __init__(
        self,
        *,
        issuer: Issuer,
        client_id: str,
        auth: ClientAuth,
        http: Http,
        clock: Callable[[], float],
        leeway: int,
        id_token_algorithm: str = "RS256",
        client_secret: str | None = None,
    ) -> None:
        self.issuer = issuer
        self.client_id = client_id
        self.clock = clock
        self.leeway = leeway
        self._auth = auth
        self._http = http
        self._keys = JoseKeys(issuer, id_token_algorithm, client_secret)

    def __repr__(self) -> str:
        return f"<Client {self.client_id} at {self.issuer.url}>"

    def authorization_url(self, request: AuthorizationRequest) -> str:
        """Return where to send the browser. Raises TransportError when discovery is needed and fails."""
        return request.url(self.issuer.metadata().authorization_endpoint, self.client_id)

    def complete(
        self,
        request: AuthorizationRequest,
        code: str,
        *,
        max_age: int | None = None,
        organization: str | None = None,
    ) -> tuple[TokenSet, dict[str, Any]]:
        """Exchange the code; return the token set and the validated ID token claims.

        Raises InvalidGrant, TokenRequestError, TokenValidationError or TransportError. RFC 6749 §4.1.3, RFC 7636 §4.5.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": request.redirect_uri,
            "code_verifier": request.code_verifier,
        }
        tokens = self._request_tokens(form, request.scope)
        if tokens.id_token is None:
            raise TokenValidationError("id_token", "the token response has none; is `openid` among the scopes?")
        claims = self.validate_id_token(
            tokens.id_token,
            nonce=request.nonce,
            max_age=max_age,
            organization=organization,
            access_token=tokens.access_token,
        )
        return tokens, claims

    def refresh(
        self, tokens: TokenSet, *, first_claims: Mapping[str, Any], scope: str | None = None
    ) -> tuple[TokenSet, dict[str, Any] | None]:
        """Return the token set after a refresh, and the claims of its ID token if it brought one.

        A new ID token must agree with ``first_claims`` in ``iss``, ``sub`` and ``aud``, and in ``auth_time``, ``azp`` and
        ``org_id`` where it has them (OpenID Connect Core §12.2). Raises InvalidGrant, MfaRequired, TokenRequestError,
        TokenValidationError or TransportError. RFC 6749 §6.
        """
        form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token or ""}
        if scope is not None:
            form["scope"] = scope
        answer = self._request_tokens(form, scope or " ".join(sorted(tokens.scope)))
        claims = None
        if answer.id_token is not None:
            try:
                claims = self.validate_id_token(answer.id_token, nonce=None)
            except (TransportError, TokenValidationError) as error:
                # Keys out of reach or a clock that is wrong say nothing about the person: such an ID token is left out,
                # and the rotated refresh token is not lost over it.
                about_the_person = isinstance(error, TokenValidationError) and error.claim not in _WEATHER
                if about_the_person and not isinstance(error, SigningKeyNotFound):
                    raise
                return merge_refreshed(tokens, replace(answer, id_token=None)), None
            for name in ("iss", "sub"):
                if claims[name] != first_claims.get(name):
                    raise TokenValidationError(name, "the refreshed ID token is about somebody else")
            for name in ("aud", "azp", "auth_time", "org_id"):
                if name in claims and name in first_claims and claims[name] != first_claims[name]:
                    raise TokenValidationError(name, "the refreshed ID token disagrees with the first one")
        return merge_refreshed(tokens, answer), claims

    def revoke(self, refresh_token: str) -> None:
        """Revoke a refresh token with all that came from it; no-op at an issuer without revocation. RFC 7009.

        Access tokens already issued live on until they expire. Raises TokenRequestError or TransportError.
        """
        endpoint = self.issuer.metadata().revocation_endpoint
        if endpoint is None:
            return
        form = {"token": refresh_token, "token_type_hint": "refresh_token"}
        headers = self._auth(form, self.issuer.url)
        answer = self._http.post_form(endpoint, form, headers=headers)
        if answer.status != 200:
            parse_oauth_answer(answer, now=self.clock())

    def userinfo(self, access_token: str, *, subject: str) -> dict[str, Any]:
        """Return the claims of ``/userinfo``, which must be about ``subject``. OpenID Connect Core §5.3.2.

        Raises TokenRequestError (``invalid_token``), TokenValidationError (``sub``) or TransportError.
        """
        endpoint = self.issuer.metadata().userinfo_endpoint
        if endpoint is None:
            raise TransportError("The issuer has no userinfo endpoint.", code="userinfo_unsupported", retryable=False)
        answer = self._http.get(endpoint, headers={"Authorization": f"Bearer {access_token}"})
        if answer.status in (401, 403):
            raise TokenRequestError("invalid_token", status=answer.status)
        claims = parse_oauth_answer(answer, now=self.clock())
        if claims.get("sub") != subject:
            raise TokenValidationError("sub", "the userinfo answer is about somebody else")
        return claims

    def logout_url(
        self,
        *,
        id_token_hint: str | None,
        post_logout_redirect_uri: str,
        state: str | None = None,
        federated: bool = False,
    ) -> str:
        """Return where the browser ends its session at the issuer.

        ``/oidc/logout`` where discovery announces it, else Auth0's ``/v2/logout``. RP-Initiated Logout 1.0 §2;
        Auth0: Log Users Out of Auth0.
        """
        endpoint = self.issuer.metadata().end_session_endpoint
        query = {"client_id": self.client_id}
        if endpoint is None:
            endpoint = self.issuer.url.rstrip("/") + "/v2/logout"
            query["returnTo"] = post_logout_redirect_uri
        else:
            query["post_logout_redirect_uri"] = post_logout_redirect_uri
            if id_token_hint:
                query["id_token_hint"] = id_token_hint
            if state:
                query["state"] = state
        if federated:
            query["federated"] = ""
        return endpoint + ("&" if urlsplit(endpoint).query else "?") + urlencode(query)

    def validate_id_token(self, token: str, **expected: Any) -> dict[str, Any]:
        """Validate an ID token issued to this client; ``expected`` as in ``validation.validate_id_token``."""
        return validate_id_token(
            token, keys=self._keys, client_id=self.client_id, now=self.clock(), leeway=self.leeway, **expected
        )

    def validate_access_token(self, token: str, audience: str) -> dict[str, Any]:
        """Validate a JWT access token that this issuer issued for ``audience``."""
        return validate_access_token(token, issuer=self.issuer, audience=audience, now=self.clock(), leeway=self.leeway)

    def _request_tokens(self, form: dict[str, str], requested_scope: str) -> TokenSet:
        headers = self._auth(form, self.issuer.url)
        now = self.clock()
        answer = self._http.post_form(self.issuer.metadata().token_endpoint, form, headers=headers)
        return parse_token_response(parse_oauth_answer(answer, now=now), now=now, requested_scope=requested_scope)
