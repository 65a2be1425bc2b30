"""A Celery worker with two processes, on the tasks of the documentation."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping

from celery import Celery

from tests.servers.process import STOP_SECONDS, Server
from tests.storm.harness import ROOT

#: How long a worker may take to answer a question, or a task to be done.
PATIENCE = 120


class CeleryWorker(Server):
    """``queue`` sends to the broker that the worker listens to; ``environment`` is what it needs beside the usual."""

    def __init__(self, queue: Celery, environment: Mapping[str, str]) -> None:
        self.queue, self.environment = queue, environment

    def _start(self) -> None:
        log = self.folder / "server.log"
        self._spawn(
            [
                *(sys.executable, "-m", "celery", "--app", "tests.projects.tasks.app:app", "worker"),
                *("--concurrency", "2", "--loglevel", "INFO"),
                *("--without-gossip", "--without-mingle", "--without-heartbeat"),
            ],
            until=lambda: log.exists() and " ready." in log.read_text(errors="replace"),
            environment={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "tests.projects.tasks.settings",
                "PYTHONPATH": str(ROOT),
                **self.environment,
            },
        )

    def kill_process_of(self, task: str) -> None:
        """Kill the process of the pool that is at this task, as the kernel does when memory runs out."""
        os.kill(self._process_of(task), signal.SIGKILL)

    def kill(self, *tasks: str) -> None:
        """Kill the worker and the processes that are at these tasks, as when the machine goes down."""
        processes = [self._process_of(task) for task in tasks]
        self.process.kill()
        self.process.wait(STOP_SECONDS)
        for process in processes:
            os.kill(process, signal.SIGKILL)

    def _process_of(self, task: str) -> int:
        at_work = self.queue.control.inspect(timeout=PATIENCE, limit=1).active()
        (process,) = [found["worker_pid"] for tasks in at_work.values() for found in tasks if found["id"] == task]
        return int(process)
