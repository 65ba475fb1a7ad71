"""A Flask app that says who answers."""

import time

from flask import Flask
from release import IS_SILENT, IS_UNHEALTHY, who

app = Flask(__name__)


@app.route("/")
def root() -> dict[str, object]:
    if IS_SILENT:
        time.sleep(600)
    return who()


@app.route("/health")
def health() -> tuple[dict[str, object], int]:
    if IS_SILENT:
        time.sleep(600)
    return who(), 503 if IS_UNHEALTHY else 200
