"""A guest book in Flask, and what shows how it is supervised."""

import os
import time

from flask import Flask, Response, jsonify, request
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

STARTED = time.monotonic()
LONGEST_SECS = 20

app = Flask(__name__)
app.secret_key = os.environ.get("SECRET_KEY")
# Opens no connection before it is asked to, so each gunicorn worker has its own.
engine = create_engine(os.environ.get("DATABASE_URL", "sqlite:///data/app.sqlite3"))
leaked: list[bytearray] = []


@app.cli.command("migrate")
def migrate() -> None:
    """Make the table; does nothing where it is."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS entries (name TEXT NOT NULL)"))
    print(f"the guest book is ready: {engine.url.render_as_string()}")


@app.get("/")
def entries() -> Response:
    """Who was here."""
    with engine.connect() as connection:
        names = list(connection.scalars(text("SELECT name FROM entries")))
    return jsonify(entries=names, pid=os.getpid())


@app.post("/")
def sign() -> tuple[Response, int]:
    """Sign the book with the form's `name`."""
    name = request.form.get("name", "somebody")
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO entries (name) VALUES (:name)"), {"name": name})
    return jsonify(name=name, pid=os.getpid()), 201


@app.get("/health")
def health() -> tuple[Response, int]:
    """Well means that the database answers; 503 otherwise."""
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        database = "ok"
    except SQLAlchemyError as error:
        database = str(error)
    well = database == "ok"
    answer = jsonify(
        status="ok" if well else "degraded",
        uptime_secs=round(time.monotonic() - STARTED),
        checks={"database": database},
    )
    return answer, 200 if well else 503


@app.get("/slow")
def slow() -> Response:
    """Take `secs` seconds to answer: a restart meanwhile waits for the answer."""
    secs = min(request.args.get("secs", 3, type=float), LONGEST_SECS)
    print(f"a request of {secs:g} s begins")
    time.sleep(secs)
    return jsonify(pid=os.getpid())


@app.post("/leak")
def leak() -> Response:
    """Hold `megabytes` for good, to see what the memory limit does about it."""
    megabytes = request.args.get("megabytes", 500, type=int)
    leaked.append(bytearray(os.urandom(1024)) * (1024 * megabytes))
    return jsonify(pid=os.getpid())
