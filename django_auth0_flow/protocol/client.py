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
from .validation import JoseKeys, validate_access_token, validate_id_token, validate_logout_token

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
        self,
        tokens: TokenSet,
        *,
        first_claims: Mapping[str, Any],
        scope: str | None = None,
        audience: str | None = None,
    ) -> tuple[TokenSet, dict[str, Any] | None]:
        """Return the token set after a refresh, and the claims of its ID token if it brought one.

        ``scope`` asks for fewer scopes, ``audience`` for another API's token, which Auth0 gives under a multi-resource
        policy only, and else ignores: whether the token is for it is the caller's to check.

        A new ID token must agree with ``first_claims`` in ``iss``, ``sub`` and ``aud``, and in ``auth_time``, ``azp`` and
        ``org_id`` where it has them (OpenID Connect Core §12.2). Raises InvalidGrant, MfaRequired, TokenRequestError,
        TokenValidationError or TransportError. RFC 6749 §6.
        """
        form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token or ""}
        if scope is not None:
            form["scope"] = scope
        if audience is not None:
            form["audience"] = audience
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

    def connection_token(self, tokens: TokenSet, *, connection: str, login_hint: str = "") -> TokenSet:
        """Return an identity provider's access token for the user, by Auth0's Token Vault.

        The refresh token is shown, not spent: Auth0 wants rotation off for this. Raises as ``refresh``.
        RFC 8693 §2.1; Auth0: Token Vault.
        """
        form = {
            "grant_type": "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token",
            "subject_token": tokens.refresh_token or "",
            "subject_token_type": "urn:ietf:params:oauth:token-type:refresh_token",
            "requested_token_type": "http://auth0.com/oauth/token-type/federated-connection-access-token",
            "connection": connection,
        }
        if login_hint:
            form["login_hint"] = login_hint
        return self._request_tokens(form, "")

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

    def validate_logout_token(self, token: str) -> dict[str, Any]:
        """Validate a back-channel logout token sent to this client; whether its ``jti`` is new is not checked."""
        return validate_logout_token(
            token, keys=self._keys, client_id=self.client_id, now=self.clock(), leeway=self.leeway
        )

    def grant(
        self, form: Mapping[str, str], *, scope: str, headers: Mapping[str, str] | None = None
    ) -> tuple[TokenSet, dict[str, Any], dict[str, Any]]:
        """Log in by a grant without redirect; return token set, validated ID token claims and the whole answer.

        ``form`` holds ``grant_type`` and what belongs to it; no nonce was sent, so none is looked for. Raises MfaRequired,
        InvalidGrant, TokenRequestError, TokenValidationError or TransportError.
        """
        now = self.clock()
        answer = self._token_answer(dict(form), headers)
        tokens = parse_token_response(answer, now=now, requested_scope=scope)
        if tokens.id_token is None:
            raise TokenValidationError("id_token", "the token response has none; is `openid` among the scopes?")
        claims = self.validate_id_token(tokens.id_token, nonce=None, access_token=tokens.access_token)
        return tokens, claims, answer

    def post_json(
        self, path: str, body: Mapping[str, Any], *, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Send JSON with this client's credentials to ``path`` below the issuer; return the answer's object.

        Auth0's JSON endpoints document credentials in the body only, so a secret that goes by header elsewhere goes there.
        Raises as parse_oauth_answer.
        """
        credentials: dict[str, str] = {}
        sent = self._auth(credentials, self.issuer.url)
        if sent.pop("Authorization", None) and self._keys.client_secret:
            credentials["client_secret"] = self._keys.client_secret
        document = {**body, "client_id": self.client_id, **credentials}
        answer = self._http.post_json(self._below_issuer(path), document, headers={**sent, **(headers or {})})
        return parse_oauth_answer(answer, now=self.clock())

    def get_list(self, path: str, *, bearer: str) -> list[Any]:
        """Return the JSON array at ``path`` below the issuer. Raises TokenRequestError or TransportError."""
        answer = self._http.get(self._below_issuer(path), headers={"Authorization": f"Bearer {bearer}"})
        if answer.status != 200:
            parse_oauth_answer(answer, now=self.clock())  # raises what the answer means
        return answer.json_array()

    def _below_issuer(self, path: str) -> str:
        return f"{self.issuer.url.rstrip('/')}/{path}"

    def _request_tokens(self, form: dict[str, str], requested_scope: str) -> TokenSet:
        now = self.clock()
        return parse_token_response(self._token_answer(form), now=now, requested_scope=requested_scope)

    def _token_answer(self, form: dict[str, str], headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        sent = {**self._auth(form, self.issuer.url), **(headers or {})}
        answer = self._http.post_form(self.issuer.metadata().token_endpoint, form, headers=sent)
        return parse_oauth_answer(answer, now=self.clock())
