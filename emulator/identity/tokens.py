"""Tokens of the form that Microsoft Entra ID gives, and whether one is good for a resource.

learn.microsoft.com, "Access tokens in the Microsoft identity platform". They are signed with a secret that everybody
can read here: nobody but the stand-ins takes them.
"""

import base64
import hmac
import json
import time
from hashlib import sha256
from typing import Any

TENANT = "33333333-3333-3333-3333-333333333333"
_SECRET = b"known to everybody"


class BadToken(Exception):  # noqa: N818 - says what it is about
    """A token that is not good here; says why. `code` is Resource Manager's word for it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def token(resource: str, *, tenant: str = TENANT, seconds: float = 3_600, **claims: Any) -> str:
    """A token for a resource that is good for so many seconds."""
    now = int(time.time())
    all_claims = {
        "aud": resource.rstrip("/"),
        "iss": f"https://sts.windows.net/{tenant}/",
        "iat": now,
        "nbf": now - 300,
        "exp": int(now + seconds),
        "tid": tenant,
        **claims,
    }
    signed = f"{_encoded({'alg': 'RS256', 'typ': 'JWT'})}.{_encoded(all_claims)}"
    return f"{signed}.{_signature(signed)}"


def check(authorization: str, audiences: frozenset[str]) -> None:
    """Raises BadToken unless a header has a bearer token that was issued here, for one of the audiences, and lasts."""
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "bearer" or not text:
        raise BadToken("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
    signed, _, signature = text.rpartition(".")
    try:
        claims = json.loads(_decoded(signed.partition(".")[2]))
    except ValueError:
        raise BadToken("InvalidAuthenticationToken", "The access token is invalid.") from None
    if not hmac.compare_digest(signature, _signature(signed)):
        raise BadToken("InvalidAuthenticationToken", "The access token's signature is not that of a known issuer.")
    if claims["tid"] != TENANT:
        raise BadToken(
            "InvalidAuthenticationTokenTenant", f"The access token is from the wrong issuer {claims['iss']}."
        )
    if claims["exp"] < time.time():
        raise BadToken("ExpiredAuthenticationToken", "The access token expiry has passed.")
    if str(claims["aud"]).rstrip("/") not in audiences:
        raise BadToken(
            "InvalidAuthenticationTokenAudience",
            f"The access token has been obtained for wrong audience or resource '{claims['aud']}'. "
            f"It should exactly match with one of the allowed audiences {', '.join(sorted(audiences))}.",
        )


def _signature(signed: str) -> str:
    return _text(hmac.digest(_SECRET, signed.encode(), sha256))


def _encoded(part: dict[str, Any]) -> str:
    return _text(json.dumps(part).encode())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
