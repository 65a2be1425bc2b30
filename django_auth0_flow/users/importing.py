"""Link existing users to identities: first a plan of new links and conflicts, then the links."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import router, transaction

from django_auth0_flow.conf import Auth0Settings
from django_auth0_flow.models import Identity
from django_auth0_flow.users.import_sources import Found

_BATCH = 500

_MAX_SUBJECT = 255


@dataclass(frozen=True)
class Conflict:
    """A link that is not made, and why."""

    where: str
    subject: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.subject or '(no subject)'}: {self.reason}"


@dataclass
class Plan:
    """What an import would do. ``new``: subject to primary key of the user."""

    issuer: str
    new: dict[str, Any] = field(default_factory=dict)
    present: int = 0
    passed_over: int = 0
    conflicts: list[Conflict] = field(default_factory=list)


def build_plan(conf: Auth0Settings, found: Iterable[Found]) -> Plan:
    """Compare what a source says with users and identities. Nothing is written; what is in doubt is a conflict."""
    plan = Plan(conf.issuer)
    claims: dict[str, dict[Any, str]] = defaultdict(dict)
    for item in found:
        problem = item.problem or _subject_problem(conf, item.subject)
        if problem and item.is_guess:
            plan.passed_over += 1
        elif problem:
            plan.conflicts.append(Conflict(item.where, item.subject, problem))
        else:
            claims[item.subject].setdefault(item.user, item.where)
    single = {}
    for subject, users in claims.items():
        if len(users) > 1:
            names = ", ".join(map(str, sorted(users)))
            plan.conflicts.append(
                Conflict(next(iter(users.values())), subject, f"it stands for several users: {names}")
            )
        else:
            single[subject] = next(iter(users.items()))
    for part in _batches(single):
        _judge(plan, part)
    return plan


def apply_plan(plan: Plan) -> int:
    """Store the new identities and return how many those are; each batch is one transaction.

    A link that a login has made meanwhile is not overwritten: it becomes a conflict.
    """
    alias = router.db_for_write(Identity)
    stored = 0
    for part in _batches(plan.new):
        rows = [
            Identity(key=Identity.key_for(plan.issuer, subject), issuer=plan.issuer, subject=subject, user_id=user)
            for subject, user in part.items()
        ]
        with transaction.atomic(using=alias):
            Identity.objects.using(alias).bulk_create(rows, ignore_conflicts=True)
        owners = _owners(plan.issuer, part)
        for subject, user in part.items():
            if owners.get(subject) == user:
                stored += 1
            else:
                reason = "it was linked to another user while this ran, or could not be stored"
                plan.conflicts.append(Conflict(f"user {user}", subject, reason))
    return stored


def _subject_problem(conf: Auth0Settings, subject: str) -> str:
    if not subject:
        return "it is empty"
    if len(subject) > _MAX_SUBJECT or not subject.isprintable() or subject != subject.strip():
        return "it can't be a subject"
    if conf.domain and "|" not in subject:
        return "it is not an Auth0 user id, such as auth0|5f7c8ec7c33c6c004bbafe82"
    return ""


def _judge(plan: Plan, part: Mapping[str, tuple[Any, str]]) -> None:
    """Sort one batch into new, present and conflicts."""
    model = get_user_model()
    keys = {subject: _primary_key(model, user) for subject, (user, _) in part.items()}
    users = model._base_manager.using(router.db_for_read(model))
    living = set(users.filter(pk__in=[key for key in keys.values() if key is not None]).values_list("pk", flat=True))
    owners = _owners(plan.issuer, part)
    for subject, (user, where) in part.items():
        key, owner = keys[subject], owners.get(subject)
        if key not in living:
            plan.conflicts.append(Conflict(where, subject, f"there is no user {user}"))
        elif owner is None:
            plan.new[subject] = key
        elif owner == key:
            plan.present += 1
        else:
            reason = f"the source says user {key}, but it has logged in here as user {owner} already"
            plan.conflicts.append(Conflict(where, subject, reason))


def _primary_key(model: Any, value: Any) -> Any:
    """Return a value from a foreign table as the user model's primary key, None if it can't be one."""
    try:
        return model._meta.pk.to_python(value)
    except ValidationError:
        return None


def _owners(issuer: str, subjects: Iterable[str]) -> dict[str, Any]:
    """Return the users' primary keys of those subjects that have an identity."""
    keys = {Identity.key_for(issuer, subject): subject for subject in subjects}
    rows = Identity.objects.using(router.db_for_write(Identity)).filter(key__in=keys)
    return {keys[key]: user for key, user in rows.values_list("key", "user_id")}


def _batches(mapping: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    items = iter(mapping.items())
    while part := dict(islice(items, _BATCH)):
        yield part
