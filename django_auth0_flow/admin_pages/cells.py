"""What stands in a cell: a person by name, address and subject, a moment, a link to a row."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.urls import NoReverseMatch, reverse
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.timezone import is_aware, localtime

from django_auth0_flow.models import Identity


def name_of(user: Any) -> str:
    """Return the full name of a user, else the username."""
    full_name = str(user.get_full_name() or "").strip() if hasattr(user, "get_full_name") else ""
    return full_name or str(user.get_username())


def address_of(user: Any) -> str:
    """Return the e-mail address of a user, "" for none."""
    return str(getattr(user, user.get_email_field_name(), "") or "") if hasattr(user, "get_email_field_name") else ""


def person(user: Any, *, identity: Identity | None = None) -> str:
    """Return the name of a user, with e-mail address and subject below it."""
    name, address = name_of(user), address_of(user)
    lines = [*([address] if address and address != name else []), *([identity.subject] if identity else [])]
    below = format_html_join("", '<br><span class="quiet">{}</span>', ((line,) for line in lines))
    return format_html("{}{}", name, below)


def when(moment: datetime | None) -> str:
    """Return a moment as text, in the same way in lists, on pages and in questions."""
    if moment is None:
        return "-"
    return date_format(localtime(moment) if is_aware(moment) else moment, "DATETIME_FORMAT")


def link_to_row(site_name: str, row: Any, text: str) -> str:
    """Return ``text`` as a link to the page of ``row``, where the admin has one."""
    return _link(site_name, f"{_page(row)}_change", text, args=[row.pk])


def link_to_logins(site_name: str, identity: Identity, text: str) -> str:
    """Return ``text`` as a link to the list of the identity's login sessions."""
    return _link(site_name, "auth0_flow_loginsession_changelist", text, query={"identity__id__exact": identity.pk})


def _page(row: Any) -> str:
    return f"{row._meta.app_label}_{row._meta.model_name}"


def _link(site_name: str, page: str, text: str, *, args: Any = (), query: Any = None) -> str:
    try:
        address = reverse(f"admin:{page}", args=args, current_app=site_name)
    except NoReverseMatch:
        return text
    return format_html('<a href="{}{}">{}</a>', address, f"?{urlencode(query)}" if query else "", text)
