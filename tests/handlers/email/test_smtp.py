"""`email` over SMTP, against a real mail server on loopback."""

import smtplib
import socket
import ssl
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from handlers.base import Action, CheckBack, GiveUp, RetryLater, Succeeded
from handlers.email import smtp
from handlers.email.handler import Email
from schemas import RunStatusChanged
from tests.handlers.conftest import SetSettings
from tests.kit.smtp import MailServer, mail_server, scripted_server

EVENT = RunStatusChanged.example()
TEAM = Email(to="ml-team@example.com")


@pytest.fixture
def server(settings: SetSettings) -> Iterator[MailServer]:
    """A plain server, which the settings point to."""
    with mail_server() as server:
        use(settings, server)
        yield server


def use(settings: SetSettings, server: MailServer, security: str = "none", **more: str) -> None:
    settings(
        EMAIL_FROM="azureml-events@example.com",
        EMAIL_SMTP_HOST=server.host,
        EMAIL_SMTP_PORT=server.port,
        EMAIL_SMTP_SECURITY=security,
        **more,
    )


def test_a_mail_arrives(server: MailServer) -> None:
    """From, To, Subject, both parts, and a Message-ID made of the action's key."""
    action = Action(rule="mail-failed-runs", source="rules/churn.yaml:12")
    outcome = Email(to="ml-team@example.com", cc=["boss@example.com"]).run(EVENT, action)
    assert isinstance(outcome, Succeeded)
    [mail] = server.taken
    assert mail.sender == "azureml-events@example.com"
    assert mail.recipients == ("ml-team@example.com", "boss@example.com")
    message = mail.message
    assert (message["To"], message["Cc"]) == ("ml-team@example.com", "boss@example.com")
    assert message["Message-ID"] == f"<{action.key}@example.com>" == outcome.details["message_id"]
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime.tzinfo is not None
    assert "failed" in message["Subject"]
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert "Sent by rule mail-failed-runs (rules/churn.yaml:12)" in mail.part("plain")
    assert outcome.details["to"] == "ml-team@example.com, boss@example.com"


def test_attempts_of_one_action_share_a_message_id_and_a_replay_has_its_own(server: MailServer) -> None:
    action, replay = Action(), Action()
    for attempt in (action, action, replay):
        TEAM.run(EVENT, attempt)
    first, second, third = (mail.message["Message-ID"] for mail in server.taken)
    assert first == second != third


def test_a_mail_whose_html_would_be_too_long_is_a_text(server: MailServer) -> None:
    Email(to="ml-team@example.com", html="{% for n in range(9999) %}" + "x" * 200 + "{% endfor %}").run(EVENT, Action())
    assert server.taken[0].message.get_content_type() == "text/plain"


def test_nobody_sees_a_bcc(server: MailServer) -> None:
    Email(to="ml-team@example.com", bcc="archive@example.com").run(EVENT, Action())
    [mail] = server.taken
    assert "archive@example.com" in mail.recipients
    assert b"archive@example.com" not in mail.content


def test_text_that_is_not_ascii_survives_a_server_without_8bitmime(server: MailServer) -> None:
    """Subject, body, display name and long lines."""
    body = "Grüße 模型 🚀\n" + "ü" * 2_000
    Email(to="ml-team@example.com", subject="Lauf „früh“ 🚀", body=body).run(EVENT, Action())
    [mail] = server.taken
    assert mail.content.isascii()
    assert max(len(line) for line in mail.content.splitlines()) <= 998
    assert mail.message["Subject"] == "Lauf „früh“ 🚀"
    assert mail.part("plain").strip() == body
    assert "Grüße 模型 🚀" in mail.part("html")


def test_the_sender_has_a_display_name(server: MailServer, settings: SetSettings) -> None:
    settings(EMAIL_FROM="Azure ML – Ereignisse <azureml-events@bücher.example>")
    action = Action()
    TEAM.run(EVENT, action)
    [mail] = server.taken
    assert mail.sender == "azureml-events@xn--bcher-kva.example"
    [address] = mail.message["From"].addresses
    assert (address.display_name, address.addr_spec) == ("Azure ML – Ereignisse", mail.sender)
    assert mail.message["Message-ID"] == f"<{action.key}@xn--bcher-kva.example>"


