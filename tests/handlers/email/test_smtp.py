"""`email` over SMTP, against a mail server on loopback."""

import smtplib
import socket
import ssl
from datetime import timedelta
from typing import Any

import pytest

from handlers.base import Action, CheckBack, GiveUp, RetryLater, Succeeded
from handlers.email import smtp, smtp_connection
from handlers.email.handler import Email
from schemas import RunStatusChanged
from tests.handlers.conftest import SetSettings
from tests.handlers.email.conftest import UseServer
from tests.kit.smtp import MailServer, mail_server, scripted_server, trickling_server

EVENT = RunStatusChanged.example()
TEAM = Email(to="ml-team@example.com")


# Encryption


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("login", [None, ("mailer", "s3cret")])
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_connection_is_encrypted(
    security: str,
    login: tuple[str, str] | None,
    use_server: UseServer,
    settings: SetSettings,
    server_tls: ssl.SSLContext,
) -> None:
    """STARTTLS and implicit TLS, with a login and without."""
    with mail_server(**{security: server_tls}, login=login) as server:
        use_server(server, security)
        if login:
            settings(EMAIL_SMTP_USERNAME=login[0], EMAIL_SMTP_PASSWORD=login[1])
        assert isinstance(TEAM.run(EVENT, Action()), Succeeded)
    [mail] = server.accepted
    assert mail.encrypted
    assert mail.login == (login[0] if login else "")


def test_login_without_encryption_works_on_loopback(use_server: UseServer) -> None:
    with mail_server(login=("mailer", "s3cret")) as server:
        use_server(server, EMAIL_SMTP_USERNAME="mailer", EMAIL_SMTP_PASSWORD="s3cret")
        TEAM.run(EVENT, Action())
    assert server.accepted[0].login == "mailer"


@pytest.mark.usefixtures("trusted")
def test_server_without_starttls_gets_no_mail(server: MailServer, settings: SetSettings) -> None:
    settings(EMAIL_SMTP_SECURITY="starttls")
    with pytest.raises(RetryLater, match=r"STARTTLS.*EMAIL_SMTP_SECURITY"):
        TEAM.run(EVENT, Action())
    assert server.accepted == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_untrusted_certificate_gets_no_mail(security: str, use_server: UseServer, server_tls: ssl.SSLContext) -> None:
    with mail_server(**{security: server_tls}, login=("mailer", "s3cret")) as server:
        use_server(server, security, EMAIL_SMTP_USERNAME="mailer", EMAIL_SMTP_PASSWORD="s3cret")
        with pytest.raises(RetryLater, match=r"no secure connection.*certificate.*SSL_CERT_FILE"):
            TEAM.run(EVENT, Action())
    assert server.accepted == []


@pytest.mark.usefixtures("trusted")
def test_certificate_for_another_name_is_rejected(
    use_server: UseServer, settings: SetSettings, server_tls: ssl.SSLContext
) -> None:
    with mail_server(tls=server_tls) as server:
        use_server(server, "tls")
        settings(EMAIL_SMTP_HOST="127.0.0.1")
        with pytest.raises(RetryLater, match="no secure connection"):
            TEAM.run(EVENT, Action())


# Replies


@pytest.mark.parametrize("command", ["MAIL", "RCPT ml-team@example.com", "DATA"])
@pytest.mark.parametrize(("code", "raised"), [(421, RetryLater), (451, RetryLater), (550, GiveUp), (552, GiveUp)])
def test_reply_code_decides_whether_the_action_is_retried(
    server: MailServer, command: str, code: int, raised: type[Exception]
) -> None:
    """4yz is retried and 5yz is not. The reason repeats the reply."""
    server.replies[command] = [f"{code} 4.7.1 no thanks"]
    with pytest.raises(raised, match=f"{code} .*no thanks"):
        TEAM.run(EVENT, Action())
    assert server.accepted == []


