"""Session keys are no longer readable in the table: sealed, and a digest to compare.

Forwards and backwards in batches. A key that can't be unsealed on the way back leaves its row without one, which the
clean-up treats as a session that is gone.
"""

from collections.abc import Iterator
from typing import Any

from django.db import migrations, models

from django_auth0_flow.storage.session_keys import digest_session_key, seal_session_key, unseal_session_key

BATCH = 500


def seal_keys(apps: Any, schema_editor: Any) -> None:
    for rows in _batches(apps, schema_editor):
        for row in rows:
            row.session_digest = digest_session_key(row.session_key)
            row.sealed_session_key = seal_session_key(row.session_key, configuration=row.configuration, login_id=row.pk)
        _save(rows, schema_editor, ["session_digest", "sealed_session_key"])


def unseal_keys(apps: Any, schema_editor: Any) -> None:
    for rows in _batches(apps, schema_editor):
        for row in rows:
            row.session_key = unseal_session_key(
                row.sealed_session_key, configuration=row.configuration, login_id=row.pk
            )
        _save(rows, schema_editor, ["session_key"])


def _batches(apps: Any, schema_editor: Any) -> Iterator[list[Any]]:
    """Yield all rows by primary key, without their tokens."""
    model = apps.get_model("auth0_flow", "LoginSession")
    rows = model.objects.using(schema_editor.connection.alias).order_by("pk")
    rows = rows.only("configuration", "session_key", "sealed_session_key", "session_digest")
    batch = list(rows[:BATCH])
    while batch:
        yield batch
        batch = list(rows.filter(pk__gt=batch[-1].pk)[:BATCH])


def _save(rows: list[Any], schema_editor: Any, fields: list[str]) -> None:
    type(rows[0]).objects.using(schema_editor.connection.alias).bulk_update(rows, fields)


class Migration(migrations.Migration):
    dependencies = [
        ("auth0_flow", "0002_spent_logout_token"),
    ]

    operations = [
        migrations.AddField(
            model_name="loginsession",
            name="sealed_session_key",
            field=models.TextField(blank=True, default="", editable=False),
        ),
        migrations.AddField(
            model_name="loginsession",
            name="session_digest",
            field=models.CharField(blank=True, default="", editable=False, max_length=64),
        ),
        # A default for the way back, when the column is added to rows that are there.
        migrations.AlterField(
            model_name="loginsession",
            name="session_key",
            field=models.CharField(default="", editable=False, max_length=64),
        ),
        migrations.RunPython(seal_keys, unseal_keys),
        migrations.RemoveField(model_name="loginsession", name="session_key"),
    ]
