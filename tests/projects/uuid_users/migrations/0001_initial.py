import uuid

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Member",
            fields=[
                ("password", models.CharField(max_length=128, verbose_name="password")),
                ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("handle", models.CharField(max_length=30, unique=True)),
                ("contact", models.CharField(blank=True, max_length=50)),
                ("logins", models.PositiveSmallIntegerField(null=True)),
                ("badge", models.CharField(max_length=20, unique=True, null=True)),
                ("born", models.DateField(null=True)),
            ],
            options={
                "abstract": False,
            },
        ),
    ]
