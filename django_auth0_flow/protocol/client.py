"""The client at the issuer's endpoints: one method per standard endpoint, each judging its own answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from django_auth0_flow.protocol.addresses import with_query
from django_auth0_flow.protocol.authorization import AuthorizationRequest
from django_auth0_flow.protocol.claim_checks import check_same_login
from django_auth0_flow.protocol.client_auth import ClientAuth, in_body
from django_auth0_flow.protocol.errors import (
    Auth0Error,
    SigningKeyNotFound,
    TokenRequestError,
    TokenValidationError,
    TransportError,
    unusable_answer,
)
from django_auth0_flow.protocol.http import Http, parse_oauth_answer
from django_auth0_flow.protocol.issuer import Issuer
from django_auth0_flow.protocol.protected_calls import call_protected
from django_auth0_flow.protocol.signing_keys import KeyRing, sign_request
from django_auth0_flow.protocol.token_endpoint import AuthenticatedHttp
from django_auth0_flow.protocol.tokens import TokenSet, merge_refreshed
from django_auth0_flow.protocol.validation import (
    JoseKeys,
    validate_access_token,
    validate_id_token,
    validate_logout_token,
)

#: ID token claims that fail when a clock is wrong: that says nothing about the user.
_CLOCK_CLAIMS = ("exp", "iat", "nbf")


class Client:
    """One application at one tenant. Safe to share between threads; keeps no user's data.

    ``clock`` returns epoch seconds. ``leeway`` in seconds tolerates differing clocks when judging tokens. ``keys`` sign
    client assertions (see ``client_auth.private_key_jwt``) and, with ``sign_requests``, authorization requests;
    ``push_requests`` sends those to the tenant directly. ``dpop``: tokens are bound to a key per login. ``resource``: the
    API by RFC 8707, beside an ``audience``.
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
        keys: KeyRing | None = None,
        push_requests: bool = False,
        sign_requests: bool = False,
        dpop: bool = False,
        resource: str = "",
    ) -> None:
        self.issuer = issuer
        self.client_id = client_id
        self.clock = clock
        self.leeway = leeway
        self._json_auth = in_body(auth, client_id, client_secret)
        self.http = http
        self._signing_keys = keys
        self._push_requests = push_requests
        self._sign_requests = sign_requests
        self._tenant = AuthenticatedHttp(
            issuer=issuer, auth=auth, http=http, clock=clock, keys=keys, dpop=dpop, resource=resource
        )
        #: For grants that have a module of their own.
        self.token_endpoint = self._tenant
        #: Makes DPoP proofs, for the tenant's endpoints and for APIs.
        self.prover = self._tenant.prover
        self._keys = JoseKeys(issuer, id_token_algorithm, client_secret)

    def __repr__(self) -> str:
        return f"<Client {self.client_id} at {self.issuer.url}>"

    def authorization_url(self, request: AuthorizationRequest) -> str:
        """Return where to send the browser: with the request itself, or with a reference to the pushed one.

        Raises TransportError when discovery or the push is needed and fails, TokenRequestError when the tenant refuses a
        pushed request, Auth0Error (``par_unsupported``) when it takes none. RFC 9126; RFC 9101.
        """
        metadata = self.issuer.metadata()
        if not self._push_requests:
            return with_query(metadata.authorization_endpoint, self._query(request))
        endpoint = metadata.pushed_authorization_request_endpoint
        if endpoint is None:
            raise Auth0Error(
                "The tenant announces no endpoint for pushed authorization requests. "
                "Auth0 Dashboard: Settings > Advanced > Allow Pushed Authorization Requests.",
                code="par_unsupported",
            )
        answer = self._tenant.post_form(endpoint, lambda: self._query(request)).json_object()
        request_uri = answer.get("request_uri")
        if not isinstance(request_uri, str) or not 0 < len(request_uri) <= 4096 or not request_uri.isprintable():
            raise unusable_answer("The tenant's answer names no pushed request.")
        return with_query(metadata.authorization_endpoint, {"client_id": self.client_id, "request_uri": request_uri})

    def complete(
        self, request: AuthorizationRequest, code: str, *, max_age: int | None = None, organization: str | None = None
    ) -> tuple[TokenSet, dict[str, Any]]:
        """Exchange the code; return the token set and the validated ID token claims.

        Raises InvalidGrant, TokenRequestError, TokenValidationError or TransportError. RFC 6749 §4.1.3, RFC 7636 §4.5.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": request.redirect_uri,
            "code_verifier": request.code_verifier,
            **self._tenant.resource,
        }
        tokens, _ = self._tenant.request_tokens(form, scope=request.scope, dpop_key=request.dpop_key, is_login=True)
        return tokens, self._claims_of(tokens, nonce=request.nonce, max_age=max_age, organization=organization)

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
        policy only, and else ignores: the caller must check whether the token is for it.

        A new ID token must be about the same login as ``first_claims``. One that can't be judged because keys are out of
        reach or a clock is wrong is left out: the rotated refresh token must not be lost over it. Raises InvalidGrant,
        MfaRequired, TokenRequestError, TokenValidationError or TransportError. RFC 6749 §6.
        """
        form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token or ""}
        if scope is not None:
            form["scope"] = scope
        form |= {"audience": audience} if audience is not None else self._tenant.resource
        # A login from before DPoP was switched on gets its key now: what matters is that it keeps one from then on.
        dpop_key = tokens.dpop_key or self._tenant.new_dpop_key()
        asked = scope or " ".join(sorted(tokens.scope))
        answer, _ = self._tenant.request_tokens(form, scope=asked, dpop_key=dpop_key, is_login=False)
        claims = self._refreshed_claims(answer.id_token, first_claims)
        if claims is None:
            answer = replace(answer, id_token=None)
        return merge_refreshed(tokens, answer), claims

    def connection_token(self, tokens: TokenSet, *, connection: str, login_hint: str = "") -> TokenSet:
        """Return an identity provider's access token for the user, by Auth0's Token Vault.

        The refresh token is not used up: Auth0 wants rotation off for this. Raises as ``refresh``.
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
        return self._tenant.request_tokens(form, scope="", dpop_key=tokens.dpop_key, is_login=False)[0]

    def revoke(self, refresh_token: str) -> None:
        """Revoke a refresh token with all that came from it; no-op at an issuer without revocation. RFC 7009.

        Access tokens already issued live on until they expire. Raises TokenRequestError or TransportError.
        """
        endpoint = self.issuer.metadata().revocation_endpoint
        if endpoint is None:
            return
        self._tenant.post_form(endpoint, lambda: {"token": refresh_token, "token_type_hint": "refresh_token"})

    def userinfo(self, access_token: str, *, subject: str, dpop_key: str | None = None) -> dict[str, Any]:
        """Return the claims of ``/userinfo``, which must be about ``subject``. OpenID Connect Core §5.3.2.

        ``dpop_key``: the key that the token is bound to, None for a bearer token.
        Raises TokenRequestError (``invalid_token``), TokenValidationError (``sub``) or TransportError.
        """
        endpoint = self.issuer.metadata().userinfo_endpoint
        if endpoint is None:
            raise unusable_answer("The issuer has no userinfo endpoint.", code="userinfo_unsupported")
        answer = call_protected(self.http, self.prover, "GET", endpoint, access_token=access_token, dpop_key=dpop_key)
        if answer.status in (401, 403):
            raise TokenRequestError("invalid_token", status=answer.status)
        claims = parse_oauth_answer(answer, now=self.clock())
        if claims.get("sub") != subject:
            raise TokenValidationError("sub", "the userinfo answer is about another user")
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
        return with_query(endpoint, query)

    def validate_id_token(self, token: str, **expected: Any) -> dict[str, Any]:
        """Validate an ID token issued to this client; ``expected`` as in ``validation.validate_id_token``."""
        return validate_id_token(
            token, keys=self._keys, client_id=self.client_id, now=self.clock(), leeway=self.leeway, **expected
        )

    def validate_access_token(self, token: str, audience: str) -> dict[str, Any]:
        """Validate a JWT access token that this issuer issued for ``audience``, which is not this client."""
        return validate_access_token(
            token,
            issuer=self.issuer,
            audience=audience,
            now=self.clock(),
            leeway=self.leeway,
            client_id=self.client_id,
        )

    def validate_logout_token(self, token: str) -> dict[str, Any]:
        """Validate a back-channel logout token sent to this client; the caller must check that its ``jti`` is new."""
        return validate_logout_token(
            token, keys=self._keys, client_id=self.client_id, now=self.clock(), leeway=self.leeway
        )

    def grant(
        self, form: Mapping[str, str], *, scope: str, headers: Mapping[str, str] | None = None, is_login: bool = True
    ) -> tuple[TokenSet, dict[str, Any], dict[str, Any]]:
        """Log in by a grant without redirect; return token set, validated ID token claims and the whole answer.

        ``form`` holds ``grant_type`` and what belongs to it; no nonce was sent, so none is looked for. Without ``is_login``
        the form alone names an API, an answer without an ID token has no claims, and with DPoP the access token need not be
        bound: APIs differ. Raises MfaRequired, InvalidGrant, TokenRequestError, TokenValidationError or TransportError.
        """
        form, key = {**(self._tenant.resource if is_login else {}), **form}, self._tenant.new_dpop_key()
        ask = self._tenant.request_tokens
        tokens, answer = ask(form, scope=scope, dpop_key=key, is_login=is_login, headers=headers)
        return tokens, self._claims_of(tokens, nonce=None) if is_login or tokens.id_token else {}, answer

    def post_json(
        self, path: str, body: Mapping[str, Any], *, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Send JSON with this client's credentials to ``path`` below the issuer; return the answer's object.

        Raises as parse_oauth_answer.
        """
        endpoint = self._below_issuer(path)
        answer = self._tenant.post_json(endpoint, lambda: dict(body), auth=self._json_auth, headers=headers)
        return parse_oauth_answer(answer, now=self.clock())

    def get_list(self, path: str, *, bearer: str) -> list[Any]:
        """Return the JSON array at ``path`` below the issuer. Raises TokenRequestError or TransportError."""
        answer = self.http.get(self._below_issuer(path), headers={"Authorization": f"Bearer {bearer}"})
        if answer.status != 200:
            parse_oauth_answer(answer, now=self.clock())  # raises what the answer means
        return answer.json_array()

    def _claims_of(self, tokens: TokenSet, **expected: Any) -> dict[str, Any]:
        """Return the validated ID token claims of a login's token set."""
        if tokens.id_token is None:
            raise TokenValidationError("id_token", "the token response has none; is `openid` among the scopes?")
        return self.validate_id_token(tokens.id_token, access_token=tokens.access_token, **expected)

    def _refreshed_claims(self, id_token: str | None, first_claims: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the claims of a refresh's ID token, None for none and for one that can't be judged."""
        if id_token is None:
            return None
        try:
            claims = self.validate_id_token(id_token, nonce=None)
        except (TransportError, SigningKeyNotFound):
            return None
        except TokenValidationError as error:
            if error.claim in _CLOCK_CLAIMS:
                return None
            raise
        check_same_login(claims, first_claims)
        return claims

    def _below_issuer(self, path: str) -> str:
        return f"{self.issuer.url.rstrip('/')}/{path}"

    def _query(self, request: AuthorizationRequest) -> dict[str, str]:
        """Return the parameters of an authorization request, signed if this client signs them."""
        query = request.query(self.client_id)
        if not self._sign_requests or self._signing_keys is None:
            return query
        key = self._signing_keys.current()
        signed = sign_request(query, client_id=self.client_id, issuer=self.issuer.url, key=key, now=self.clock())
        return {"client_id": self.client_id, "request": signed}
