"""A server that does nothing but send one file, by the kernel, in the words a client of buckets needs: what it gives is what the
client can take.

`bare_files.py FILE` prints the port it listens on, and answers until it is ended.
"""

import http.server
import os
import socketserver
import sys

FILE = sys.argv[1]


class Answering(http.server.BaseHTTPRequestHandler):
    """Whatever is asked for is the file, or a stretch of it."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Says nothing."""

    def do_HEAD(self):
        self.head()

    def do_GET(self):
        begin, end = self.head()
        with open(FILE, "rb") as file:
            while begin < end:
                begin += os.sendfile(self.connection.fileno(), file.fileno(), begin, end - begin)

    def head(self):
        """The head of an answer; where the stretch begins and ends."""
        size = os.path.getsize(FILE)
        begin, end, asked = 0, size, self.headers.get("Range")
        if asked:
            first, last = asked.removeprefix("bytes=").split("-")
            begin, end = int(first), int(last or size - 1) + 1
        self.send_response(206 if asked else 200)
        headers = {"ETag": '"0"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT", "Content-Length": str(end - begin),
                   "Content-Type": "application/octet-stream", "x-oss-request-id": "0", "x-oss-object-type": "Normal"}
        if asked:
            headers["Content-Range"] = f"bytes {begin}-{end - 1}/{size}"
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.flush()
        return begin, end


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """A thread a connection."""

    daemon_threads = True


server = Server(("127.0.0.1", 0), Answering)
print(server.server_port, flush=True)
server.serve_forever()
