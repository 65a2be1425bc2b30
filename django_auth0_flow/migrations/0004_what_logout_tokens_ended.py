from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("auth0_flow", "0003_seal_session_keys"),
    ]

    operations = [
        migrations.AddField(
            model_name="spentlogouttoken",
            name="ended_key",
            field=models.CharField(blank=True, default="", editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name="spentlogouttoken",
            name="issued_at",
            field=models.FloatField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name="spentlogouttoken",
            name="received_at",
            field=models.FloatField(default=0, editable=False),
        ),
        migrations.AddIndex(
            model_name="spentlogouttoken",
            index=models.Index(fields=["ended_key"], name="auth0_flow_ended_key"),
        ),
    ]