# Login


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("security", ["starttls", "tls", "none"])
def test_rejected_login_is_retried_for_half_an_hour(
    security: str, use_server: UseServer, server_tls: ssl.SSLContext
) -> None:
    """The reason names the settings, and does not repeat the password."""
    tls: dict[str, Any] = {} if security == "none" else {security: server_tls}
    with mail_server(**tls, login=("mailer", "right")) as server:
        use_server(server, security, EMAIL_SMTP_USERNAME="mailer", EMAIL_SMTP_PASSWORD="wr0ng-s3cret")
        with pytest.raises(RetryLater, match=r"EMAIL_SMTP_USERNAME and EMAIL_SMTP_PASSWORD") as error:
            TEAM.run(EVENT, Action())
    assert error.value.max_elapsed == timedelta(minutes=30)
    assert "wr0ng" not in str(error.value)
    assert server.accepted == []


@pytest.mark.usefixtures("trusted")
def test_missing_login_is_retried_for_half_an_hour(use_server: UseServer, server_tls: ssl.SSLContext) -> None:
    """530 is a permanent reply, but the settings can be fixed."""
    with mail_server(starttls=server_tls, login=("mailer", "right")) as server:
        use_server(server, "starttls")
        with pytest.raises(RetryLater, match=r"530.*EMAIL_SMTP_USERNAME") as error:
            TEAM.run(EVENT, Action())
    assert error.value.max_elapsed == timedelta(minutes=30)


def test_temporary_login_failure_is_retried_as_the_rule_says(use_server: UseServer) -> None:
    with mail_server(login=("mailer", "right")) as server:
        server.replies["AUTH"] = ["454 4.7.0 the directory is down"] * 3
        use_server(server, EMAIL_SMTP_USERNAME="mailer", EMAIL_SMTP_PASSWORD="right")
        with pytest.raises(RetryLater, match="454") as error:
            TEAM.run(EVENT, Action())
    assert error.value.max_elapsed is None


def test_server_without_login_is_an_error_that_names_the_settings(server: MailServer, settings: SetSettings) -> None:
    settings(EMAIL_SMTP_USERNAME="mailer", EMAIL_SMTP_PASSWORD="right")
    with pytest.raises(RetryLater, match="EMAIL_SMTP_USERNAME"):
        TEAM.run(EVENT, Action())


# Recipients


def test_rejected_recipient_is_left_out_and_the_others_get_the_mail(server: MailServer) -> None:
    server.replies["RCPT gone@example.com"] = ["550 5.1.1 no such user"]
    outcome = Email(to=["gone@example.com", "ml-team@example.com"]).run(EVENT, Action())
    assert isinstance(outcome, Succeeded)
    assert server.accepted[0].recipients == ("ml-team@example.com",)
    assert outcome.details["to"] == "ml-team@example.com"
    assert outcome.details["left_out"] == "gone@example.com: 550 5.1.1 no such user"


def test_deferred_recipients_are_retried_alone(server: MailServer) -> None:
    """No recipient gets the mail twice, and the final outcome lists them all."""
    server.replies |= {"RCPT slow@example.com": ["451 greylisted"] * 2, "RCPT gone@example.com": ["550 no"]}
    email, action = Email(to=["ml-team@example.com", "slow@example.com"], cc="gone@example.com"), Action()

    first = email.run(EVENT, action)
    assert isinstance(first, CheckBack)
    assert first.after > timedelta()
    assert "slow@example.com: 451 greylisted" in first.note

    action = Action(key=action.key, state=first.state)
    with pytest.raises(RetryLater, match=r"slow@example\.com: 451 greylisted"):
        email.run(EVENT, action)
    last = email.run(EVENT, action)
    assert isinstance(last, Succeeded)
    assert [mail.recipients for mail in server.accepted] == [("ml-team@example.com",), ("slow@example.com",)]
    assert server.accepted[1].message["To"] == "ml-team@example.com, slow@example.com"  # for "reply to all"
    assert last.details["to"] == "ml-team@example.com, slow@example.com"
    assert last.details["left_out"] == "gone@example.com: 550 no"


