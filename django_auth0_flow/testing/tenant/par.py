"""``POST /oauth/par``: pushed authorization requests (reference 7.1)."""

from __future__ import annotations

import secrets

from flask import Blueprint, Response, request

from .authorization_request import REQUEST_URI_PREFIX, read_request, unpack_request_object
from .client_auth import authenticate_client
from .dpop import check_proof
from .errors import ApiRefusal, PageRefusal
from .model import Application
from .parameters import Parameters, json_response
from .state import TenantState

_LIFETIME = 30
_MAX_SIZE = 10 * 1024
_MAX_EXTENSIONS = 10
_CREDENTIALS = {"client_secret", "client_assertion", "client_assertion_type"}


def par_blueprint(state: TenantState) -> Blueprint:
    blueprint = Blueprint("par", __name__)

    @blueprint.post("/oauth/par")
    def push() -> Response:
        _check_form(state)
        parameters = Parameters.of_body(request)
        application = authenticate_client(state, request, parameters)
        if application.is_public:
            raise ApiRefusal(403, "unauthorized_client", "Only confidential applications may push requests")
        pushed = _pushed(application, parameters)
        jkt = check_proof(state, request, application)
        if jkt is not None:
            pushed.setdefault("dpop_jkt", jkt)
        request_uri = REQUEST_URI_PREFIX + secrets.token_urlsafe(24)
        state.keep("pushed", _unpacked(state, application, pushed), _LIFETIME, value=request_uri)
        return json_response({"request_uri": request_uri, "expires_in": _LIFETIME}, 201)

    return blueprint


def _check_form(state: TenantState) -> None:
    if not state.allow_par:
        raise ApiRefusal(400, "invalid_request", "Pushed Authorization Requests are not enabled")
    if request.mimetype != "application/x-www-form-urlencoded":
        raise ApiRefusal(400, "invalid_request", "The request must be form-encoded")
    if len(request.get_data(cache=True, parse_form_data=False)) > _MAX_SIZE:
        raise ApiRefusal(413, "invalid_request", "The request is too large")


def _pushed(application: Application, parameters: Parameters) -> dict[str, str]:
    pushed = {name: str(value) for name, value in parameters.values.items() if name not in _CREDENTIALS}
    if "request_uri" in pushed:
        raise ApiRefusal(400, "invalid_request", "Parameter 'request_uri' is not allowed here")
    if sum(name.startswith("ext-") for name in pushed) > _MAX_EXTENSIONS:
        raise ApiRefusal(400, "invalid_request", "Too many ext- parameters")
    return {**pushed, "client_id": application.client_id}


def _unpacked(state: TenantState, application: Application, pushed: dict[str, str]) -> dict[str, str]:
    """Return the parameters, a signed request object opened, once they are known to be usable at ``/authorize``."""
    try:
        if "request" in pushed:
            pushed = unpack_request_object(state, application, pushed)
        elif application.require_jar:
            raise PageRefusal(400, "invalid_request", "Signed request objects are required by this application")
        read_request(state, pushed, pushed=True)
    except PageRefusal as refusal:
        code = refusal.title if "_" in refusal.title else "invalid_request"
        raise ApiRefusal(refusal.status, code, refusal.text) from refusal
    return pushed
