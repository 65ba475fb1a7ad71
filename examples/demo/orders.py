"""The orders of the coffee bar: a queue in one SQLite file."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DATABASE = Path(os.environ.get("DEMO_DATABASE", "data/orders.sqlite3"))


@contextmanager
def connection() -> Iterator[sqlite3.Connection]:
    """A connection of one's own, committed statement by statement."""
    db = sqlite3.connect(DATABASE, timeout=10, isolation_level=None)
    db.row_factory = sqlite3.Row
    try:
        yield db
    finally:
        db.close()


def create_tables() -> None:
    """Make the database ready; does nothing where it is."""
    DATABASE.parent.mkdir(parents=True, exist_ok=True)
    with connection() as db:
        db.execute("PRAGMA journal_mode = WAL")  # readers and writers do not wait for each other
        db.execute(
            "CREATE TABLE IF NOT EXISTS orders ("
            " id INTEGER PRIMARY KEY,"
            " drink TEXT NOT NULL,"
            " state TEXT NOT NULL DEFAULT 'waiting',"
            " barista TEXT NOT NULL DEFAULT '')"
        )


def place(drink: str) -> int:
    """Put an order at the end of the queue; returns its number."""
    with connection() as db:
        cursor = db.execute("INSERT INTO orders (drink) VALUES (?)", [drink])
        assert cursor.lastrowid is not None
        return cursor.lastrowid


def take(barista: str) -> sqlite3.Row | None:
    """Give *barista* the oldest waiting order, if there is one; no two get the same."""
    with connection() as db:
        return db.execute(
            "UPDATE orders SET state = 'brewing', barista = ? WHERE id ="
            " (SELECT min(id) FROM orders WHERE state = 'waiting') RETURNING id, drink",
            [barista],
        ).fetchone()


def serve(number: int) -> None:
    """Mark an order as done."""
    with connection() as db:
        db.execute("UPDATE orders SET state = 'served' WHERE id = ?", [number])


def put_back(barista: str) -> int:
    """Return what *barista* had in hand when it was killed; how many that were."""
    with connection() as db:
        return db.execute(
            "UPDATE orders SET state = 'waiting', barista = ''"
            " WHERE state = 'brewing' AND barista = ?",
            [barista],
        ).rowcount


def latest(count: int = 12) -> list[dict[str, object]]:
    """The newest orders, newest first."""
    with connection() as db:
        rows = db.execute("SELECT * FROM orders ORDER BY id DESC LIMIT ?", [count])
        return [dict(row) for row in rows]