def test_a_line_of_one_dot_ends_nothing(server: MailServer) -> None:
    Email(to="ml-team@example.com", body="before\n.\nafter").run(EVENT, Action())
    assert server.taken[0].part("plain").splitlines() == ["before", ".", "after"]


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("login", [None, ("mailer", "s3cret")])
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_the_connection_is_encrypted(
    security: str, login: tuple[str, str] | None, settings: SetSettings, server_tls: ssl.SSLContext
) -> None:
    """STARTTLS and implicit TLS, with a login and without."""
    with mail_server(**{security: server_tls}, login=login) as server:
        use(settings, server, security)
        if login:
            settings(EMAIL_SMTP_USERNAME=login[0], EMAIL_SMTP_PASSWORD=login[1])
        assert isinstance(TEAM.run(EVENT, Action()), Succeeded)
    [mail] = server.taken
    assert mail.encrypted
    assert mail.login == (login[0] if login else "")


def test_a_login_without_encryption_works_on_this_machine(settings: SetSettings) -> None:
    with mail_server(login=("mailer", "s3cret")) as server:
        use(settings, server, EMAIL_SMTP_USERNAME="mailer", EMAIL_SMTP_PASSWORD="s3cret")
        TEAM.run(EVENT, Action())
    assert server.taken[0].login == "mailer"


@pytest.mark.usefixtures("trusted")
def test_encryption_that_was_chosen_is_not_given_up(server: MailServer, settings: SetSettings) -> None:
    """A server that does not offer STARTTLS gets no mail."""
    settings(EMAIL_SMTP_SECURITY="starttls")
    with pytest.raises(RetryLater, match=r"STARTTLS.*EMAIL_SMTP_SECURITY"):
        TEAM.run(EVENT, Action())
    assert server.taken == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_server_that_cannot_prove_its_name_gets_no_mail(
    security: str, settings: SetSettings, server_tls: ssl.SSLContext
) -> None:
    """Nobody here trusts the authority that signed its certificate."""
    with mail_server(**{security: server_tls}, login=("mailer", "s3cret")) as server:
        use(settings, server, security, EMAIL_SMTP_USERNAME="mailer", EMAIL_SMTP_PASSWORD="s3cret")
        with pytest.raises(RetryLater, match=r"no secure connection.*certificate.*SSL_CERT_FILE"):
            TEAM.run(EVENT, Action())
    assert server.taken == []


@pytest.mark.usefixtures("trusted")
def test_a_certificate_for_another_name_is_refused(settings: SetSettings, server_tls: ssl.SSLContext) -> None:
    with mail_server(tls=server_tls) as server:
        use(settings, server, "tls")
        settings(EMAIL_SMTP_HOST="127.0.0.1")
        with pytest.raises(RetryLater, match="no secure connection"):
            TEAM.run(EVENT, Action())


@pytest.mark.parametrize("command", ["MAIL", "RCPT ml-team@example.com", "DATA"])
@pytest.mark.parametrize(("code", "raised"), [(421, RetryLater), (451, RetryLater), (550, GiveUp), (552, GiveUp)])
def test_what_the_server_answers_decides(server: MailServer, command: str, code: int, raised: type[Exception]) -> None:
    """4yz may go right later, 5yz will not; the reason repeats what the server said."""
    server.answers[command] = [f"{code} 4.7.1 said the server"]
    with pytest.raises(raised, match=f"{code} .*said the server"):
        TEAM.run(EVENT, Action())
    assert server.taken == []


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("security", ["starttls", "tls", "none"])
def test_a_refused_login_waits_half_an_hour_for_the_right_password(
    security: str, settings: SetSettings, server_tls: ssl.SSLContext
) -> None:
    """The reason names the settings and not what is in them."""
    tls: dict[str, Any] = {} if security == "none" else {security: server_tls}
    with mail_server(**tls, login=("mailer", "right")) as server:
        use(settings, server, security, EMAIL_SMTP_USERNAME="mailer", EMAIL_SMTP_PASSWORD="wr0ng-s3cret")
        with pytest.raises(RetryLater, match=r"EMAIL_SMTP_USERNAME and EMAIL_SMTP_PASSWORD") as refused:
            TEAM.run(EVENT, Action())
    assert refused.value.max_elapsed == timedelta(minutes=30)
    assert "wr0ng" not in str(refused.value)
    assert server.taken == []


