from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("auth0_flow", "0006_machine_tokens"),
    ]

    operations = [
        migrations.AddField(
            model_name="loginsession",
            name="browser",
            field=models.CharField(blank=True, db_default="", default="", max_length=40, verbose_name="browser"),
        ),
        migrations.AddField(
            model_name="loginsession",
            name="system",
            field=models.CharField(
                blank=True, db_default="", default="", max_length=40, verbose_name="operating system"
            ),
        ),
        migrations.AddField(
            model_name="loginsession",
            name="last_used_at",
            field=models.FloatField(blank=True, null=True, verbose_name="last used at (epoch, to the hour)"),
        ),
    ]
