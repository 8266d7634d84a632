"""Tokens in the form that Microsoft Entra ID issues, and the check that a service makes of them.

learn.microsoft.com, "Access tokens in the Microsoft identity platform". The signing key is public: only the emulator
accepts these tokens.
"""

import time
from typing import Any

import jwt

TENANT = "33333333-3333-3333-3333-333333333333"
_KEY = "the emulator's key, which everybody may know"
_ALGORITHM = "HS256"


class InvalidToken(Exception):  # noqa: N818 - the token's, not this program's
    """A token that a service does not accept, and why. `code` is Resource Manager's code for the reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def token(resource: str, *, tenant: str = TENANT, seconds: float = 3_600, **claims: Any) -> str:
    """A token for a resource, which is valid for `seconds`."""
    now = int(time.time())
    standard = {
        "aud": resource.rstrip("/"),
        "iss": _issuer(tenant),
        "iat": now,
        "nbf": now - 300,
        "exp": int(now + seconds),
        "tid": tenant,
    }
    return jwt.encode({**standard, **claims}, _KEY, _ALGORITHM)


def check(authorization: str, audiences: frozenset[str]) -> None:
    """Raise InvalidToken unless a header carries an unexpired bearer token of the emulator for one of the audiences."""
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "bearer" or not text:
        raise InvalidToken("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
    try:
        jwt.decode(text, _KEY, [_ALGORITHM], audience=audiences, issuer=_issuer(TENANT))
    except jwt.InvalidSignatureError:
        raise InvalidToken(
            "InvalidAuthenticationToken", "The access token's signature is not that of a known issuer."
        ) from None
    except jwt.InvalidIssuerError:
        raise InvalidToken(
            "InvalidAuthenticationTokenTenant", f"The access token is from the wrong issuer {_claim(text, 'iss')}."
        ) from None
    except jwt.ExpiredSignatureError:
        raise InvalidToken("ExpiredAuthenticationToken", "The access token expiry has passed.") from None
    except jwt.InvalidAudienceError:
        raise InvalidToken(
            "InvalidAuthenticationTokenAudience",
            f"The access token has been obtained for wrong audience or resource '{_claim(text, 'aud')}'. "
            f"It should exactly match with one of the allowed audiences {', '.join(sorted(audiences))}.",
        ) from None
    except jwt.InvalidTokenError:
        raise InvalidToken("InvalidAuthenticationToken", "The access token is invalid.") from None


def _issuer(tenant: str) -> str:
    return f"https://sts.windows.net/{tenant}/"


def _claim(text: str, name: str) -> Any:
    return jwt.decode(text, options={"verify_signature": False})[name]
