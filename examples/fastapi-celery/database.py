"""What the web app and the worker keep: finished reports, and the pulse of beat."""

import os
from datetime import UTC, datetime

from sqlalchemy import URL, create_engine, make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

URL_IN_USE = make_url(os.environ.get("DATABASE_URL", "sqlite:///data/app.sqlite3"))
DRIVERS = {
    "sqlite": ("sqlite", "sqlite+aiosqlite"),
    "postgresql": ("postgresql+psycopg", "postgresql+psycopg"),
}


class Base(DeclarativeBase):
    """The tables of this example."""


class Report(Base):
    """A report that the worker has built."""

    __tablename__ = "reports"

    task_id: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    built_by: Mapped[int]
    """Pid of the Celery process."""


class Pulse(Base):
    """A time at which beat's task ran."""

    __tablename__ = "pulses"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[str] = mapped_column(default=lambda: datetime.now(UTC).isoformat())


def url_for(*, asynchronous: bool) -> URL:
    """DATABASE_URL, with the driver that this side of the stack speaks."""
    return URL_IN_USE.set(drivername=DRIVERS[URL_IN_USE.get_backend_name()][asynchronous])


# Engines open no connection before they are asked to, so they may be made before a fork.
engine = create_engine(url_for(asynchronous=False), pool_pre_ping=True)
async_engine = create_async_engine(url_for(asynchronous=True), pool_pre_ping=True)
