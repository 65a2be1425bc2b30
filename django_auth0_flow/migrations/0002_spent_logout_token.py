from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("auth0_flow", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="loginsession",
            name="session_missing_since",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AlterField(
            model_name="loginsession",
            name="session_key",
            field=models.CharField(editable=False, max_length=64),
        ),
        migrations.AlterField(
            model_name="loginsession",
            name="sid_key",
            field=models.CharField(blank=True, editable=False, max_length=64),
        ),
        migrations.AddIndex(
            model_name="loginsession",
            index=models.Index(fields=["sid_key"], name="auth0_flow_sid_key"),
        ),
        migrations.CreateModel(
            name="SpentLogoutToken",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(editable=False, max_length=64, unique=True)),
                ("expires_at", models.FloatField(db_index=True, editable=False)),
            ],
            options={
                "verbose_name": "used logout token",
                "verbose_name_plural": "used logout tokens",
            },
        ),
    ]
