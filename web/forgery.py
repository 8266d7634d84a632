"""Forms that no other site can send in the name of a user.

A page of another site can make a browser send a form here, with the user's session. Two checks keep that from having an
effect, each by itself:

* The browser says where a request comes from, in headers that no page can set: ``Sec-Fetch-Site`` is ``same-origin``
  or, in a browser that does not know it, ``Origin`` is this site (w3.org, "Fetch Metadata Request Headers";
  fetch.spec.whatwg.org, "Origin header"). A request with neither header is refused.
* The form has a token: an HMAC of the user's name and an end time, whose key is a random cookie of this browser. Other
  sites can neither read the cookie nor, for its prefix ``__Host-``, set it (RFC 6265bis, section 4.1.3.2), and
  ``SameSite=Strict`` keeps it out of their requests. A token ends after two hours, and is of no use to another user.

Nothing is kept on the server, so that any instance of the app can check the form of another.
"""

import hmac
import re
import secrets
from datetime import datetime, timedelta
from hashlib import sha256
from urllib.parse import urlsplit

from web.exchange import LOOPBACK, Request

LIFETIME = timedelta(hours=2)  # of a form

_FORM_OF_SECRETS = "[A-Za-z0-9_-]{43}"  # 32 bytes in Base64


def is_same_origin(request: Request) -> bool:
    """Has a page of this site sent the request?"""
    if site := request.headers.get("sec-fetch-site"):
        return site == "same-origin"
    scheme = "https" if _is_secure(request) else "http"
    return request.headers.get("origin", "").casefold() == f"{scheme}://{urlsplit(request.url).netloc}".casefold()


def secret_of(request: Request) -> str:
    """The secret in the browser's cookie; empty if it has sent none."""
    pairs = (pair.strip().partition("=") for pair in request.headers.get("cookie", "").split(";"))
    found = (value for name, _, value in pairs if name == _cookie(request) and re.fullmatch(_FORM_OF_SECRETS, value))
    return next(found, "")


def new_secret() -> str:
    """A secret for a browser without one."""
    return secrets.token_urlsafe(32)


def set_cookie(request: Request, secret: str) -> str:
    """The header ``Set-Cookie`` for a secret. It ends with the browser's session."""
    secure = "; Secure" if _is_secure(request) else ""
    return f"{_cookie(request)}={secret}; Path=/; HttpOnly; SameSite=Strict{secure}"


def token(secret: str, user: str, now: datetime) -> str:
    """The token of a form that the user opens now."""
    return _signed(secret, user, int((now + LIFETIME).timestamp()))


def is_valid(token: str, secret: str, user: str, now: datetime) -> bool:
    """Is this the token of a form that the same user has opened in the same browser, in the last two hours?"""
    end = token.partition(".")[0]
    if not secret or not re.fullmatch("[0-9]{1,12}", end) or int(end) < now.timestamp():
        return False
    return hmac.compare_digest(token.encode("utf-8", "replace"), _signed(secret, user, int(end)).encode())


def _signed(secret: str, user: str, end: int) -> str:
    text = f"{end}.{user}".encode("utf-8", "replace")
    return f"{end}.{hmac.new(secret.encode(), text, sha256).hexdigest()}"


def _cookie(request: Request) -> str:
    """Its name. On one machine there is no TLS, which the prefix and ``Secure`` need."""
    return "__Host-mlevents" if _is_secure(request) else "mlevents"


def _is_secure(request: Request) -> bool:
    """Does the browser use TLS? The URL that the app sees may be that of a proxy in front of it."""
    return request.host not in LOOPBACK
