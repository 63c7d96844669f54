"""Command `d2a studio`: the project as a page in the browser, served on this machine."""

import importlib.util
import ipaddress
import os
import signal
import socket
import sys
import webbrowser
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import d2a_core

if TYPE_CHECKING:
    from d2a_core.commands.studio.routes import Studio

NEEDED = ("starlette", "uvicorn")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
PATIENCE_S = 2  # for answers under way when the server ends


@dataclass(frozen=True)
class Options:
    """Options of the command; `port` 0 takes a free one, `cores` None all."""

    host: str
    port: int
    work: Path
    cores: int | None = None
    configfile: Path | None = None
    browser: bool = True


def serve(options: Options, say: Callable[[str], None]) -> None:
    """Serve until Ctrl-C, then stop what runs; `say` gets the address.

    Raises ValueError when the packages for it are not installed, or the port is taken.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(
            f"d2a studio needs {' and '.join(missing)}; run make studio, or pip install 'd2animator[studio]'"
        )
    listener = _listen(options.host, options.port)
    studio = _studio(options)
    try:
        _run(studio, listener, options, say)
    finally:
        studio.close()


def _run(studio: "Studio", listener: socket.socket, options: Options, say: Callable[[str], None]) -> None:
    import uvicorn

    from d2a_core.commands.studio import routes

    application = routes.build(studio, _names(options.host))
    settings = uvicorn.Config(application, log_level="warning", timeout_graceful_shutdown=PATIENCE_S)
    server = uvicorn.Server(settings)
    signal.signal(signal.SIGHUP, server.handle_exit)  # a closed terminal
    host, port = f"[{options.host}]" if ":" in options.host else options.host, listener.getsockname()[1]
    say(f"The studio is at http://{host}:{port}/ and ends with Ctrl-C")
    if not _is_loopback(options.host):
        say("Anyone who reaches this machine can use it and see the photos; it knows no passwords")
    if options.browser and _has_desktop():
        webbrowser.open(f"http://{host}:{port}/")
    studio.first_looks.warm(studio.work)
    server.run(sockets=[listener])


def _studio(options: Options) -> "Studio":
    from d2a_core import runtime
    from d2a_core.commands.studio import routes
    from d2a_core.commands.studio.faces import Faces
    from d2a_core.commands.studio.first_looks import FirstLooks
    from d2a_core.commands.studio.queue import Queue
    from d2a_core.config import configuration

    log = runtime.start_log(None)
    settings = configuration(d2a_core.ROOT, [options.configfile] if options.configfile else [])
    work = options.work.resolve()
    threads = options.cores or runtime.threads()
    faces = Faces(work, settings, threads=threads)
    renderer = ThreadPoolExecutor(
        1, "studio-renderer", initializer=partial(runtime.limit_threads, threads, least=2)
    )

    def report(error: BaseException) -> None:
        log.error("defect", exc_info=error)

    queue = Queue(report)
    return routes.Studio(
        work=work,
        root=d2a_core.ROOT,
        configfile=options.configfile,
        cores=options.cores,
        faces=faces,
        first_looks=FirstLooks(settings, threads=threads),
        queue=queue,
        renderer=renderer,
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (while")[0].lower()
        raise ValueError(f"port {port} of {host} cannot be had ({reason}); give another --port") from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _names(host: str) -> tuple[str, ...]:
    """Names under which the server may be called; on the loopback only names of the loopback."""
    return LOOPBACK if _is_loopback(host) else ()


def _has_desktop() -> bool:
    """Tell whether there is a browser with windows; one in the terminal would take it over."""
    return sys.platform in ("darwin", "win32") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
