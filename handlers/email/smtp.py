"""Hand a mail to an SMTP server.

What a server's answer means (RFC 5321, section 4.2.1): 4yz may go right later, 5yz will not. That a login is wrong or
missing is 5yz, too; but it is a setting, which can be mended while the mail waits.
"""

import smtplib
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeAlias

from handlers.base import CheckBack, GiveUp, Outcome, RetryLater
from handlers.email.message import Mail
from handlers.email.settings import SmtpServer
from handlers.email.text import one_line

Refusals: TypeAlias = dict[str, tuple[int, bytes]]

_TIMEOUT = 10.0  # seconds that the server is waited for, each time; smtplib has no limit of its own
_LOGIN_CODES = {530, 534, 535, 538}  # RFC 4954, section 6
_LOGIN_MAX_ELAPSED = timedelta(minutes=30)
_AGAIN = timedelta(minutes=2)  # before the rest is tried: greylisting and "too many recipients" pass quickly


def send(server: SmtpServer, mail: Mail, state: Mapping[str, Any]) -> Outcome:
    """Hand it in; once for each recipient, if the server takes some now, and others only later.

    Raises RetryLater, or GiveUp if nobody gets it.
    """
    recipients = [address for address in mail.recipients if address in state.get("left", mail.recipients)]
    refused = _hand_in(server, mail, recipients) if recipients else {}
    later = {address: _said(code, text) for address, (code, text) in refused.items() if code < 500}
    never = [f"{address}: {_said(code, text)}" for address, (code, text) in refused.items() if code >= 500]
    taken = [address for address in recipients if address not in refused]
    if later and not taken:
        raise RetryLater(f"{_name(server)} takes the mail for nobody yet: {_pairs(later)}")
    never, taken = [*state.get("never", ()), *never], [*state.get("taken", ()), *taken]
    if later:
        note = f"mailed {len(taken)}; to be tried again: {_pairs(later)}"
        return CheckBack(_AGAIN, {"left": list(later), "taken": taken, "never": never}, note)
    if not taken:
        raise GiveUp(f"{_name(server)} takes the mail for nobody: {'; '.join(never)}")
    return mail.sent(_name(server), taken, never)


def _hand_in(server: SmtpServer, mail: Mail, recipients: Sequence[str]) -> Refusals:
    try:
        with _session(server) as smtp:
            return smtp.sendmail(mail.sender.address, recipients, mail.wire())
    except smtplib.SMTPRecipientsRefused as error:
        # After a 421 those that had not been named yet are missing from it; nobody got anything either way.
        return dict.fromkeys(recipients, (421, b"")) | error.recipients
    except OSError as error:  # smtplib's exceptions are OSErrors
        raise _judge(server, error) from error


@contextmanager
def _session(server: SmtpServer) -> Iterator[smtplib.SMTP]:
    """A connection, secured and logged in as the settings say: STARTTLS is demanded, not offered."""
    context = ssl.create_default_context()
    if server.security == "tls":
        smtp: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=_TIMEOUT, context=context)
    else:
        smtp = smtplib.SMTP(server.host, server.port, timeout=_TIMEOUT)
    try:
        if server.security == "starttls":
            smtp.starttls(context=context)
        if server.password:
            smtp.login(server.username, server.password.get_secret_value())
        yield smtp
    finally:
        with suppress(OSError):  # what the server says to a farewell changes nothing: the mail is in, or it is not
            smtp.quit()
        smtp.close()


def _judge(server: SmtpServer, error: OSError) -> RetryLater | GiveUp:
    match error:
        case smtplib.SMTPResponseException(smtp_code=code) if code in _LOGIN_CODES:
            hint = "check EMAIL_SMTP_USERNAME and EMAIL_SMTP_PASSWORD"
            return RetryLater(f"{_name(server)} refuses the login ({code}): {hint}", max_elapsed=_LOGIN_MAX_ELAPSED)
        case smtplib.SMTPResponseException(smtp_code=code, smtp_error=text):
            reason = f"{_name(server)} refuses the mail: {_said(code, text)}"
            return GiveUp(reason) if 500 <= code < 600 else RetryLater(reason)
        case smtplib.SMTPException() if not isinstance(error, smtplib.SMTPServerDisconnected):  # not offered there
            return RetryLater(f"{_name(server)}: {error} Check EMAIL_SMTP_SECURITY and EMAIL_SMTP_USERNAME")
        case ssl.SSLError():
            hint = "check EMAIL_SMTP_SECURITY and EMAIL_SMTP_PORT; a CA of your own goes into SSL_CERT_FILE"
            return RetryLater(f"no secure connection to {_name(server)}: {error}; {hint}")
        case _:
            return RetryLater(f"no connection to {_name(server)}: {type(error).__name__}: {error}")


def _name(server: SmtpServer) -> str:
    return f"{server.host}:{server.port}"


def _pairs(replies: Mapping[str, str]) -> str:
    return "; ".join(f"{address}: {reply}" for address, reply in replies.items())


def _said(code: int, text: bytes | str) -> str:
    return one_line(f"{code} {text.decode(errors='replace') if isinstance(text, bytes) else text}", 200)
