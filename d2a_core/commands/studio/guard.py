"""Let only the studio's own page call it, and no page of another server."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse

POLICY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "media-src 'self' blob:; connect-src 'self'; form-action 'none'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
ARTEFACTS = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src 'self'; sandbox"

Message = MutableMapping[str, Any]


class Guard:
    """Refuses what other pages send, and lets the browser load nothing from elsewhere.

    A page on the internet can make the browser of its reader call servers of the reader's own machine. It
    betrays itself by the name it calls them (DNS rebinding) or by what the browser adds of its origin.
    """

    def __init__(self, app: Callable, *, hosts: tuple[str, ...]) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Message, receive: Callable, send: Callable) -> None:
        """Answer one call, as ASGI has it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if sentence := self.refusal(scope["path"], Headers(scope=scope)):
            await JSONResponse({"error": sentence}, 403)(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(POLICY)
                if scope["path"].startswith("/results/"):
                    headers["Content-Security-Policy"] = ARTEFACTS
            await send(message)

        sender: Callable[[Message], Awaitable[None]] = guarded
        await self.app(scope, receive, sender)

    def refusal(self, path: str, headers: Headers) -> str | None:
        """Reason to refuse a call, or None; a link to the page itself may stand anywhere."""
        host, origin = headers.get("host", ""), headers.get("origin")
        if self.hosts and _name(host) not in self.hosts:
            return f"the studio does not answer to the name {host!r}"
        elsewhere = headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
        if (origin is not None and origin.partition("://")[2] != host) or (elsewhere and path != "/"):
            return f"the page {origin or 'of another server'} may not use the studio"
        return None


def _name(host: str) -> str | None:
    """The name in a `host:port`; None where it is neither name nor address."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
