"""The Celery application of the test project."""

from __future__ import annotations

from celery import Celery

app = Celery("tasks")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["tests.projects.tasks"], related_name="recipes")
