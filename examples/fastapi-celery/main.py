"""The web app: takes requests for reports, hands them to the queue, and shows what came of them."""

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import redis.asyncio
from celery import Task
from celery.result import AsyncResult
from fastapi import FastAPI, HTTPException
from fastapi.responses import JSONResponse
from kombu.exceptions import OperationalError
from pydantic import BaseModel, Field
from sqlalchemy import func, select, text

from database import Pulse, Report, async_engine
from tasks import build_report, celery_app, leak

STARTED = time.monotonic()
queue = redis.asyncio.from_url(os.environ["REDIS_URL"], socket_timeout=2, socket_connect_timeout=2)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Leave no connection open behind the app."""
    yield
    await queue.aclose()
    await async_engine.dispose()


app = FastAPI(title="Reports", lifespan=lifespan)


class Wanted(BaseModel):
    """A report that somebody asks for."""

    title: str = "untitled"
    seconds: float = Field(default=1, ge=0, le=60)


@app.get("/health")
async def health() -> JSONResponse:
    """Well means that the database and the queue both answer; 503 otherwise."""
    checks = {"database": await state_of(ask_database), "queue": await state_of(ask_queue)}
    well = set(checks.values()) == {"ok"}
    return JSONResponse(
        status_code=200 if well else 503,
        content={
            "status": "ok" if well else "degraded",
            "environment": os.environ.get("ENVIRONMENT", "development"),
            "pid": os.getpid(),
            "uptime_secs": round(time.monotonic() - STARTED),
            "checks": checks,
        },
    )


@app.post("/reports", status_code=202)
def order_report(wanted: Wanted) -> dict[str, str]:
    """Put a report into the queue; returns where to ask for it."""
    task_id = enqueue(build_report, wanted.title, wanted.seconds)
    return {"task_id": task_id, "url": f"/reports/{task_id}"}


@app.get("/reports")
async def list_reports() -> dict[str, object]:
    """All reports that were built, and how often beat's task ran."""
    async with async_engine.connect() as connection:
        titles = await connection.scalars(select(Report.title).order_by(Report.title))
        pulses = await connection.scalar(select(func.count()).select_from(Pulse))
    return {"reports": list(titles), "pulses": pulses}


@app.get("/reports/{task_id}")
def read_report(task_id: str) -> dict[str, object]:
    """How far one report is: PENDING, STARTED, SUCCESS with its result, or FAILURE."""
    task = AsyncResult(task_id, app=celery_app)
    return {"state": task.state, "result": task.result if task.successful() else None}


@app.post("/leak", status_code=202)
def order_leak(megabytes: int = 500) -> dict[str, str]:
    """Make the worker hold this much memory, to see what its limit does about it."""
    return {"task_id": enqueue(leak, megabytes)}


def enqueue(task: Task, *args: object) -> str:
    """Put *task* into the queue and return its id; 503 where the queue does not take it."""
    try:
        return task.delay(*args).id
    # RuntimeError is what Celery raises when it cannot reach the store of the results.
    except (OperationalError, redis.ConnectionError, RuntimeError) as error:
        raise HTTPException(503, "the queue is down; try again later") from error


async def state_of(ask: Callable[[], Awaitable[None]]) -> str:
    """`ok`, or what *ask* failed with: a health check reports every error, and raises none."""
    try:
        await ask()
    except Exception as error:  # noqa: BLE001
        return f"{type(error).__name__}: {error}"
    return "ok"


async def ask_database() -> None:
    async with async_engine.connect() as connection:
        await connection.execute(text("SELECT 1"))


async def ask_queue() -> None:
    await queue.ping()
