"""``settings.AUTH0``: parsed once, the only reader of its keys; what is wrong with it; the clients of this process."""

from __future__ import annotations

from django_auth0_flow.conf.parsing import find_problems, parse_settings
from django_auth0_flow.conf.registry import (
    CHOOSER,
    chosen_configuration,
    clear_caches,
    configuration_for,
    configuration_names,
    configurations,
    draft_settings,
    find_chooser_problems,
    get_client,
    get_settings,
    is_simulated,
    names_of_client,
    push_client_builder,
    readable_settings,
    remove_client_builder,
    unlinked_issuers,
)
from django_auth0_flow.conf.settings import DEFAULT, Auth0Settings

__all__ = [
    "CHOOSER",
    "DEFAULT",
    "Auth0Settings",
    "chosen_configuration",
    "clear_caches",
    "configuration_for",
    "configuration_names",
    "configurations",
    "draft_settings",
    "find_chooser_problems",
    "find_problems",
    "get_client",
    "get_settings",
    "is_simulated",
    "names_of_client",
    "parse_settings",
    "push_client_builder",
    "readable_settings",
    "remove_client_builder",
    "unlinked_issuers",
]
