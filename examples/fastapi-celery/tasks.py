"""The Celery app: what the worker does, and what beat asks of it."""

import os
import time
from datetime import UTC, datetime

from celery import Celery, Task
from sqlalchemy.orm import Session

from database import Pulse, Report, engine

celery_app = Celery(
    "tasks",
    broker=os.environ["CELERY_BROKER_URL"],
    backend=os.environ["CELERY_RESULT_BACKEND"],
)
celery_app.conf.broker_connection_retry_on_startup = True
celery_app.conf.task_track_started = True
# Whoever enqueues a task is told within seconds that Redis is away, and may try again.
celery_app.conf.result_backend_transport_options = {"retry_policy": {"timeout": 3.0}}
celery_app.conf.beat_schedule = {"pulse": {"task": "tasks.pulse", "schedule": 10.0}}

leaked: list[bytearray] = []


@celery_app.task(bind=True)
def build_report(self: Task, title: str, seconds: float) -> dict[str, object]:
    """Work for a while, keep the report, and return it."""
    time.sleep(seconds)
    report = {"task_id": self.request.id, "title": title, "built_by": os.getpid()}
    with Session(engine) as session:
        session.merge(Report(**report))
        session.commit()
    return report


@celery_app.task
def pulse() -> str:
    """Leave a sign of life; beat asks for it every ten seconds."""
    with Session(engine) as session:
        session.add(Pulse())
        session.commit()
    return datetime.now(UTC).isoformat()


@celery_app.task
def leak(megabytes: int) -> int:
    """Hold memory for good, to see what the limit does about it."""
    leaked.append(bytearray(os.urandom(1024)) * (1024 * megabytes))
    return megabytes
