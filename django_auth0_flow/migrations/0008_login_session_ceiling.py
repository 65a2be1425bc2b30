from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("auth0_flow", "0005_groups_given_by_key"),
    ]

    operations = [
        migrations.AddField(
            model_name="loginsession",
            name="session_ceiling",
            field=models.BigIntegerField(blank=True, null=True, verbose_name="to end at (epoch)"),
        ),
    ]