def test_partly_delivered_mail_does_not_fail(server: MailServer) -> None:
    """A deferred recipient whom the server then rejects is left out."""
    server.replies["RCPT slow@example.com"] = ["451 greylisted", "550 no after all"]
    email, action = Email(to=["ml-team@example.com", "slow@example.com"]), Action()
    first = email.run(EVENT, action)
    assert isinstance(first, CheckBack)
    last = email.run(EVENT, Action(key=action.key, state=first.state))
    assert isinstance(last, Succeeded)
    assert last.details["left_out"] == "slow@example.com: 550 no after all"
    assert len(server.accepted) == 1


@pytest.mark.parametrize("text", ["收件人不存在" * 40, "é" * 300, '"\\' * 200])
def test_long_rejections_do_not_lose_the_deferred_recipient(text: str, server: MailServer) -> None:
    """The state is ASCII, in which a Chinese character takes six."""
    gone = [f"{'g' * 60}{n}@{'d' * 60}.{'e' * 60}.{'f' * 45}.example.com" for n in range(48)]
    server.replies |= {f"RCPT {address}": [f"550 {text}"] for address in gone}
    server.replies["RCPT slow@example.com"] = ["451 greylisted"]
    email, action = Email(to=["ml-team@example.com", "slow@example.com"], cc=gone), Action()
    first = email.run(EVENT, action)
    assert isinstance(first, CheckBack)
    last = email.run(EVENT, Action(key=action.key, state=first.state))
    assert isinstance(last, Succeeded)
    assert [mail.recipients for mail in server.accepted] == [("ml-team@example.com",), ("slow@example.com",)]


def test_rejected_mail_for_the_rest_does_not_fail_if_somebody_got_it(server: MailServer) -> None:
    """A replay of a failed action would mail them again."""
    server.replies["RCPT slow@example.com"] = ["451 greylisted"]
    email, action = Email(to=["ml-team@example.com", "slow@example.com"]), Action()
    first = email.run(EVENT, action)
    assert isinstance(first, CheckBack)
    server.replies["DATA"] = ["554 5.7.1 looks like spam"]
    last = email.run(EVENT, Action(key=action.key, state=first.state))
    assert isinstance(last, Succeeded)
    assert last.details["to"] == "ml-team@example.com"
    assert "slow@example.com" in last.details["left_out"]
    assert "554 5.7.1 looks like spam" in last.details["left_out"]


def test_deferred_recipient_removed_from_the_rule_gets_no_mail(server: MailServer) -> None:
    state = {"left": ["former@example.com"], "taken": ["ml-team@example.com"], "never": []}
    outcome = TEAM.run(EVENT, Action(state=state))
    assert isinstance(outcome, Succeeded)
    assert server.accepted == []


def test_action_fails_if_all_recipients_are_rejected(server: MailServer) -> None:
    server.replies |= {f"RCPT {name}@example.com": ["550 no"] for name in "ab"}
    with pytest.raises(GiveUp, match=r"a@example\.com: 550 no; b@example\.com: 550 no"):
        Email(to=["a@example.com", "b@example.com"]).run(EVENT, Action())


def test_all_recipients_are_retried_if_none_is_accepted_and_some_are_deferred(server: MailServer) -> None:
    server.replies |= {"RCPT a@example.com": ["550 no"], "RCPT b@example.com": ["451 later"]}
    with pytest.raises(RetryLater, match=r"b@example\.com: 451 later"):
        Email(to=["a@example.com", "b@example.com"]).run(EVENT, Action())


def test_shutdown_at_rcpt_defers_all_recipients(use_server: UseServer) -> None:
    """After a 421, smtplib does not report the recipients that it had not yet named. They do not count as accepted."""
    with scripted_server("220 hi", "250 hello", "250 ok", "421 closing") as server:
        use_server(server)
        with pytest.raises(RetryLater, match="421"):
            Email(to=["a@example.com", "b@example.com"]).run(EVENT, Action())


# Lost connections and timeouts


