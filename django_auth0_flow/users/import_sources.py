"""Where other packages keep the subjects of users. Read only: by their models if installed, else by their tables."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.exceptions import FieldError
from django.db import connections, router

_BATCH = 1000

_SUBJECT_COLUMNS = ("sub", "user_id")

_TRUE = frozenset(["true", "1", "yes"])


class CannotRead(Exception):
    """The source is not there or not as expected; the text says what helps."""


@dataclass(frozen=True)
class Found:
    """What a source says: the user with this primary key is that subject. ``where``: the place in the source.

    ``problem``: why this can't be used. ``is_guess``: the source may hold something else than subjects.
    """

    user: Any
    subject: str
    where: str
    problem: str = ""
    is_guess: bool = False


def read_user_field(field: str) -> Iterator[Found]:
    """Read subjects that a project kept in a field of its users, or of a model beside them: ``profile__sub``.

    Raises CannotRead.
    """
    for pk, value in _users_with(field):
        yield Found(pk, "" if value is None else str(value), f"user {pk}", is_guess=True)


def _users_with(field: str) -> Iterator[tuple[Any, Any]]:
    model = get_user_model()
    users = model._base_manager.using(router.db_for_read(model)).order_by("pk")
    try:
        rows = users.values_list("pk", *({field} - {"pk"}))  # Django 5.2.0 gives a field named twice once
    except FieldError as error:
        raise CannotRead(f"{model._meta.label} has no field {field!r}.") from error
    for row in rows.iterator(chunk_size=_BATCH):
        yield row[0], row[-1]


@dataclass(frozen=True)
class AccountTable:
    """A package's table of accounts: user_id, provider, uid. ``providers``: the names that mean Auth0 for sure."""

    package: str
    model: str
    table: str
    providers: tuple[str, ...]


SOCIAL_AUTH = AccountTable(
    "social-auth-app-django",
    "social_django.UserSocialAuth",
    "social_auth_usersocialauth",
    ("auth0", "auth0_openidconnect", "auth0-openidconnect"),
)

ALLAUTH = AccountTable("django-allauth", "socialaccount.SocialAccount", "socialaccount_socialaccount", ("auth0",))


def read_accounts(source: AccountTable, providers: Sequence[str] = ()) -> Iterator[Found]:
    """Read the accounts of these providers. Raises CannotRead; if there are none, it names the providers there are."""
    wanted = set(providers or source.providers)
    others: dict[str, int] = defaultdict(int)
    count = 0
    for user, provider, uid in _accounts(source):
        if provider not in wanted:
            others[str(provider)] += 1
            continue
        count += 1
        yield Found(user, str(uid), f"account {provider} {uid}")
    if not count:
        there = ", ".join(f"{name} ({number})" for name, number in sorted(others.items())) or "none at all"
        raise CannotRead(
            f"{source.table} has no accounts of {', '.join(sorted(wanted))}. It has: {there}. "
            "Name those that come from this tenant with --provider."
        )


def _accounts(source: AccountTable) -> Iterator[tuple[Any, str, str]]:
    try:
        model: Any = apps.get_model(source.model)
    except LookupError:
        yield from _table_rows(source)
        return
    rows = model._base_manager.using(router.db_for_read(model)).order_by("pk")
    yield from rows.values_list("user_id", "provider", "uid").iterator(chunk_size=_BATCH)


def _table_rows(source: AccountTable) -> Iterator[tuple[Any, str, str]]:
    """Read the table that a package left behind in the users' database."""
    connection = connections[router.db_for_read(get_user_model())]
    with connection.cursor() as cursor:
        if source.table not in connection.introspection.table_names(cursor):
            raise CannotRead(
                f"{source.package} is not in INSTALLED_APPS, and the database has no table {source.table}."
            )
        name = connection.ops.quote_name(source.table)
        cursor.execute(f"SELECT user_id, provider, uid FROM {name} ORDER BY id")  # noqa: S608 - the name is ours
        while rows := cursor.fetchmany(_BATCH):
            yield from rows


def read_csv(path: Path, field: str) -> Iterator[Found]:
    """Read a CSV file with a header: ``sub`` (or ``user_id``, as Auth0's export says), and the users' ``field``.

    The owner of an e-mail address is known only once it is verified, so that field needs a column ``email_verified``.
    Raises CannotRead.
    """
    email_field = str(getattr(get_user_model(), "EMAIL_FIELD", ""))
    is_email = field == email_field
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.DictReader(file)
            header = [name.strip() for name in lines.fieldnames or []]
            lines.fieldnames = header
            column = next((name for name in _SUBJECT_COLUMNS if name in header), None)
            wanted = [field, "email_verified"] if is_email else [field]
            if column is None or not set(wanted) <= set(header):
                raise CannotRead(f"{path} needs a header with sub (or user_id) and {', '.join(wanted)}.")
            users = _index(field, is_email=is_email)
            for line in lines:
                yield _judge(line, lines.line_num, column, field, users, is_email=is_email)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CannotRead(f"{path} can't be read as CSV in UTF-8: {error}") from error


def _index(field: str, *, is_email: bool) -> dict[str, list[Any]]:
    """Return the users by their value of ``field``. Compared here, since databases differ in what they take for equal."""
    index: dict[str, list[Any]] = defaultdict(list)
    for pk, value in _users_with(field):
        if value not in (None, ""):
            index[_comparable(str(value), is_email=is_email)].append(pk)
    return index


def _comparable(value: str, *, is_email: bool) -> str:
    """Fold the case of plain addresses only: other letters fold into those of another person's address."""
    return value.lower() if is_email and value.isascii() else value


def _judge(
    line: dict[str, Any], number: int, column: str, field: str, users: dict[str, list[Any]], *, is_email: bool
) -> Found:
    subject, value = _cell(line.get(column)), _cell(line.get(field))
    where = f"line {number}"
    if is_email and _cell(line.get("email_verified")).lower() not in _TRUE:
        return Found(None, subject, where, "the e-mail address is not verified at the tenant")
    fitting = users.get(_comparable(value, is_email=is_email), []) if value else []
    if len(fitting) != 1:
        count = "no user has" if not fitting else f"{len(fitting)} users have"
        return Found(None, subject, where, f"{count} this {field}")
    return Found(fitting[0], subject, where)


def _cell(value: object) -> str:
    """Return a cell's text. Auth0's export puts an apostrophe before each text, so that no spreadsheet runs it."""
    return value.strip().removeprefix("'") if isinstance(value, str) else ""
