"""The counter: shows the orders, takes new ones, and says whether it is well."""

import json
import os
import shlex
import shutil
import signal
import socket
import sqlite3
import threading
import time
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from string import Template
from urllib.parse import parse_qs

import orders

PORT = int(os.environ.get("DEMO_PORT", "8000"))
PAGE = Template(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))
LONGEST_BODY = 10_000
STARTED = time.monotonic()


class Counter(BaseHTTPRequestHandler):
    """Answers one request."""

    timeout = 5  # a browser keeps idle connections open; none may hold up a stop

    def do_GET(self) -> None:
        match self.path:
            case "/":
                self.answer(page().encode(), "text/html; charset=utf-8")
            case "/health":
                self.answer_json(*health())
            case "/orders":
                self.answer_json(orders.latest())
            case _:
                self.send_error(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        if self.path != "/orders":
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        length = min(int(self.headers.get("Content-Length") or 0), LONGEST_BODY)
        form = parse_qs(self.rfile.read(length).decode(errors="replace"))
        number = orders.place(form.get("drink", ["coffee"])[0][:40])
        print(f"order #{number} is in the queue")
        self.send_response(HTTPStatus.SEE_OTHER)
        self.send_header("Location", "/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def answer(self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer_json(self, value: object, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.answer(json.dumps(value).encode(), "application/json", status)

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Say nothing: the page and the health check ask every few seconds."""


def health() -> tuple[dict[str, object], HTTPStatus]:
    """Well means that the order book can be read."""
    try:
        orders.latest(1)
        database, status = "ok", HTTPStatus.OK
    except sqlite3.Error as error:
        database, status = str(error), HTTPStatus.SERVICE_UNAVAILABLE
    checks = {"database": database}
    return {"pid": os.getpid(), "uptime_secs": uptime(), "checks": checks}, status


def uptime() -> int:
    return round(time.monotonic() - STARTED)


def page() -> str:
    rows = "".join(
        f"<tr class={order['state']}><td>#{order['id']}<td>{escape(str(order['drink']))}"
        f"<td>{order['state']}<td>{escape(str(order['barista']))}"
        for order in orders.latest()
    )
    return PAGE.substitute(rows=rows, pid=os.getpid(), uptime=uptime(), oxtrio=escape(command()))


def command() -> str:
    """How to call oxtrio for this demo, from any folder."""
    program = shutil.which("oxtrio") or "oxtrio"
    oxfile = os.environ.get("OXTRIO_CONFIG") or str(Path("oxfile.toml").absolute())
    return shlex.join([program, "-c", oxfile])


def open_server() -> ThreadingHTTPServer:
    """On the socket that oxtrio holds (`listen` in the oxfile), or by hand on one of its own."""
    held = os.environ.get("LISTEN_PID") == str(os.getpid())
    server = ThreadingHTTPServer(("127.0.0.1", PORT), Counter, bind_and_activate=not held)
    if held:
        server.socket.close()
        server.socket = socket.socket(fileno=3)  # the first of LISTEN_FDS
    return server


def main() -> None:
    closing = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: closing.set())

    with open_server() as server:
        server.daemon_threads = False  # leaving the block waits for requests in progress
        threading.Thread(target=server.serve_forever).start()
        print(f"open for coffee at http://127.0.0.1:{PORT}")
        closing.wait()
        print("closing: no new customers")
        server.shutdown()
    print("closed")


if __name__ == "__main__":
    main()
