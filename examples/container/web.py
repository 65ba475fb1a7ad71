"""Answers on the socket that oxtrio holds for it: descriptor 3."""

import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"ok\n" if self.path == "/health" else b"Hello from a container.\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        print(format % args, flush=True)


held = socket.socket(fileno=3)
server = ThreadingHTTPServer(held.getsockname()[:2], Answer, bind_and_activate=False)
server.socket = held
server.serve_forever()
