"""Queries whose SQL is made once, over the models that a site may have for its users: the ORM's own answer is right."""

# ruff: noqa: DJ008  # nobody looks at these models
from __future__ import annotations

import gc
import uuid
import weakref
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from threading import Thread
from typing import Any

import pytest
from django.db import connection, connections, models
from django.db.models.signals import post_init
from django.test.utils import isolate_apps

from django_auth0_flow.models import Identity
from django_auth0_flow.storage.prepared_queries import PreparedQuery
from django_auth0_flow.users.mapping import find_identity

pytestmark = pytest.mark.django_db(transaction=True)


class SaltedField(models.CharField):  # type: ignore[type-arg]
    """Read by an expression with a parameter of its own, as fields that the database decrypts."""

    def select_format(self, compiler: Any, sql: str, params: Any) -> tuple[str, Any]:
        return f"REPLACE({sql}, %s, %s)", [*params, "salt:", ""]

    def get_prep_value(self, value: Any) -> str:
        return f"salt:{value}"


def _models() -> dict[str, Any]:
    class Hidden(models.Manager):  # type: ignore[type-arg]
        def get_queryset(self) -> Any:
            return super().get_queryset().filter(name="nobody").defer("notes")

    class Person(models.Model):
        name = models.CharField(max_length=20, db_column="order by name")
        notes: Any = models.JSONField(default=dict)
        born: Any = models.DateField(null=True)
        seen: Any = models.DateTimeField(null=True)
        worth: Any = models.DecimalField(max_digits=8, decimal_places=3, null=True)
        is_active = models.BooleanField(default=True)
        token = models.UUIDField(default=uuid.uuid4)
        shift: Any = models.DurationField(null=True)
        photo: Any = models.BinaryField(default=b"")

        objects = Hidden()
        everybody: models.Manager[Any] = models.Manager()

        class Meta:
            app_label = "prepared"
            db_table = "swapped people"

    class Employee(Person):
        number = models.IntegerField(default=7)

        class Meta:
            app_label = "prepared"

    class Nickname(Person):
        class Meta:
            app_label = "prepared"
            proxy = True

    class Uncommon(models.Model):
        code = models.UUIDField(primary_key=True, default=uuid.uuid4)
        name = SaltedField(max_length=40)
        read = 0

        class Meta:
            app_label = "prepared"

        @classmethod
        def from_db(cls, *args: Any, **kwargs: Any) -> Any:
            row = super().from_db(*args, **kwargs)
            row.read = 1
            return row

    return {model.__name__: model for model in (Person, Employee, Nickname, Uncommon)}


@pytest.fixture(params=["Person", "Employee", "Nickname", "Uncommon"])
def link(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A model with a foreign key to another one, as identities have one to the user model."""
    with isolate_apps("tests.storage"):
        made = _models()

        class Link(models.Model):
            key = models.CharField(max_length=20)
            user = models.ForeignKey(made[request.param], models.CASCADE)

            class Meta:
                app_label = "prepared"

        made = {**{name: model for name, model in made.items() if not model._meta.proxy}, "Link": Link}
        with connection.schema_editor() as editor:
            for model in made.values():
                editor.create_model(model)
        yield Link
        with connection.schema_editor() as editor:
            for model in reversed(made.values()):
                editor.delete_model(model)


def facts(row: Any) -> dict[str, Any]:
    """Return everything about a row that was read, private notes included."""
    found = {name: value for name, value in vars(row).items() if name != "_state"}
    state = {"db": row._state.db, "adding": row._state.adding, "cached": sorted(row._state.fields_cache)}
    return {"class": type(row), "deferred": row.get_deferred_fields(), **state, **found}


def test_rows_are_those_of_the_orm(link: Any) -> None:
    user_model = link._meta.get_field("user").related_model
    values = {
        "notes": {"a": [1, None]},
        "born": date(1815, 12, 10),
        "worth": Decimal("1.250"),
        "shift": timedelta(hours=8, microseconds=3),
        "photo": b"\x00\xff",
    }
    values = {name: value for name, value in values.items() if name in {f.name for f in user_model._meta.fields}}
    for key in ("full", "empty"):
        user = user_model(name=key, **(values if key == "full" else {}))
        user.save()
        link.objects.create(key=key, user=user)
    query = PreparedQuery(
        link, lambda alias: link.objects.using(alias).select_related("user").filter(key=""), related="user"
    )
    made: list[Any] = []

    def note(sender: Any, instance: Any, **kwargs: Any) -> None:
        made.append(type(instance))

    for key in ("full", "empty", "full"):
        (expected,) = link.objects.select_related("user").filter(key=key)
        post_init.connect(note)
        try:
            (found,) = query.rows("default", key)
        finally:
            post_init.disconnect(note)
        assert facts(found) == facts(expected)
        assert facts(found.user) == facts(expected.user)
        assert found.user.name == key
        assert sorted(map(str, made)) == sorted(map(str, [link, user_model]))
        made.clear()
    assert query.rows("default", "no such key") == []


class NoRelations:
    """Says no to relations that code makes. The ORM does not ask about those that it reads."""

    def allow_relation(self, obj1: Any, obj2: Any, **hints: Any) -> bool:
        return False


def test_a_relation_that_is_read_is_no_router_s_concern(django_user_model: Any, settings: Any) -> None:
    claims = {"iss": "https://tenant.example/", "sub": "ada"}
    user = django_user_model.objects.create_user("ada")
    Identity.objects.create(key=Identity.key_for(*claims.values()), issuer=claims["iss"], subject="ada", user=user)
    settings.DATABASE_ROUTERS = [NoRelations()]
    assert Identity.objects.select_related("user").get().user == user
    found = find_identity(claims)
    assert found is not None
    assert found.user == user


def test_no_connection_of_a_thread_that_has_ended_is_kept() -> None:
    """A statement serves all threads. What made it must not stay with it."""
    query = PreparedQuery(Identity, lambda alias: Identity.objects.using(alias).filter(key=""))
    kept: list[Any] = []

    def ask() -> None:
        query.rows("default", "")
        kept.append(weakref.ref(connections["default"]))
        connections.close_all()

    thread = Thread(target=ask)
    thread.start()
    thread.join()
    gc.collect()
    assert query.rows("default", "") == []
    assert kept[0]() is None
