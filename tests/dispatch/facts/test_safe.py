"""What a service says is masked, cleaned and bounded before it is kept or shown."""

import pytest

from dispatch.facts.safe import LOG_LINES, made_safe, mask_known
from dispatch.secrets import Secrets
from schemas.facts import EndpointFacts, RunFacts

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (
            "https://x.blob.core.windows.net/a?sv=2&sig=a%2Fb%3D&se=3",
            "https://x.blob.core.windows.net/a?sv=2&sig=***&se=3",
        ),
        ("sig%3Dabc and a signal", "sig%3D*** and a signal"),
        ("url%3Fsig%3Dabc", "url%3Fsig%3D***"),
        ("AccountName=x;AccountKey=abc/d==;Endpoint=y", "AccountName=x;AccountKey=***;Endpoint=y"),
        ("Authorization: Bearer abc.def-1", "Authorization: Bearer ***"),
        ("the bearer of news", "the bearer of news"),
        (f"token {JWT} ends", "token *** ends"),
        ("password = 'hunter2'", "password = '***'"),
        ('{"client_secret": "x y"}', '{"client_secret": "*** y"}'),
        ("DB_PASSWORD: hunter2, then", "DB_PASSWORD: ***, then"),
        ("AZURE_STORAGE_ACCESS_KEY => abc", "AZURE_STORAGE_ACCESS_KEY => ***"),
        ("postgres://ann:hunter2@db/x", "postgres://***@db/x"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY----- after", "*** after"),
        ("-----BEGIN PRIVATE KEY-----\nabc", "***"),
        ("hf_abcdefghijklmnopqrstuvwxyz", "***"),
        ("key " + "A" * 86 + "==", "key ***"),
        ("CUDA out of memory. Tried to allocate 2.00 GiB", "CUDA out of memory. Tried to allocate 2.00 GiB"),
        ("token_count 512, keys: a b, secretary", "token_count 512, keys: a b, secretary"),
    ],
)
def test_secrets_in_the_forms_of_logs_are_masked(text: str, masked: str) -> None:
    assert mask_known(text) == masked


def log(text: str) -> str:
    return made_safe(RunFacts(log_tail=text), str).log_tail or ""


def test_log_has_its_last_lines_without_what_controls_a_terminal() -> None:
    lines = "\n".join(f"line {n}" for n in range(100))
    assert log(lines).split("\n") == [f"line {n}" for n in range(100 - LOG_LINES, 100)]
    assert log("\x1b[31mred\x1b[0m \x1b]0;title\x07\x9b1mbold\x00\n\n\n") == "red bold"


def test_progress_bar_shows_its_last_state() -> None:
    assert log("10%|#\r50%|#####\r100%|##########\r\ndone") == "100%|##########\ndone"


def test_long_lines_and_texts_are_cut() -> None:
    assert len(log("x" * 1_000_000)) == 500
    safe = made_safe(RunFacts.model_validate({"owner": "o" * 1_000, "error": {"message": "m" * 9_000}}), str)
    assert (len(safe.owner or ""), len(safe.error.message or "")) == (300, 4_000)
    many = {f"m{n}": float(n) for n in range(1_000)}
    assert len(made_safe(RunFacts(metrics=many), str).metrics) == 100


def test_no_part_of_a_secret_is_left_at_a_cut() -> None:
    secrets = Secrets.of_settings({"API_KEY": "correct-horse-battery"})
    safe = made_safe(RunFacts(owner="x" * 290 + "correct-horse-battery"), secrets.mask)
    assert safe.owner == "x" * 290 + "***"


def test_characters_that_reorder_or_hide_are_removed() -> None:
    assert made_safe(RunFacts(owner="a\u202eb\u200bc\ud800d\r\ne\x85f"), str).owner == "abcd\ne\nf"
    assert made_safe(RunFacts(log_tail="pass\u200bword=hunter2"), str).log_tail == "password=***"


def test_numbers_that_are_none_are_left_out() -> None:
    facts = RunFacts(metrics={"loss": float("nan"), "auc": 0.5}, duration=float("inf"))
    safe = made_safe(facts, str)
    assert (safe.metrics, safe.duration) == ({"auc": 0.5}, None)
    endpoint = EndpointFacts.model_validate({"deployments": [{"name": f"d{n}"} for n in range(99)], "transient": True})
    safe_endpoint = made_safe(endpoint, str)
    assert (len(safe_endpoint.deployments), safe_endpoint.transient) == (50, True)
