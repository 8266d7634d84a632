"""A handler that reveals its secrets, directly and through errors of libraries."""

import json
from datetime import timedelta
from typing import Literal
from urllib.parse import quote

import requests
from pydantic import SecretStr

from handlers.base import Action, CheckBack, GiveUp, Handler, Outcome, RetryLater, Skipped, Succeeded
from schemas import Event

WAYS = (
    "returns",
    "returns details",
    "returns JSON",
    "skips",
    "waits",
    "retries",
    "gives up",
    "raises",
    "raises a cause",
    "raises a key",
    "raises bytes",
    "connects",
    "is answered",
    "quotes",
    "is cut",
    "is cut in a detail",
)  # fmt: skip - a list of words


class Leaky(Handler[Event]):
    """Reveals its secret and its URL in one of `WAYS`."""

    secret: SecretStr
    url: SecretStr
    how: Literal[WAYS]  # type: ignore[valid-type]  # pydantic takes a tuple of words

    def run(self, event: Event, action: Action) -> Outcome:
        secret, url = self.secret.get_secret_value(), self.url.get_secret_value()
        if action.state:
            return Succeeded("waited")
        match self.how:
            case "returns":
                return Succeeded(f"used {secret} at {url}")
            case "returns details":
                return Succeeded("done", {"secret": secret, secret: url})
            case "returns JSON":
                return Succeeded("done", {"request": {"headers": [secret], "url": url}})
            case "skips":
                return Skipped(f"{secret} is not accepted at {url}")
            case "waits":
                return CheckBack(timedelta(), {"waited": True}, f"{url} has {secret}")
            case "retries":
                raise RetryLater(f"{url} refuses {secret}")
            case "gives up":
                raise GiveUp(f"{url} refuses {secret}")
            case "raises":
                raise RuntimeError(f"{url} refuses {secret}")
            case "raises a cause":
                self._chain(secret, url)
            case "raises a key":
                raise KeyError((url, secret))
            case "raises bytes":
                raise ValueError(secret.encode(), url.encode())
            case "connects":
                requests.get(url, timeout=1)
            case "is answered":
                answer = requests.Response()
                answer.status_code, answer.url = 400, url
                answer.raise_for_status()
            case "quotes":
                raise GiveUp(f"{quote(secret)} {json.dumps(secret)} {secret!r}")
            case "is cut":
                raise GiveUp("x" * (1_000 - len(secret) * 3 // 2) + secret + secret)
            case "is cut in a detail":
                return Succeeded("done", {"log": "x" * (500 - len(url) * 3 // 2) + url + url})
        raise AssertionError(self.how)

    def _chain(self, secret: str, url: str) -> None:
        try:
            raise LookupError(f"no {secret}")
        except LookupError as error:
            raise ConnectionError(f"not at {url}") from error
