from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("auth0_flow", "0008_login_session_ceiling"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="identity",
            index=models.Index(fields=["subject"], name="auth0_flow_subject", opclasses=["varchar_pattern_ops"]),
        ),
        migrations.AddIndex(
            model_name="identity",
            index=models.Index(fields=["issuer", "id"], name="auth0_flow_issuer"),
        ),
        migrations.AddIndex(
            model_name="loginsession",
            index=models.Index(fields=["created_at", "id"], name="auth0_flow_created"),
        ),
        migrations.AddIndex(
            model_name="loginsession",
            index=models.Index(fields=["configuration", "created_at", "id"], name="auth0_flow_configuration"),
        ),
        migrations.AddIndex(
            model_name="loginsession",
            index=models.Index(fields=["refresh_failure", "created_at", "id"], name="auth0_flow_failure"),
        ),
    ]
