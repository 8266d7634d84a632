"""Headers that authenticate a request: a token of Entra ID, or a signature by Standard Webhooks."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import SecretStr

if TYPE_CHECKING:
    from standardwebhooks import Webhook


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
    return {"webhook-id": key, "webhook-timestamp": str(int(moment.timestamp())), "webhook-signature": signed}


def check_secret(secret: SecretStr) -> SecretStr:
    """The secret, if requests can be signed with it. Raises ValueError."""
    _webhook(secret)
    return secret


def _webhook(secret: SecretStr) -> "Webhook":
    from standardwebhooks import Webhook
    from standardwebhooks.webhooks import EmptyWebhookSecretError

    try:
        return Webhook(secret.get_secret_value())
    except (ValueError, EmptyWebhookSecretError):
        raise ValueError("a secret for signatures is Base64, with or without whsec_ before it") from None
