"""Which set-up mistake a refusal shows. The text decides: Auth0's status codes vary, its texts hardly do."""

from __future__ import annotations

#: (part of the text in lower case, id of the mistake), the most telling first.
_BY_TEXT: tuple[tuple[str, str], ...] = (
    ("callback url mismatch", "SM10"),
    ("list of allowed callback urls", "SM10"),
    ("unknown client", "SM12"),
    ("grant type 'implicit' not allowed", "SM09"),
    ("grant type 'authorization_code' not allowed", "SM03"),
    ("grant type 'refresh_token' not allowed", "SM04"),
    ("grant type 'password' not allowed", "SM01"),
    ("grant type 'http://auth0.com/oauth/grant-type/password-realm' not allowed", "SM06"),
    ("grant type 'http://auth0.com/oauth/grant-type/passwordless/otp' not allowed", "SM07"),
    ("grant type 'http://auth0.com/oauth/grant-type/mfa-", "SM08"),
    ("grant type 'client_credentials' not allowed", "SM05"),
    ("not configured with default connection", "SM02"),
    ("service not enabled within domain", "SM15"),
    ('need to create a "client-grant"', "SM16"),
    ("client has not been granted scopes", "SM19"),
    ("client quota exceeded", "SM73"),
    ("grant type 'urn:", "SM79"),
    ("subject_token_type and requested_token_type combination", "SM74"),
    ("setactor is required", "SM75"),
    ("session transfer tokens cannot be requested", "SM75"),
    ("mfa is not supported using actor_token", "SM76"),
    ("invalid audience specified", "SM20"),
    ("service not found", "SM14"),
    ("is not authorized to access resource server", "SM17"),
    ("no connections enabled for the client", "SM24"),
    ("parameter organization is required", "SM25"),
    ("parameter organization is not allowed", "SM26"),
    ("parameter organization is invalid", "SM27"),
    ("must be an organization id", "SM28"),
    ("signup is disabled", "SM62"),
    ("did not return a session_expiry claim", "SM85"),
    ('in "allowed logout urls"', "SM33"),
    ("global limit has been reached", "SM69"),
    ("rate limit exceeded", "SM69"),
    ("invalid_redirect_uri", "SM10"),  # other providers' words
    ("client is invalid", "SM12"),
    ("invalid_request_object", "SM71"),
    ("pushed authorization request", "SM60"),  # from here on the wording is not documented
    ("signed request object", "SM60"),
)
#: Words that count in the description of an OAuth error only, not on a page.
_BY_WORD = (("dpop", "SM61"), ("realm", "D13"))
_BY_ERROR = {
    "bad.connection": "SM63",
    "bad.client_id": "SM12",
    "public signup is disabled": "SM83",
    "unmet_authentication_requirements": "SM92",
    "audience_not_granted": "SM91",
    "requires_verification": "SM57",
    "too_many_attempts": "SM55",
    "too_many_requests": "SM69",
    "use_dpop_nonce": "SM61",
    "invalid_dpop_proof": "SM61",
    "invalid_client": "SM13",
    "invalid_request_object": "SM71",
}


def find_mistake(error: str, text: str, status: int | None = None) -> str | None:
    """Return the id of the mistake that a refusal tells of, or None if it tells of none that is known.

    ``error`` is the OAuth error word, "" where there is none; ``text`` its description, or that of a page.
    """
    found = find_by_text(text) or _BY_ERROR.get(error)
    if found in ("SM14", "SM17") and "/me/" in text:  # Auth0: by analogy; the My Account API's identifier ends so
        return "SM90"
    if found is None and status == 401 and error in ("access_denied", ""):
        return "SM13"
    if found is None and error:
        return next((mistake for word, mistake in _BY_WORD if word in text.lower()), None)
    return found


def find_by_text(text: str) -> str | None:
    """Return the id of the mistake that part of ``text`` tells of."""
    lowered = text.lower()
    return next((mistake for part, mistake in _BY_TEXT if part in lowered), None)


def telling_part(text: str) -> int:
    """Return where in ``text`` the part stands that tells of a mistake, 0 if there is none."""
    lowered = text.lower()
    return next((lowered.find(part) for part, _ in _BY_TEXT if part in lowered), 0)