@pytest.mark.usefixtures("trusted")
def test_a_login_that_is_missing_is_a_setting_too(settings: SetSettings, server_tls: ssl.SSLContext) -> None:
    """A server that demands one says 530, which is permanent; the setting is not."""
    with mail_server(starttls=server_tls, login=("mailer", "right")) as server:
        use(settings, server, "starttls")
        with pytest.raises(RetryLater, match=r"530.*EMAIL_SMTP_USERNAME") as refused:
            TEAM.run(EVENT, Action())
    assert refused.value.max_elapsed == timedelta(minutes=30)


def test_a_login_that_fails_for_now_is_tried_as_long_as_anything(settings: SetSettings) -> None:
    with mail_server(login=("mailer", "right")) as server:
        server.answers["AUTH"] = ["454 4.7.0 the directory is down"] * 3
        use(settings, server, EMAIL_SMTP_USERNAME="mailer", EMAIL_SMTP_PASSWORD="right")
        with pytest.raises(RetryLater, match="454") as refused:
            TEAM.run(EVENT, Action())
    assert refused.value.max_elapsed is None


def test_a_login_that_the_server_does_not_offer_names_the_settings(server: MailServer, settings: SetSettings) -> None:
    settings(EMAIL_SMTP_USERNAME="mailer", EMAIL_SMTP_PASSWORD="right")
    with pytest.raises(RetryLater, match="EMAIL_SMTP_USERNAME"):
        TEAM.run(EVENT, Action())


def test_recipients_refused_for_good_are_named_and_the_others_get_it(server: MailServer) -> None:
    server.answers["RCPT gone@example.com"] = ["550 5.1.1 no such user"]
    outcome = Email(to=["gone@example.com", "ml-team@example.com"]).run(EVENT, Action())
    assert isinstance(outcome, Succeeded)
    assert server.taken[0].recipients == ("ml-team@example.com",)
    assert outcome.details["to"] == "ml-team@example.com"
    assert outcome.details["left_out"] == "gone@example.com: 550 5.1.1 no such user"


def test_recipients_refused_for_now_are_tried_again_alone(server: MailServer) -> None:
    """Nobody gets the mail twice, and in the end the outcome tells of everyone."""
    server.answers |= {"RCPT slow@example.com": ["451 greylisted"] * 2, "RCPT gone@example.com": ["550 no"]}
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
    assert [mail.recipients for mail in server.taken] == [("ml-team@example.com",), ("slow@example.com",)]
    assert server.taken[1].message["To"] == "ml-team@example.com, slow@example.com"  # so that one can answer all
    assert last.details["to"] == "ml-team@example.com, slow@example.com"
    assert last.details["left_out"] == "gone@example.com: 550 no"


def test_a_mail_that_some_have_got_does_not_fail_for_the_rest(server: MailServer) -> None:
    """A recipient who is refused for good at the second attempt is named; the mail did go out."""
    server.answers["RCPT slow@example.com"] = ["451 greylisted", "550 no after all"]
    email, action = Email(to=["ml-team@example.com", "slow@example.com"]), Action()
    first = email.run(EVENT, action)
    assert isinstance(first, CheckBack)
    last = email.run(EVENT, Action(key=action.key, state=first.state))
    assert isinstance(last, Succeeded)
    assert last.details["left_out"] == "slow@example.com: 550 no after all"
    assert len(server.taken) == 1


def test_nothing_is_sent_to_whom_the_rule_no_longer_names(server: MailServer) -> None:
    """The rule changed while a recipient was being waited for."""
    state = {"left": ["former@example.com"], "taken": ["ml-team@example.com"], "never": []}
    outcome = TEAM.run(EVENT, Action(state=state))
    assert isinstance(outcome, Succeeded)
    assert server.taken == []