@pytest.mark.parametrize("reply", ["421 going down", "500 what?"])
def test_error_reply_to_quit_does_not_send_the_mail_again(server: MailServer, reply: str) -> None:
    server.replies["QUIT"] = [reply]
    assert isinstance(TEAM.run(EVENT, Action()), Succeeded)
    assert len(server.accepted) == 1


@pytest.mark.parametrize(
    ("replies", "raised", "reason"),
    [
        (["554 no service for you"], GiveUp, "554 no service for you"),
        (["421 too busy"], RetryLater, "421 too busy"),
        ([], RetryLater, "Disconnected"),
        (["220 hi"], RetryLater, "Disconnected"),
        (["220 hi", "250 hello", "250 ok", "250 ok", "354 go on"], RetryLater, "Disconnected"),
        (["HTTP/1.1 400 Bad Request"], RetryLater, "rejects the mail: .*400 Bad Request"),
    ],
)
def test_lost_connection_is_classified_by_the_last_reply(
    replies: list[str], raised: type[Exception], reason: str, use_server: UseServer
) -> None:
    with scripted_server(*replies) as server:
        use_server(server)
        with pytest.raises(raised, match=reason):
            TEAM.run(EVENT, Action())


@pytest.mark.parametrize("replies", [[""], ["220 hi", ""], ["220 hi", "250 hello", "250 ok", "250 ok", "354 go", ""]])
def test_silent_server_times_out(replies: list[str], use_server: UseServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "_TIMEOUT", 0.1)
    with scripted_server(*replies) as server:
        use_server(server)
        with pytest.raises(RetryLater, match="timed out"):
            TEAM.run(EVENT, Action())


def test_smtplib_gets_the_timeout(monkeypatch: pytest.MonkeyPatch, server: MailServer) -> None:
    """smtplib has none of its own."""
    given: list[float] = []

    connect = smtplib.SMTP.connect

    def spy(self: smtplib.SMTP, *args: Any, **kwargs: Any) -> Any:
        given.append(self.timeout)
        return connect(self, *args, **kwargs)

    monkeypatch.setattr(smtplib.SMTP, "connect", spy)
    TEAM.run(EVENT, Action())
    assert given == [10.0]


@pytest.mark.parametrize("end", ["", "\r\n"], ids=["one line", "many lines"])
def test_reply_without_end_is_cut_off(end: str, use_server: UseServer) -> None:
    with trickling_server(b"220-" + b"a" * 1_000 + end.encode(), pause=0) as server:
        use_server(server)
        with pytest.raises(RetryLater, match="the server's reply is too long"):
            TEAM.run(EVENT, Action())


@pytest.mark.parametrize("piece", [b"220-a\r\n", b"a"])
def test_slow_server_cannot_prolong_the_conversation(
    piece: bytes, use_server: UseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each read ends in time, and there is no last one."""
    monkeypatch.setattr(smtp_connection, "MAX_SECONDS", 0.5)
    with trickling_server(piece, pause=0.02) as server:
        use_server(server)
        with pytest.raises(RetryLater, match="timed out"):
            TEAM.run(EVENT, Action())


def test_chunk_of_a_message_must_be_sent_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server reads nothing."""
    monkeypatch.setattr(smtp_connection, "MAX_SECONDS", 0.5)
    with trickling_server(b"220 hi\r\n", pause=0, times=1) as server:
        connection = smtp_connection.Connection(server.host, server.port, 10.0)
        with pytest.raises(smtplib.SMTPServerDisconnected):
            connection.send(b"x" * 50_000_000)
        connection.close()


def test_refused_connection_is_retried(use_server: UseServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    use_server(MailServer("localhost", port))
    with pytest.raises(RetryLater, match=rf"no connection to localhost:{port}: ConnectionRefusedError"):
        TEAM.run(EVENT, Action())


def test_unknown_host_is_retried(use_server: UseServer) -> None:
    use_server(MailServer("nowhere.invalid", 25))
    with pytest.raises(RetryLater, match=r"no connection to nowhere\.invalid:25"):
        TEAM.run(EVENT, Action())
