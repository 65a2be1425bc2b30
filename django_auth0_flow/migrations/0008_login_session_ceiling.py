from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("auth0_flow", "0007_login_session_device"),
    ]

    operations = [
        migrations.AddField(
            model_name="loginsession",
            name="session_ceiling",
            field=models.BigIntegerField(blank=True, null=True, verbose_name="to end at (epoch)"),
        ),
    ]
