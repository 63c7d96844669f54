"""A local web server, for downloads without a network."""

import http.server
import threading
from contextlib import contextmanager


class Quiet(http.server.BaseHTTPRequestHandler):
    """Answers without a line in the log."""

    def log_message(self, *args):
        pass


@contextmanager
def served(handler):
    """Serve by `handler` while the block runs; yields the address."""
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{web.server_port}"
    web.shutdown()
    thread.join()
    web.server_close()
