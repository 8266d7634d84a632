"""``storage:`` in workspaces.yaml: storage accounts are listed, named, labelled and chosen as workspaces are."""

from pathlib import Path

import pytest

from dispatch.rules import load
from dispatch.rules.rule import Rules
from schemas import RunCompleted
from schemas.events.blobs import BlobCreated, StorageAccountId
from tests.kit.world import ACCOUNT, SETTINGS, STORAGE, WORKSPACES, World

RULE = "rules:\n  - name: new-files\n    on: BlobCreated\n    do: log\n"


def loaded(folder: Path, rules: str = RULE, workspaces: str = WORKSPACES + STORAGE) -> Rules:
    (folder / "workspaces.yaml").write_text(workspaces)
    (folder / "a.yaml").write_text(rules)
    return load(folder, SETTINGS)


def errors(folder: Path, rules: str = RULE, workspaces: str = WORKSPACES + STORAGE) -> list[str]:
    return [str(error) for error in loaded(folder, rules, workspaces).errors]


def test_accounts_are_found_with_the_workspaces(tmp_path: Path) -> None:
    workspaces = loaded(tmp_path).workspaces
    assert workspaces
    found = workspaces.find(StorageAccountId.parse(ACCOUNT.upper().replace("/PROVIDERS/", "/providers/")))
    assert found is workspaces.by_name["churn-landing"]
    assert dict(found.labels) == {"env": "dev", "team": "churn", "tier": "raw"}
    assert sorted(workspaces.ids()) == ["churn-dev", "churn-prod"]


@pytest.mark.parametrize("chosen", ["churn-landing", "[churn-dev, churn-landing]", "{ tier: raw }", "{ team: churn }"])
def test_rules_choose_accounts_by_name_and_label(chosen: str, tmp_path: Path) -> None:
    found = loaded(tmp_path, f"{RULE}    in: {chosen}\n")
    assert found.errors == ()
    assert [rule.name for rule in found.matching(BlobCreated.example())] == ["new-files"]
    assert found.matching(RunCompleted.example()) == []


def test_events_of_other_accounts_are_rejected(tmp_path: Path) -> None:
    world = World(RULE, tmp_path, workspaces=WORKSPACES + STORAGE)
    world.receive(BlobCreated.example(topic=f"{ACCOUNT}2"), BlobCreated.example())
    world.run()
    assert world.ends() == {"new-files": "succeeded"}
    [rejected] = world.history().rejected
    assert rejected.reason == f"{ACCOUNT}2 is not in workspaces.yaml"


@pytest.mark.parametrize(
    ("workspaces", "error"),
    [
        (
            f"workspaces:\n  a: {{ id: {ACCOUNT} }}\n",
            "2:12: the id of a should be a workspace's ARM id: /subscriptions/<id>/resourceGroups/<name>/providers/"
            "Microsoft.MachineLearningServices/workspaces/<name>. List it under storage.",
        ),
        (
            f"{WORKSPACES}storage:\n  a: {{ id: '${{RULES_WS_CHURN_DEV}}' }}\n",
            "6:12: the id of a should be a storage account's ARM id: /subscriptions/<id>/resourceGroups/<name>/"
            "providers/Microsoft.Storage/storageAccounts/<name>. List it under workspaces.",
        ),
        (
            f"{WORKSPACES}storage:\n  a: {{ id: churnlanding }}\n",
            "6:12: the id of a should be a storage account's ARM id: /subscriptions/<id>/resourceGroups/<name>/"
            "providers/Microsoft.Storage/storageAccounts/<name>. az storage account show --query id prints it.",
        ),
        (
            f"{WORKSPACES}storage:\n  churn-dev: {{ id: {ACCOUNT} }}\n",
            "6:3: there is a workspace 'churn-dev' (line 3). Choose another name.",
        ),
        (
            f"{WORKSPACES}storage:\n  a: {{ id: {ACCOUNT} }}\n  b: {{ id: {ACCOUNT} }}\n",
            "7:12: a has the same id (line 6). List each storage account once.",
        ),
    ],
)
def test_errors_say_where_an_account_belongs(workspaces: str, error: str, tmp_path: Path) -> None:
    [found] = errors(tmp_path, "rules: []\n", workspaces)
    assert found.endswith(f"/workspaces.yaml:{error}")


@pytest.mark.parametrize(
    ("rules", "workspaces", "error"),
    [
        (
            RULE,
            WORKSPACES,
            "3:9: BlobCreated never comes: there is no storage account in workspaces.yaml. List it under storage.",
        ),
        (
            f"{RULE}    in: churn-dev\n",
            WORKSPACES + STORAGE,
            "3:9: BlobCreated never comes: there is no storage account that this rule chooses",
        ),
        (
            f"{RULE.replace('BlobCreated', 'RunCompleted')}    in: churn-landing\n",
            WORKSPACES + STORAGE,
            "3:9: RunCompleted never comes: there is no workspace that this rule chooses",
        ),
        (
            "rules:\n  - name: train\n    on: BlobCreated\n    do: pipeline\n"
            "    with: { job: samples/rules/jobs/retrain.yml }\n",
            WORKSPACES + STORAGE,
            "5:11: the job needs a workspace, and churnlanding is none. Write workspace: NAME in with.",
        ),
    ],
)
def test_a_rule_that_never_acts_is_an_error(rules: str, workspaces: str, error: str, tmp_path: Path) -> None:
    [found] = errors(tmp_path, rules, workspaces)
    assert found.endswith(error)


def test_keys_of_labels_are_those_of_what_raises_the_event(tmp_path: Path) -> None:
    """A label of accounts is no key of events of workspaces, and none that they lack is missed."""
    with_ = '    with: { message: "{{ workspace.labels.tier }} {{ blob.path }}" }\n'
    found = loaded(tmp_path, RULE + with_)
    assert (found.errors, found.warnings) == ((), ())
    [error] = errors(tmp_path, (RULE + with_).replace("BlobCreated", "RunCompleted").replace(" {{ blob.path }}", ""))
    assert "no workspace of this rule has a label 'tier'" in error
    [error] = errors(tmp_path, f"{RULE}    when: blob.pth StringIn a\n")
    assert "BlobCreated has no key blob.pth. Did you mean blob.path?" in error


def test_a_followed_rule_needs_a_workspace_for_its_job_too(tmp_path: Path) -> None:
    follower = (
        "  - name: train\n    after: { rules: new-files }\n    do: pipeline\n"
        "    with: { job: samples/rules/jobs/retrain.yml }\n"
    )
    [error] = errors(tmp_path, RULE + follower)
    assert "the job needs a workspace" in error
