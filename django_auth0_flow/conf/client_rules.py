"""What can be wrong with the settings of the client: how it proves itself, its keys and certificate, its durations."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from django_auth0_flow.conf.client_auth_methods import CLIENT_AUTH_METHODS
from django_auth0_flow.conf.problems import Problem
from django_auth0_flow.conf.settings import Auth0Settings
from django_auth0_flow.protocol.claim_checks import ID_TOKEN_ALGORITHMS
from django_auth0_flow.protocol.signing_keys import load_signing_key

#: An HMAC key is to be no shorter than the hash. RFC 7518 §3.2.
_HS256_BYTES = 32


def _needs_credentials(conf: Auth0Settings) -> bool:
    """Tell whether any request of this configuration goes to an endpoint where a client proves itself."""
    return (
        "code" in conf.response_kinds
        or conf.has_embedded_logins
        or conf.pushed_authorization
        or bool(conf.machine_audiences)
    )


#: The problem of a client without its credential: id, key and hint.
_WITHOUT = {
    "CLIENT_SECRET": (
        "E010",
        "",
        "Auth0 Dashboard: Applications > (app) > Settings > Client Secret. A public client says CLIENT_AUTH: 'none'.",
    ),
    "CLIENT_ASSERTION_KEYS": (
        "E041",
        "CLIENT_AUTH",
        "Register the public key: Auth0 Dashboard: Applications > (app) > Credentials.",
    ),
    "CLIENT_CERTIFICATE": ("E044", "CLIENT_AUTH", ""),
}


def _client_auth_problems(conf: Auth0Settings) -> Iterator[Problem]:
    if not conf.client_id:
        yield Problem("E008", "", "needs CLIENT_ID.", "Auth0 Dashboard: Applications > (app) > Settings > Client ID.")
    name, method = conf.client_auth, CLIENT_AUTH_METHODS.get(conf.client_auth)
    if method is None:
        yield Problem("E009", "CLIENT_AUTH", f"must be one of {', '.join(CLIENT_AUTH_METHODS)}.")
    elif method.credential and _needs_credentials(conf) and not getattr(conf, method.credential.lower()):
        id_, key, hint = _WITHOUT[method.credential]
        text = f"needs {method.credential}."
        yield Problem(id_, key, f"{name} {text}" if key else text, hint)
    for key in ("MACHINE_AUDIENCES", "CONNECTED_ACCOUNTS"):
        if getattr(conf, key.lower()) and method is not None and not method.credential:
            hint = "Auth0 gives such tokens to confidential applications only: set CLIENT_AUTH and its credentials."
            yield Problem("E035", key, "is set for a client without credentials.", hint)
    if conf.has_embedded_logins and (method is None or method.credential != "CLIENT_SECRET"):
        yield Problem(
            "W008",
            "",
            "lets visitors log in on this site, but its CLIENT_AUTH sends no client secret.",
            "Auth0 believes auth0-forwarded-for only from a client with a secret. Without it, all visitors share this "
            "server's address, and attack protection locks them out together.",
        )
    if conf.pushed_authorization and name == "none":
        hint = "Auth0 takes pushed requests from confidential applications only."
        yield Problem("W020", "PUSHED_AUTHORIZATION", "is set for a client without credentials.", hint)


def _id_token_problems(conf: Auth0Settings) -> Iterator[Problem]:
    algorithm = conf.id_token_algorithm
    if algorithm not in ID_TOKEN_ALGORITHMS:
        yield Problem("E012", "ID_TOKEN_ALGORITHM", f"must be one of {', '.join(ID_TOKEN_ALGORITHMS)}.")
    elif algorithm == "HS256" and not conf.client_secret:
        yield Problem("E012", "ID_TOKEN_ALGORITHM", "HS256 needs CLIENT_SECRET, the key of the signature.")
    elif algorithm == "HS256" and len(conf.client_secret.encode()) < _HS256_BYTES:
        text = f"is the key of HS256 signatures, and shorter than {_HS256_BYTES} bytes: it can be guessed from an ID token."
        hint = (
            "Auth0 Dashboard: Applications > (app) > Settings > Client Secret: rotate it. Or use RS256. RFC 7518 §3.2."
        )
        yield Problem("W027", "CLIENT_SECRET", text, hint)
    if algorithm == "HS256" and conf.client_auth == "private_key_jwt":
        text = "is HS256, whose key is the client secret, which private_key_jwt replaces."
        hint = "Auth0 does not offer the two together: use RS256."
        yield Problem("W021", "ID_TOKEN_ALGORITHM", text, hint)


def _key_problems(conf: Auth0Settings) -> Iterator[Problem]:
    keys = conf.client_assertion_keys
    for position, entry in enumerate(keys):
        try:
            load_signing_key(**entry)
        except ValueError as error:
            hint = "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out client-key.pem"
            yield Problem(
                "E040", "CLIENT_ASSERTION_KEYS", f"has an entry {position} that can't be used: {error}.", hint
            )
    if conf.signed_requests and not keys:
        text = "needs CLIENT_ASSERTION_KEYS: the newest of them signs the requests."
        hint = "CLIENT_ASSERTION_KEYS implies CLIENT_AUTH private_key_jwt: set CLIENT_AUTH too if it is another one."
        yield Problem("E042", "SIGNED_REQUESTS", text, hint)
    if len(keys) > 2:
        hint = "Auth0 knows at most two per application. If it refuses the newest key, only the next one is tried."
        yield Problem("W022", "CLIENT_ASSERTION_KEYS", "has more than two keys.", hint)
    for key in conf.encryption_keys:
        if len(key) < 32:
            hint = "python -c 'import secrets; print(secrets.token_urlsafe(48))'"
            yield Problem("E017", "ENCRYPTION_KEYS", "has a key under 32 characters.", hint)


def _certificate_problems(conf: Auth0Settings) -> Iterator[Problem]:
    files = conf.certificate_files
    if files is None:
        return
    cert, key = files if isinstance(files, tuple) else (files, None)
    try:
        # A password of "" keeps OpenSSL from asking for one on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert, key, password=lambda: "")
    except (OSError, ValueError):
        text = "can't be used: files are missing, encrypted, not PEM, or don't fit together."
        hint = 'One file with certificate and key, or {"cert": path, "key": path}.'
        yield Problem("E043", "CLIENT_CERTIFICATE", text, hint)


def _duration_problems(conf: Auth0Settings) -> Iterator[Problem]:
    for key in ("REFRESH_MARGIN", "REFRESH_WAIT", "LEEWAY"):
        if not 0 <= getattr(conf, key.lower()) <= 3600:
            yield Problem("E013", key, "must be between 0 and 3600 seconds.")
    if conf.leeway > 300:
        yield Problem("W001", "LEEWAY", "is over 5 minutes.", "60 seconds is what Auth0 uses.")
    if not 0 < conf.http_timeout <= 15:
        yield Problem("E013", "HTTP_TIMEOUT", "must be over 0 and at most 15 seconds.")
    elif conf.refresh_wait <= conf.refresh_lease:
        yield Problem(
            "W038",
            "REFRESH_WAIT",
            f"is {conf.refresh_wait} seconds: after a worker was killed during a refresh, requests answer 503 until "
            f"{conf.refresh_lease:g} seconds are over, {conf.refresh_lease - conf.http_timeout:g} more than HTTP_TIMEOUT.",
            "Leave it out: by default it is long enough, and no request waits longer than the refresh lasts.",
        )


CLIENT_RULES = (
    _client_auth_problems,
    _id_token_problems,
    _key_problems,
    _certificate_problems,
    _duration_problems,
)
