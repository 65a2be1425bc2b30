"""Queries whose SQL is made once: they read what the ORM reads."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import router
from django.forms.models import model_to_dict

from django_auth0_flow.models import Identity
from django_auth0_flow.storage.prepared_queries import PreparedQuery

pytestmark = pytest.mark.django_db

ALIAS = router.db_for_write(Identity)


@pytest.fixture
def people(django_user_model: Any) -> list[Identity]:
    return [
        Identity.objects.create(
            key=Identity.key_for("https://tenant.example/", name),
            issuer="https://tenant.example/",
            subject=name,
            user=django_user_model.objects.create_user(name, last_name=name.title()),
            managed_groups=[name, "both"],
        )
        for name in ("ada", "grace", "joan")
    ]


def values_of(row: Any) -> dict[str, Any]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def test_rows_with_their_related_object_are_those_of_the_orm(
    people: list[Identity], django_assert_num_queries: Any
) -> None:
    query = PreparedQuery(
        Identity, lambda alias: Identity.objects.using(alias).select_related("user").filter(key=""), related="user"
    )
    for person in people:
        by_orm = Identity.objects.select_related("user").get(pk=person.pk)
        with django_assert_num_queries(1):
            (found,) = query.rows(ALIAS, person.key)
            assert found.user.username == person.subject
        assert found == by_orm
        assert values_of(found) == values_of(by_orm), "JSON and times too"
        assert values_of(found.user) == values_of(by_orm.user)
        assert (found._state.db, found._state.adding) == (by_orm._state.db, by_orm._state.adding)


def test_no_row(people: list[Identity]) -> None:
    query = PreparedQuery(Identity, lambda alias: Identity.objects.using(alias).filter(key=""))
    assert query.rows(ALIAS, "unknown") == []


def test_values_stand_in_the_order_of_the_sql(people: list[Identity]) -> None:
    query = PreparedQuery(
        Identity, lambda alias: Identity.objects.using(alias).filter(subject__in=["x", "y"]).order_by("subject")
    )
    assert [row.subject for row in query.rows(ALIAS, "joan", "ada")] == ["ada", "joan"]
    assert [row.subject for row in query.rows(ALIAS, "joan", "joan")] == ["joan"]


def test_a_row_that_was_read_can_be_saved(people: list[Identity]) -> None:
    query = PreparedQuery(Identity, lambda alias: Identity.objects.using(alias).filter(key=""))
    (found,) = query.rows(ALIAS, people[0].key)
    found.managed_groups = ["editors"]
    found.save()
    assert model_to_dict(Identity.objects.get(pk=found.pk))["managed_groups"] == ["editors"]
