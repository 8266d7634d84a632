"""What the rules of the samples would do and send about the events that `mlevents check` shows for them."""

from pathlib import Path

import pytest

from dispatch.rules import load
from dispatch.rules.rule import Rules
from mlevents.firings import BadPlan, Firing, firings_of
from mlevents.samples import samples_of
from schemas import RunStatusChanged
from tests.kit.started import ROOT
from tests.kit.world import SETTINGS, WORKSPACES, entry, rules

FOLDERS = [ROOT / "rules", ROOT / "samples/rules"]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_handlers_send_what_they_plan(folder: Path) -> None:
    """No template that only a run can render is among it."""
    loaded = load(folder, SETTINGS)
    sent = {
        name: Firing(sample.rule, sample.context).sends()
        for name, samples in samples_of(loaded).items()
        for sample in samples
    }
    assert sent.keys() == loaded.by_name.keys()
    assert sent["mail-failed-runs"]["to"] == ("ml-team@example.com",)
    assert sent["log-everything"].keys() == {"message"}


def of(folder: Path, *texts: str) -> Rules:
    (folder / "workspaces.yaml").write_text(WORKSPACES)
    (folder / "team.yaml").write_text(rules(*texts))
    loaded = load(folder, {**SETTINGS, "RULES_URL": "https://example.com"})
    assert loaded.errors == ()
    return loaded


def test_templates_that_only_a_run_can_render_are_left_out(tmp_path: Path) -> None:
    settings = "{ url: 'https://example.com', headers: { Idempotency-Key: '{{ key }}' } }"
    loaded = of(tmp_path, entry({"name": "a", "on": "RunStatusChanged", "do": "webhook", "with": settings}))
    [firing] = firings_of(loaded, loaded.context(RunStatusChanged.example()), lambda _: None)
    assert "key" not in str(firing.sends())


def test_html_of_a_rule_s_own_is_among_what_is_sent(tmp_path: Path) -> None:
    settings = "{ to: a@example.com, html: '<b>{{ object }}</b>' }"
    loaded = of(tmp_path, entry({"name": "a", "on": "RunStatusChanged", "do": "email", "with": settings}))
    [firing] = firings_of(loaded, loaded.context(RunStatusChanged.example(run_id="r1")), lambda _: None)
    assert firing.sends()["html"] == "<b>r1</b>"


def test_defect_of_a_handler_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = of(tmp_path, entry({"name": "a", "on": "RunStatusChanged", "do": "log"}))
    [firing] = firings_of(loaded, loaded.context(RunStatusChanged.example()), lambda _: None)
    monkeypatch.setattr(type(firing.rule.handler), "plan", lambda *_: 1 / 0)
    with pytest.raises(BadPlan, match="log cannot say what it would do: ZeroDivisionError") as raised:
        firing.plan()
    assert not raised.value.gives_up
