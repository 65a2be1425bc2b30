from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("auth0_flow", "0004_what_logout_tokens_ended"),
    ]

    operations = [
        migrations.AddField(
            model_name="identity",
            name="managed_group_keys",
            field=models.JSONField(default=list, editable=False),
        ),
    ]
