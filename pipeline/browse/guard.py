"""Who may request pages, and what browsers may do with them.

On a loopback address, any page in this machine's browser can send it requests to us. So requests must name us as their host (a
rebound name does not) and must not come from other sites. On other addresses a token is required: one for all, or one for each
curator. Where tokens are asked for, any name will do: a rebound name has no token, and a proxy has a name of its own.
"""

import hmac
import ipaddress
import secrets
import sys
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode, urlsplit

from flask import Flask, Response, abort, g, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from longtake.pipeline.browse.viewer import KnownCurators, named, proved
from longtake.schemas.curators import session_of
from longtake.schemas.errors import ConfigError
from longtake.schemas.printable import printable

MAX_BODY = 64 << 10  # bytes
MIN_TOKEN = 16  # characters
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # without it, browsers send our own forms without an origin
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_FORM = "ask"  # the endpoint of our forms
_OPEN = ("static", "healthz")  # endpoints that show nothing of the corpus


@dataclass(frozen=True)
class Access:
    """The address that the server listens on, and the token that it requires ("" for none). With `curators`, each of them has a
    token instead. `curator` is the name of a visitor without a name."""

    host: str
    port: int
    token: str = ""
    curators: KnownCurators | None = None
    curator: str = ""
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    @property
    def address(self) -> str:
        """The URL of the first page, with the token."""
        shown = "127.0.0.1" if self.host in ("0.0.0.0", "::", "") else self.host  # noqa: S104  (nothing is bound here)
        shown = f"[{shown}]" if ":" in shown else shown
        return f"http://{shown}:{self.port}/" + (f"?{urlencode({'token': self.token})}" if self.token else "")

    @property
    def cookie(self) -> str:
        return f"longtake-{self.port}"

    @property
    def cookie_value(self) -> str:
        return session_of(self.token)

    @property
    def asks(self) -> bool:
        """Whether visitors need a token."""
        return bool(self.token) or self.curators is not None

    @property
    def name_cookie(self) -> str:
        """The cookie in which a page without tokens keeps the name of its curator."""
        return f"longtake-name-{self.port}"

    def names(self, host: str) -> bool:
        """Whether a Host header names this server as the browser of this machine would."""
        try:
            parts = urlsplit(f"//{host}")
            own = parts.port if parts.port is not None else 80
        except ValueError:
            return False
        name = (parts.hostname or "").lower()
        return own == self.port and name in ("localhost", "127.0.0.1", "::1", self.host.lower())


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`, an address to listen on."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def guard(app: Flask, access: Access) -> None:
    """Refuse requests without permission, and add the security headers."""
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY

    @app.before_request
    def _check() -> Response | None:
        if not access.asks and not access.names(request.host):
            abort(403, f"the address must be http://localhost:{access.port}/ or http://127.0.0.1:{access.port}/")
        navigates = request.method == "GET" and _leads_here()
        if request.headers.get("Sec-Fetch-Site", "none") in ("cross-site", "same-site") and not navigates:
            abort(403, "requests of other sites are not answered")
        if request.endpoint not in _OPEN:
            answer = _check_token(access) if access.asks else None
            if answer is not None:
                return answer
            g.is_let_in = True
            if access.curators is None:
                g.viewer = named(request.cookies.get(access.name_cookie, ""), access.curator)
        if request.method not in ("GET", "HEAD", "OPTIONS"):
            _check_post(access)
        return None

    @app.after_request
    def _add_headers(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers[name] = value
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    @app.context_processor
    def _csrf() -> dict[str, str]:
        is_let_in = g.get("is_let_in", not access.asks)
        return {"csrf": access.csrf if is_let_in else "", "name_cookie": access.name_cookie}


def is_let_in() -> bool:
    """Whether whoever sent this request may know of the corpus."""
    return bool(g.get("is_let_in", False))


def _leads_here() -> bool:
    """Whether the request opens a page in a window, as a link does, and not in a frame or from a script."""
    headers = request.headers
    return (
        headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
        and headers.get("Sec-Fetch-Dest", "document") == "document"
    )


def _check_token(access: Access) -> Response | None:
    given = request.args.get("token")
    if given is not None and _lets_in(access, session_of(given)):
        rest = [(name, value) for name, value in request.args.items(multi=True) if name != "token"]
        target = "/" + quote(request.path.lstrip("/")) + (f"?{urlencode(rest)}" if rest else "")
        # A page that forwards by itself, not a redirect: after a link from another site, a redirect gets no strict cookie.
        answer = make_response(render_template("enter.html", target=target))
        answer.set_cookie(access.cookie, session_of(given), httponly=True, samesite="Strict")
        return answer
    if _lets_in(access, request.cookies.get(access.cookie, "")):
        return None
    if access.curators is not None:
        abort(401, "open the address with your own token; whoever runs this server makes one: longtake curators --add")
    abort(401, "open the address that `longtake browse` printed; it holds the token")


def _lets_in(access: Access, session: str) -> bool:
    """Whether a session may look at pages. Keeps whose it is."""
    if access.curators is None:
        return hmac.compare_digest(session.encode("utf-8", "surrogatepass"), access.cookie_value.encode())
    try:
        found = access.curators.find(session) if session else None
    except (ConfigError, OSError) as error:  # it tells of files
        print(printable(str(error)), file=sys.stderr, flush=True)
        abort(503, "nobody can be let in now; the server's terminal tells why")
    if found is not None:
        g.viewer = proved(found)
    return found is not None


def _check_post(access: Access) -> None:
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc.lower() != request.host.lower():
        abort(403, "requests of other sites are not answered")
    is_form = request.endpoint == _FORM and request.mimetype == "application/x-www-form-urlencoded"
    given = request.form.get("csrf", "") if is_form else request.headers.get("X-Longtake", "")
    if not hmac.compare_digest(given.encode(), access.csrf.encode()):
        abort(403, "this page is from an earlier run of longtake browse; load it again")
    if request.mimetype != "application/json" and not is_form:
        abort(415, "send application/json")


def told(error: HTTPException) -> str:
    """The message for a failed request."""
    return error.description or error.name
