"""Headers that authenticate a request: a token of Entra ID, or a signature by Standard Webhooks."""

from binascii import a2b_base64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import SecretStr
from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    from standardwebhooks import Webhook

SIGNATURE_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")  # of Standard Webhooks


def entra_bearer(scope: str) -> dict[str, str]:
    """The header with a token of the app's identity, for a scope like ``https://api.fabric.microsoft.com/.default``.

    Raises azure-core's ClientAuthenticationError if there is no token. The credential caches tokens.
    """
    from handlers.azure.credential import credential

    return {"Authorization": f"Bearer {credential().get_token(scope).token}"}


def signature(body: bytes, secrets: Sequence[SecretStr], key: str, moment: datetime) -> dict[str, str]:
    """The headers of Standard Webhooks (standardwebhooks.com): one signature per secret, so that a secret can change.

    `key` is the message's id, the same for each attempt; `moment` is that of the attempt. The body is UTF-8. Raises
    ValueError for a secret that is not Base64, or empty.
    """
    moment = moment.astimezone(UTC)
    signed = " ".join(_webhook(secret).sign(key, moment, body.decode()) for secret in secrets)
    return dict(zip(SIGNATURE_HEADERS, (key, str(int(moment.timestamp())), signed), strict=True))


def check_secret(secret: SecretStr) -> SecretStr:
    """The secret, if requests can be signed with it. Raises PydanticCustomError, whose text does not depend on it.

    standardwebhooks skips characters that are none of Base64's: it would sign with another key than the receiver's.
    """
    text = secret.get_secret_value().strip().removeprefix("whsec_").rstrip("=")
    try:
        key = a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except ValueError:
        key = b""
    if not key:
        raise PydanticCustomError("signing_secret", "should be Base64, with or without whsec_ in front")
    return secret


def _webhook(secret: SecretStr) -> "Webhook":
    from standardwebhooks import Webhook

    return Webhook(secret.get_secret_value().strip())