def test_if_all_are_refused_for_good_the_mail_has_failed(server: MailServer) -> None:
    server.answers |= {f"RCPT {name}@example.com": ["550 no"] for name in "ab"}
    with pytest.raises(GiveUp, match=r"a@example\.com: 550 no; b@example\.com: 550 no"):
        Email(to=["a@example.com", "b@example.com"]).run(EVENT, Action())


def test_if_some_are_refused_for_now_and_none_taken_all_are_tried_again(server: MailServer) -> None:
    server.answers |= {"RCPT a@example.com": ["550 no"], "RCPT b@example.com": ["451 later"]}
    with pytest.raises(RetryLater, match=r"b@example\.com: 451 later"):
        Email(to=["a@example.com", "b@example.com"]).run(EVENT, Action())


def test_a_server_that_shuts_down_at_a_recipient_takes_nothing(settings: SetSettings) -> None:
    """After a 421 smtplib forgets the recipients it had not named yet; they are not taken for served."""
    with scripted_server("220 hi", "250 hello", "250 ok", "421 closing") as server:
        use(settings, server)
        with pytest.raises(RetryLater, match="421"):
            Email(to=["a@example.com", "b@example.com"]).run(EVENT, Action())


@pytest.mark.parametrize("farewell", ["421 going down", "500 what?"])
def test_a_mail_that_was_taken_is_not_sent_again_for_a_rude_farewell(server: MailServer, farewell: str) -> None:
    server.answers["QUIT"] = [farewell]
    assert isinstance(TEAM.run(EVENT, Action()), Succeeded)
    assert len(server.taken) == 1


@pytest.mark.parametrize(
    ("replies", "raised", "reason"),
    [
        (["554 no service for you"], GiveUp, "554 no service for you"),
        (["421 too busy"], RetryLater, "421 too busy"),
        ([], RetryLater, "Disconnected"),
        (["220 hi"], RetryLater, "Disconnected"),
        (["220 hi", "250 hello", "250 ok", "250 ok", "354 go on"], RetryLater, "Disconnected"),
        (["HTTP/1.1 400 Bad Request"], RetryLater, "no|refuses"),
    ],
)
def test_a_server_that_hangs_up(
    replies: list[str], raised: type[Exception], reason: str, settings: SetSettings
) -> None:
    with scripted_server(*replies) as server:
        use(settings, server)
        with pytest.raises(raised, match=reason):
            TEAM.run(EVENT, Action())


@pytest.mark.parametrize("replies", [[""], ["220 hi", ""], ["220 hi", "250 hello", "250 ok", "250 ok", "354 go", ""]])
def test_a_server_that_says_nothing_is_not_waited_for_long(
    replies: list[str], settings: SetSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "_TIMEOUT", 0.1)
    with scripted_server(*replies) as server:
        use(settings, server)
        with pytest.raises(RetryLater, match="timed out"):
            TEAM.run(EVENT, Action())


def test_the_timeout_is_smtplibs(monkeypatch: pytest.MonkeyPatch, server: MailServer) -> None:
    """It is given to smtplib, which has none of its own."""
    given: list[float] = []

    class Spy(smtplib.SMTP):
        def connect(self, *args: Any, **kwargs: Any) -> Any:
            given.append(self.timeout)
            return super().connect(*args, **kwargs)

    monkeypatch.setattr(smtplib, "SMTP", Spy)
    TEAM.run(EVENT, Action())
    assert given == [10.0]


def test_where_nobody_listens(settings: SetSettings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    use(settings, MailServer("localhost", port))
    with pytest.raises(RetryLater, match=rf"no connection to localhost:{port}: ConnectionRefusedError"):
        TEAM.run(EVENT, Action())


def test_a_host_that_does_not_exist(settings: SetSettings) -> None:
    use(settings, MailServer("nowhere.invalid", 25))
    with pytest.raises(RetryLater, match=r"no connection to nowhere\.invalid:25"):
        TEAM.run(EVENT, Action())
