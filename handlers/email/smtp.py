"""Send a mail through an SMTP server.

Reply codes (RFC 5321, section 4.2.1): the same command may succeed later after 4yz, and fails again after 5yz. A login
that is missing or wrong is 5yz as well, but the app settings can be fixed while the mail waits.
"""

import json
import smtplib
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeAlias

from handlers.base import CheckBack, GiveUp, Outcome, RetryLater, shorten
from handlers.content.text import one_line
from handlers.email.message import Mail
from handlers.email.settings import SmtpServer
from handlers.email.smtp_connection import Connection, TlsConnection

NegativeReplies: TypeAlias = dict[str, tuple[int, bytes]]

_TIMEOUT = 10.0  # seconds to wait for each reply; smtplib has no timeout of its own
LOGIN_CODES = {530, 534, 535, 538}  # RFC 4954, section 6
LOGIN_MAX_ELAPSED = timedelta(minutes=30)  # how long a rejected login is retried
MAX_REJECTION = 550  # characters of JSON: a state has at most 30,000, and a mail 50 recipients
RETRY_DELAY = timedelta(minutes=2)  # of deferred recipients: greylisting and "too many recipients" pass quickly


def send(server: SmtpServer, mail: Mail, state: Mapping[str, Any]) -> Outcome:
    """Submit a mail. Recipients whom the server defers get it on a later call.

    Raises RetryLater, or GiveUp if the server rejects every recipient. Once somebody got the mail, no rejection raises
    GiveUp: the action would count as failed, and a replay would send the mail again. `state` is empty on the first
    call; later it has the recipients that are `left`, the recipients that the server has accepted (`taken`), and the
    rejected ones with the reply (`never`).
    """
    recipients = [address for address in mail.recipients if address in state.get("left", mail.recipients)]
    try:
        negative = _submit(server, mail, recipients) if recipients else {}
    except GiveUp as error:
        if not (taken := state.get("taken")):
            raise
        return mail.sent(_name(server), taken, [*state["never"], *(f"{address}: {error}" for address in recipients)])
    deferred = {address: _reply(code, text) for address, (code, text) in negative.items() if code < 500}
    rejected = [f"{address}: {_reply(code, text)}" for address, (code, text) in negative.items() if code >= 500]
    accepted = [address for address in recipients if address not in negative]
    if deferred and not accepted:
        raise RetryLater(f"{_name(server)} accepts no recipient yet: {_list(deferred)}")
    rejected = [_fit(rejection) for rejection in (*state.get("never", ()), *rejected)]
    accepted = [*state.get("taken", ()), *accepted]
    if deferred:
        note = f"mailed {len(accepted)}; to be retried: {_list(deferred)}"
        return CheckBack(RETRY_DELAY, {"left": list(deferred), "taken": accepted, "never": rejected}, note, mail.texts)
    if not accepted:
        raise GiveUp(f"{_name(server)} rejects every recipient: {'; '.join(rejected)}")
    return mail.sent(_name(server), accepted, rejected)


def _submit(server: SmtpServer, mail: Mail, recipients: Sequence[str]) -> NegativeReplies:
    """Submit the mail for these recipients. Return the replies for those that the server did not accept."""
    try:
        with _session(server) as smtp:
            return smtp.sendmail(mail.sender.address, recipients, mail.as_bytes())
    except smtplib.SMTPRecipientsRefused as error:
        # After a 421, smtplib's dict lacks the recipients that it had not yet named. The server accepted none of them.
        return dict.fromkeys(recipients, (421, b"")) | error.recipients
    except OSError as error:  # smtplib's exceptions are OSErrors
        raise _classify(server, error) from error


@contextmanager
def _session(server: SmtpServer) -> Iterator[smtplib.SMTP]:
    """A connection, encrypted and logged in as the settings say. A server without STARTTLS is an error."""
    context = ssl.create_default_context()
    if server.security == "tls":
        smtp: Connection = TlsConnection(server.host, server.port, _TIMEOUT, context=context)
    else:
        smtp = Connection(server.host, server.port, _TIMEOUT)
    try:
        if server.security == "starttls":
            smtp.starttls(context=context)
        if server.password:
            smtp.login(server.username, server.password.get_secret_value())
        yield smtp
    finally:
        with suppress(OSError):  # the reply to QUIT does not change whether the server accepted the mail
            smtp.quit()
        smtp.close()


def _classify(server: SmtpServer, error: OSError) -> RetryLater | GiveUp:
    match error:
        case smtplib.SMTPResponseException(smtp_code=code) if code in LOGIN_CODES:
            hint = "check EMAIL_SMTP_USERNAME and EMAIL_SMTP_PASSWORD"
            return RetryLater(f"{_name(server)} rejects the login ({code}): {hint}", max_elapsed=LOGIN_MAX_ELAPSED)
        case smtplib.SMTPResponseException(smtp_code=code, smtp_error=text):
            reason = f"{_name(server)} rejects the mail: {_reply(code, text)}"
            return GiveUp(reason) if 500 <= code < 600 else RetryLater(reason)
        case smtplib.SMTPException() if not isinstance(error, smtplib.SMTPServerDisconnected):
            # The server does not offer STARTTLS or AUTH.
            return RetryLater(f"{_name(server)}: {error} Check EMAIL_SMTP_SECURITY and EMAIL_SMTP_USERNAME")
        case ssl.SSLError():
            hint = "check EMAIL_SMTP_SECURITY and EMAIL_SMTP_PORT; a CA of your own goes into SSL_CERT_FILE"
            return RetryLater(f"no secure connection to {_name(server)}: {error}; {hint}")
        case _:
            return RetryLater(f"no connection to {_name(server)}: {type(error).__name__}: {error}")


def _fit(rejection: str) -> str:
    """Shorten an address with a reply to `MAX_REJECTION` characters of JSON, in which one character can take six."""
    while len(json.dumps(rejection)) > MAX_REJECTION:
        rejection = shorten(rejection, len(rejection) * 9 // 10)
    return rejection


def _name(server: SmtpServer) -> str:
    return f"{server.host}:{server.port}"


def _list(replies: Mapping[str, str]) -> str:
    return "; ".join(f"{address}: {reply}" for address, reply in replies.items())


def _reply(code: int, text: bytes | str) -> str:
    return one_line(f"{code} {text.decode(errors='replace') if isinstance(text, bytes) else text}", 200)
