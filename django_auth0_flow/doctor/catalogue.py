"""The set-up mistakes: what each one is in plain words, and where in the Auth0 Dashboard to fix it.

Ids with SM are mistakes in the Auth0 Dashboard, ids with D are the rest. An id never changes its meaning. The texts
contain nothing from requests or answers.
"""

from __future__ import annotations

from dataclasses import dataclass

ERROR, WARNING = "error", "warning"

_APP = "Applications > Applications > (app)"
_GRANTS = f"{_APP} > Settings > Advanced Settings > Grant Types: tick {{}}, then Save."
_API = "Applications > APIs > (API)"


@dataclass(frozen=True)
class Mistake:
    """One way to set things up wrongly. ``id`` and ``name`` are stable; ``severity`` is ERROR or WARNING."""

    id: str
    name: str
    cause: str
    fix: str
    severity: str = ERROR


_ALL = (
    # -- reaching the tenant ---------------------------------------------------------------------------------------------
    Mistake(
        "D01",
        "host_unknown",
        "No address can be found for the tenant's host name: it is misspelt, or this machine has no DNS.",
        "Applications > Applications > (app) > Settings > Basic Information: copy Domain into AUTH0['DOMAIN'].",
    ),
    Mistake(
        "D02",
        "tenant_unreachable",
        "The tenant's host does not answer from this machine.",
        "No Dashboard setting. Check this machine's outgoing connections: firewall, proxy (HTTPS_PROXY), "
        "https://status.auth0.com; then the spelling of AUTH0['DOMAIN']. A local tenant has to be started.",
    ),
    Mistake(
        "D03",
        "certificate_refused",
        "The host's TLS certificate is not trusted here, or belongs to another name.",
        "Settings > Custom Domains: finish the verification, if it is a custom domain. Else this machine lacks "
        "the certificate authority, or a proxy of your network signs its own (REQUESTS_CA_BUNDLE).",
    ),
    Mistake(
        "D04",
        "not_a_tenant",
        "The host answers, but has no discovery document: it is not an Auth0 tenant, or the domain is misspelt.",
        "Applications > Applications > (app) > Settings > Basic Information: copy Domain. Custom domain: Settings > "
        "Custom Domains, it must be verified.",
    ),
    Mistake(
        "D05",
        "metadata_incomplete",
        "The discovery document lacks an endpoint, or has one that is not https.",
        "No Dashboard setting: a proxy on the way changes the tenant's answers, or it is not an Auth0 tenant.",
    ),
    Mistake(
        "D06",
        "clock_off",
        "This machine's clock differs from the tenant's: tokens seem to be expired, or not yet valid.",
        "No Dashboard setting: set this machine's clock by NTP.",
    ),
    Mistake(
        "D07",
        "no_usable_answer",
        "The tenant gave no usable answer to this test.",
        "No Dashboard setting: try again; https://status.auth0.com tells of trouble at Auth0.",
    ),
    Mistake(
        "SM41",
        "issuer_differs",
        "The tenant names itself differently from your settings. Every token would be refused.",
        "Settings > Custom Domains: use one host everywhere. AUTH0['DOMAIN'] is the bare host name; AUTH0['ISSUER'] is the "
        "issuer to the letter, at Auth0 with a slash at its end.",
    ),
    Mistake(
        "SM45",
        "no_signing_key",
        "The tenant publishes no RSA key that could sign ID tokens.",
        "Settings > Signing Keys: there must be a current key.",
    ),
    Mistake(
        "D08",
        "algorithm_differs",
        "The keys that the tenant publishes are for another algorithm than AUTH0['ID_TOKEN_ALGORITHM'].",
        f"{_APP} > Settings > Advanced Settings > OAuth > JSON Web Token (JWT) Signature Algorithm. For PS256 beside "
        "RS256: Settings > Advanced > Include Signing Algorithms in JSON Web Key Set off.",
    ),
    Mistake(
        "SM35",
        "end_session_hidden",
        "Discovery announces no end_session_endpoint, so logout goes through /v2/logout, which asks for no ID token: any "
        "web page can log your users out of the tenant.",
        "Settings > Advanced > Login and Logout > RP-Initiated Logout End Session Endpoint Discovery: on.",
        WARNING,
    ),
    # -- /authorize ------------------------------------------------------------------------------------------------------
    Mistake(
        "SM10",
        "callback_not_allowed",
        "The callback URL is not registered with the application, character by character: scheme, host, port, path, slash.",
        f"{_APP} > Settings > Application URIs > Allowed Callback URLs: add the URL, then Save.",
    ),
    Mistake(
        "SM12",
        "client_unknown",
        "The tenant has no application with this client id: it is misspelt, or belongs to another tenant.",
        f"{_APP} > Settings > Basic Information: copy Domain and Client ID.",
    ),
    Mistake(
        "SM03",
        "code_grant_off",
        "The application may not use the Authorization Code grant, for instance because its type is Machine to Machine.",
        f"{_GRANTS.format('Authorization Code')} Or create a Regular Web Application.",
    ),
    Mistake(
        "SM09",
        "implicit_grant_off",
        "AUTH0['RESPONSE_TYPE'] asks for a token from /authorize, and the application may not use the Implicit grant.",
        f"{_GRANTS.format('Implicit')} Better: RESPONSE_TYPE 'code', which needs no tick.",
    ),
    Mistake(
        "SM14",
        "audience_unknown",
        "No API of the tenant has the identifier in AUTH0['AUDIENCE'].",
        "Applications > APIs: create the API, or copy its Identifier to the letter, a slash at the end included.",
    ),
    Mistake(
        "SM70",
        "default_audience_unknown",
        "AUTH0 has no AUDIENCE, and the tenant's Default Audience is no API of it.",
        "Settings > General > API Authorization Settings > Default Audience: empty it, then Save.",
    ),
    Mistake(
        "SM17",
        "api_access_refused",
        "The application may not ask for tokens of the API in AUTH0['AUDIENCE'] in a user's name.",
        f"{_API} > Settings > Application Access Policy > User-Delegated Access: All apps allowed. Or {_API} > Application "
        "Access: grant this application.",
    ),
    Mistake(
        "SM24",
        "no_connection",
        "No connection is enabled for the application, so no one can log in.",
        f"{_APP} > Connections: enable one. E-mail or SMS only: Authentication > Authentication Profile > Identifier "
        "First.",
    ),
    Mistake(
        "SM25",
        "organization_missing",
        "The application wants an organization with every login, and none is configured.",
        f"{_APP} > Login Experience: Individuals or Both, or choose a prompt. Or set AUTH0['ORGANIZATION'].",
    ),
    Mistake(
        "SM26",
        "organization_not_wanted",
        "The application accepts no organizations, and your settings name one.",
        f"{_APP} > Login Experience: Business Users or Both.",
    ),
    Mistake(
        "SM27",
        "organization_unknown",
        "The tenant has no such organization.",
        "Organizations > (org): copy its ID into the settings.",
    ),
    Mistake(
        "SM28",
        "organization_names_off",
        "Your settings give the organization's name, and the tenant takes ids only.",
        "Settings > Advanced > Settings > Allow Organization Names in Authentication API: on. Or use the ID (org_...).",
    ),
    Mistake(
        "SM60",
        "pushed_request_required",
        "The application accepts authorization requests only if they are pushed or signed beforehand.",
        f"{_APP} > Settings > Authorization Requests > Require Pushed Authorization Requests: off. Or turn "
        "PUSHED_AUTHORIZATION on in AUTH0 (SIGNED_REQUESTS where signed requests are required).",
    ),
    Mistake(
        "SM62",
        "sign_up_off",
        "AUTHORIZATION_PARAMS asks for the sign-up page, and sign-ups are off.",
        "Authentication > Database > (connection) > Settings > Disable Sign Ups: off. Or drop screen_hint.",
    ),
    Mistake(
        "SM85",
        "no_session_expiry",
        "The connection wants to know when the identity provider's session ends, and the provider does not say.",
        "Authentication > Enterprise > (connection) > Settings > Use ID Token for Session Expiry: off.",
    ),
    Mistake(
        "SM68",
        "third_party_application",
        "The client id is that of a third-party application: it gets no ID tokens, so no one can log in with it.",
        "Applications > Applications > Create Application: Regular Web Application. A third-party one can't be converted.",
    ),
    Mistake(
        "SM48",
        "developer_keys",
        "The social connection uses Auth0's developer keys: no single sign-on, and not for production.",
        "Authentication > Social > (connection): enter your own Client ID and Client Secret.",
        WARNING,
    ),
    Mistake(
        "D09",
        "authorize_refused",
        "The tenant refuses the authorization request for a reason that the doctor does not know.",
        "Monitoring > Logs: the newest entry shows the reason.",
    ),
    Mistake(
        "D10",
        "errors_stay_at_tenant",
        "Errors of a login stay on the tenant's own page instead of coming back to the callback.",
        "Monitoring > Logs: the newest entry shows why. A third-party application does so: create a first-party one.",
        WARNING,
    ),
    Mistake(
        "D11",
        "issuer_parameter_wrong",
        "The tenant announces that its answers name their issuer, but this one does not, or names another.",
        "Tenant Settings > Include Issuer in Authorization Responses; with a custom domain use that host everywhere.",
    ),
    Mistake(
        "D17",
        "other_local_name_not_allowed",
        "This machine has two names, localhost and 127.0.0.1, and only one callback is registered. Logins that begin at "
        "the other name, which runserver may print, end on the tenant's error page.",
        f"{_APP} > Settings > Application URIs > Allowed Callback URLs: add the URL, then Save. Or open the site at the "
        "registered name only.",
        WARNING,
    ),
    Mistake(
        "D12",
        "callback_plain_http",
        "The callback URL is plain http: codes and session cookies can be read on their way.",
        "No Dashboard setting: serve the site by https; behind a proxy set SECURE_PROXY_SSL_HEADER or AUTH0['BASE_URL'].",
        WARNING,
    ),
    # -- /oauth/par ------------------------------------------------------------------------------------------------------
    Mistake(
        "SM59",
        "pushed_requests_off",
        "AUTH0['PUSHED_AUTHORIZATION'] is on, and the tenant or the application can't take pushed authorization requests.",
        "Settings > Advanced > Allow Pushed Authorization Requests (PAR): on. The application must have credentials.",
    ),
    # -- /oauth/token ----------------------------------------------------------------------------------------------------
    Mistake(
        "SM13",
        "client_rejected",
        "The client secret is wrong or was rotated, the application authenticates otherwise than AUTH0['CLIENT_AUTH'], or "
        "the tenant does not know the client id: its answer does not say which.",
        f"{_APP} > Settings: copy Client ID and Client Secret; Credentials: check the Authentication Method.",
    ),
    Mistake(
        "SM71",
        "signature_rejected",
        "The tenant refuses what this site signs, a client assertion or an authorization request: the key is not "
        "registered, or this machine's clock is wrong.",
        f"{_APP} > Credentials: Authentication Method Private Key JWT where it is used, and the public key of "
        "AUTH0['CLIENT_ASSERTION_KEYS'] with its algorithm.",
    ),
    Mistake(
        "SM04",
        "refresh_grant_off",
        "SCOPE has offline_access, and the application may not use refresh tokens: logins end with the first access token.",
        _GRANTS.format("Refresh Token"),
    ),
    Mistake(
        "SM37",
        "no_refresh_token",
        "SCOPE asks for offline_access, and the last login brought no refresh token, without an error: such a login is "
        "over when its first access token expires.",
        f"{_API} > Settings > Access Settings > Allow Offline Access: on. If SCOPE was changed after that login, log in "
        "once more and look again.",
        WARNING,
    ),
    Mistake(
        "SM01",
        "password_grant_off",
        "The application may not log users in with a password.",
        _GRANTS.format("Password"),
    ),
    Mistake(
        "SM06",
        "password_grant_off",
        "The application may not log users in with a password.",
        _GRANTS.format("Password"),
    ),
    Mistake(
        "SM02",
        "default_directory_missing",
        "The tenant's Default Directory is empty or misspelt, so it does not know where to look the password up.",
        "Authentication > Database: copy the connection's name; Settings > General > API Authorization Settings > "
        "Default Directory: paste it, then Save. Or name the connection in AUTH0['PASSWORD_REALM'].",
    ),
    Mistake(
        "SM20",
        "audience_unknown",
        "No API of the tenant has the identifier in AUTH0['AUDIENCE'].",
        "Applications > APIs: create the API, or copy its Identifier to the letter, a slash at the end included.",
    ),
    Mistake(
        "D13",
        "realm_unknown",
        "The connection in AUTH0['PASSWORD_REALM'], or the passwordless one, is not enabled for this application.",
        f"{_APP} > Connections: switch it on. Its name is under Authentication.",
    ),
    Mistake(
        "SM07",
        "passwordless_grant_off",
        "The application may not log users in with a code.",
        _GRANTS.format("Passwordless OTP"),
    ),
    Mistake(
        "SM08",
        "mfa_grant_off",
        "The application may not ask for a second factor itself: users who have one can't log in on this site's own pages.",
        _GRANTS.format("MFA"),
        WARNING,
    ),
    Mistake(
        "SM55",
        "attempts_blocked",
        "Attack protection refuses password logins from this machine: it saw too many failures from this one address.",
        f"{_APP} > Settings > Advanced Settings > OAuth > Trust Token Endpoint IP Header: on, and set "
        "AUTH0['TRUSTED_PROXY_COUNT']; Security > Attack Protection: put this machine on the allow-list.",
    ),
    Mistake(
        "SM57",
        "bot_detection",
        "Bot detection refuses password logins that do not come through the tenant's own page.",
        "Security > Attack Protection > Bot Detection: off, or let people log in on the tenant's page only.",
        WARNING,
    ),
    Mistake(
        "SM61",
        "sender_constraining_differs",
        "The tenant and AUTH0['DPOP'] don't agree on whether tokens are bound to a key.",
        f"{_APP} > Settings > Token Sender-Constraining, and {_API} > Settings the same.",
    ),
    Mistake(
        "SM63",
        "passwordless_connection_off",
        "The passwordless connection does not exist, or is not enabled for this application.",
        "Authentication > Passwordless > Email or SMS: switch it on, then its Applications tab: tick this application.",
    ),
    Mistake(
        "SM64",
        "passwordless_client_rejected",
        "The tenant refuses the client's credentials at /passwordless/start, though it knows them at the token endpoint.",
        f"{_APP} > Credentials: check the Authentication Method. {_APP} > Settings > Client Secret: copy it.",
    ),
    Mistake(
        "SM05",
        "machine_grant_off",
        "The application may not ask for tokens of its own (client credentials): its type is Single Page or Native, or the "
        "grant is off.",
        f"{_GRANTS.format('Client Credentials')} Single Page and Native applications can't have it: use another type.",
    ),
    Mistake(
        "SM15",
        "machine_audience_unknown",
        "No API of the tenant has the identifier that a machine token is asked for.",
        "Applications > APIs: create the API, or copy its Identifier to the letter, a slash at the end included.",
    ),
    Mistake(
        "SM16",
        "machine_access_missing",
        "The application is not authorized for the API that a machine token is asked for.",
        f"{_API} > Application Access (older: Machine to Machine Applications) > (app) > Client Access: Grant Access, and "
        "tick the permissions.",
    ),
    Mistake(
        "SM19",
        "machine_scope_missing",
        "The application has not been granted a scope that a machine token is asked for.",
        f"{_API} > Application Access > (app): tick the permission. Leave openid and the like out: there is no user.",
    ),
    Mistake(
        "SM73",
        "machine_quota_used_up",
        "The application or organization has used up its quota of machine tokens.",
        "No Dashboard setting: the Management API's token_quota. Look for another program that asks for each call anew.",
    ),
    Mistake(
        "SM74",
        "requested_token_type_sent",
        "A token exchange names the type of token that it wants, and Auth0 refuses that for types of your own.",
        "No Dashboard setting: leave requested_token_type out of what goes beside the token.",
    ),
    Mistake(
        "SM75",
        "no_session_transfer",
        "No session transfer token can be had: the feature or the application's flag is off, or the Action sets no actor.",
        "Actions > Library: setActor(). The flag is session_transfer.can_create_session_transfer_token (Management API).",
    ),
    Mistake(
        "SM76",
        "factor_in_delegated_exchange",
        "A token exchange with an actor would need a second factor, which Auth0 does not support.",
        "Actions > Triggers > post-login: demand no factor where event.transaction.protocol is oauth2-token-exchange.",
    ),
    Mistake(
        "SM79",
        "exchange_grant_off",
        "The application may not exchange tokens. Custom Token Exchange is switched on by the Management API "
        "(token_exchange.allow_any_profile_of_type); only a custom API client may act on behalf of its callers.",
        _GRANTS.format("Token Vault, if it is that"),
    ),
    Mistake(
        "SM90",
        "my_account_api_off",
        "AUTH0['CONNECTED_ACCOUNTS'] needs the My Account API, which is not active or not open to this application.",
        "Applications > APIs > MyAccount API: Activate; (API) > Application Access > (app) > User Access: Authorized, and "
        "tick the permissions for connected accounts.",
    ),
    Mistake(
        "SM91",
        "no_my_account_policy",
        "Refresh tokens of this application give no token for the My Account API, or one without its scopes.",
        f"{_APP} > Multi-Resource Refresh Token > Edit Configuration: My Account API, with the permissions for connected "
        "accounts; (API) > Settings > Access Settings > Allow Skipping User Consent. Use one domain everywhere.",
    ),
    Mistake(
        "SM92",
        "my_account_second_factor",
        "The My Account API demands a second factor, and this user has none, or proved it too long ago.",
        "Applications > APIs > My Account API > Settings > Default Policy > Require 2FA. The user logs in again.",
    ),
    Mistake(
        "SM93",
        "my_account_payload",
        "The My Account API refuses the connection, its scopes or the address to come back to.",
        "Authentication > Social or Enterprise > (connection) > Purpose: Connected Accounts for Token Vault, and its "
        f"Applications tab; {_APP} > Settings > Allowed Callback URLs. Compare AUTH0['CONNECTED_ACCOUNTS'].",
    ),
    Mistake(
        "SM83",
        "public_sign_up_off",
        "AUTH0['SIGN_UP_FIELDS'] offers a sign-up page, and the connection in AUTH0['PASSWORD_REALM'] takes no sign-ups.",
        "Authentication > Database > (connection) > Settings > Disable Sign Ups: off. Or drop SIGN_UP_FIELDS.",
    ),
    Mistake(
        "D16",
        "grant_off",
        "The application may not use this kind of login.",
        _GRANTS.format("the kind of login"),
    ),
    Mistake(
        "D14",
        "token_request_refused",
        "The tenant refuses this kind of token request for a reason that the doctor does not know.",
        "Monitoring > Logs: the newest entry shows the reason.",
    ),
    Mistake(
        "SM40",
        "audience_missing",
        "AUTH0 has API_ORIGINS but no AUDIENCE: access tokens will be good for /userinfo only, and APIs can't read them.",
        "Applications > APIs > (API): copy Identifier into AUTH0['AUDIENCE'].",
        WARNING,
    ),
    # -- logout, limits --------------------------------------------------------------------------------------------------
    Mistake(
        "SM33",
        "logout_url_not_allowed",
        "The address to come back to after logout is not registered: users would end on an error page.",
        f"{_APP} > Settings > Application URIs > Allowed Logout URLs: add the URL, then Save.",
    ),
    Mistake(
        "SM34",
        "logout_url_not_allowed",
        "The address to come back to after logout is not registered to the letter: users would end on an error page.",
        f"{_APP} > Settings > Application URIs > Allowed Logout URLs: add the URL, then Save.",
    ),
    Mistake(
        "D15",
        "logout_refused",
        "The tenant's logout address does not work: users would end on an error page.",
        "Monitoring > Logs: the newest entry shows why. Another provider than Auth0 needs an end_session_endpoint.",
    ),
    Mistake(
        "SM69",
        "rate_limited",
        "The tenant's rate limit is used up, or nearly so.",
        "Settings > General > Environment Tag: Production, where the plan has higher limits. Look for something else that "
        "asks this tenant often.",
    ),
    Mistake(
        "D99",
        "test_failed",
        "The doctor itself failed at this test: a mistake in django-auth0-flow.",
        "No Dashboard setting: please report it with the name of the exception.",
    ),
)

MISTAKES = {mistake.id: mistake for mistake in _ALL}
