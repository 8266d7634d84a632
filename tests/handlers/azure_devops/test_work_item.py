"""A work item is opened once per action."""

import pytest

from handlers.base import GiveUp, RetryLater, Succeeded
from mlevents.testing.server import Answer, RecordingServer
from schemas import RunStatusChanged
from tests.handlers.azure_devops.conftest import EVENT, MakeCalls
from tests.handlers.azure_devops.fake import FakeAzureDevOps
from tests.kit.calls import Calls

ITEM = {
    "type": "User Story",
    "fields": {
        "System.Title": "{{ data.experimentName }} failed\n: {{ data.runId }}",
        "System.Description": "<b>{{ data.runId }}</b>",
        "System.Tags": "ml; {{ data.runStatus }}",
        "System.AreaPath": "{{ '' }}",
        "Microsoft.VSTS.Common.Priority": 1,
    },
}


def test_work_item_is_opened_with_its_fields(calls: MakeCalls, fake: FakeAzureDevOps, server: RecordingServer) -> None:
    action = calls(work_item=ITEM)
    assert action.next() == Succeeded(
        "User Story 70 was opened in Churn Team",
        {"work_item": "70", "link": server.url("/acme/Churn%20Team/_workitems/edit/70"), "where": "Churn Team"},
    )
    [item] = fake.work_items
    assert item["type"] == "User Story"
    assert item["fields"] == {
        "System.Title": "churn failed : brave_kiwi",
        "System.Description": "<b>brave_kiwi</b>",
        "System.Tags": f"ml; Failed; {action.action.job_name}",
        "Microsoft.VSTS.Common.Priority": 1,
    }


@pytest.mark.parametrize("loss", [Answer(drop=True), Answer(500), Answer(503)], ids=repr)
def test_lost_answer_opens_one_work_item(loss: Answer, calls: MakeCalls, fake: FakeAzureDevOps) -> None:
    fake.faults = [lambda _: loss]
    action = calls(work_item=ITEM)
    assert isinstance(action.next(), RetryLater)
    assert isinstance(action.next(), Succeeded)
    assert len(fake.work_items) == 1


def test_worker_that_dies_opens_one_work_item(calls: MakeCalls, fake: FakeAzureDevOps) -> None:
    action = calls(work_item={**ITEM, "fields": {"System.Title": "x"}})
    action.next(crashes=True)
    assert isinstance(action.next(), Succeeded)
    assert [item["fields"]["System.Tags"] for item in fake.work_items] == [action.action.job_name]


def test_worker_that_dies_before_the_request_opens_one(calls: MakeCalls, fake: FakeAzureDevOps) -> None:
    fake.faults = [Answer(drop=True)]
    action = calls(work_item=ITEM)
    assert isinstance(action.next(), RetryLater)
    assert isinstance(action.next(), Succeeded)
    assert len(fake.work_items) == 1


def test_text_of_an_event_is_no_html_and_a_title_is_cut(calls: MakeCalls, fake: FakeAzureDevOps) -> None:
    hostile = RunStatusChanged.example(run_id="<img src=x onerror=alert(1)>" + "y" * 300, experiment_name="a'b")
    Calls(calls(work_item=ITEM).handler, hostile).next()
    [item] = fake.work_items
    assert item["fields"]["System.Description"].startswith("<b>&lt;img src=x onerror=alert(1)&gt;y")
    assert item["fields"]["System.Title"].startswith("a'b failed : <img")
    assert len(item["fields"]["System.Title"]) == 255


def test_empty_title_is_refused(calls: MakeCalls) -> None:
    outcome = calls(work_item={"type": "Bug", "fields": {"system.title": "{{ '' }}"}}).next()
    assert isinstance(outcome, GiveUp)


def test_plan_shows_the_fields(calls: MakeCalls, server: RecordingServer) -> None:
    plan = calls(work_item=ITEM).handler.plan(EVENT)
    assert plan.startswith('open a User Story in Churn Team with {"System.Title": "churn failed : brave_kiwi", ')
    assert server.requests == []
