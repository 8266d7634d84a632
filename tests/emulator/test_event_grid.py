"""The emulated Event Grid: handshake, delivery, retries, undelivered events."""

from collections.abc import Iterator
from typing import Any

import pytest

from emulator import Azure
from emulator.event_grid import EventGrid, NotValidated
from mlevents.testing import Answer, RecordingServer, Request
from tests.kit.started import until


class Subscriber:
    """A webhook that answers with the given statuses (0: it closes the connection), then 202."""

    def __init__(self) -> None:
        self.url = ""
        self.validates = True
        self.statuses: list[int] = []
        self.received: list[tuple[dict[str, Any], dict[str, str]]] = []  # events and headers

    def answer(self, request: Request) -> Answer:
        [event], headers = request.json(), {name.lower(): value for name, value in request.headers.items()}
        if headers["aeg-event-type"] == "SubscriptionValidation":
            code = event["data"]["validationCode"]
            return Answer(200, {"validationResponse": code}) if self.validates else Answer(404)
        self.received.append((event, headers))
        status = self.statuses.pop(0) if self.statuses else 202
        return Answer(status) if status else Answer(drop=True)


@pytest.fixture
def subscriber() -> Iterator[Subscriber]:
    subscriber = Subscriber()
    with RecordingServer(subscriber.answer) as server:
        subscriber.url = server.url()
        yield subscriber


def event(number: int) -> dict[str, Any]:
    return {"id": str(number), "dataVersion": "2", "data": {}}


def test_each_event_is_delivered_alone_after_the_handshake(subscriber: Subscriber) -> None:
    with EventGrid(subscriber.url) as grid:
        for number in range(3):
            grid.publish(event(number))
        until(lambda: len(grid.delivered) == 3)
    assert sorted(taken["id"] for taken, _ in subscriber.received) == ["0", "1", "2"]
    _, headers = subscriber.received[0]
    assert headers["aeg-event-type"] == "Notification"
    assert headers["aeg-data-version"] == "2"


def test_failed_delivery_is_retried_with_its_count(subscriber: Subscriber) -> None:
    subscriber.statuses = [500, 0, 202]
    with EventGrid(subscriber.url, pauses=[0.01, 0.01]) as grid:
        grid.publish(event(1))
        until(lambda: grid.delivered)
    assert [headers["aeg-delivery-count"] for _, headers in subscriber.received] == ["0", "1", "2"]


@pytest.mark.parametrize("statuses", [[400], [413], [403], [500, 500]])
def test_delivery_ends_after_a_final_status_or_the_last_attempt(subscriber: Subscriber, statuses: list[int]) -> None:
    subscriber.statuses = list(statuses)
    with EventGrid(subscriber.url, pauses=[0.01]) as grid:
        grid.publish(event(1))
        until(lambda: grid.undelivered)
    assert len(subscriber.received) == len(statuses)
    assert grid.undelivered[0][1].startswith(str(statuses[-1]))
    assert not grid.delivered


def test_events_may_be_delivered_twice(subscriber: Subscriber) -> None:
    with EventGrid(subscriber.url, twice_every=2) as grid:
        for number in range(4):
            grid.publish(event(number))
        until(lambda: len(grid.delivered) == 6)
    assert sorted(taken["id"] for taken, _ in subscriber.received) == ["0", "1", "1", "2", "3", "3"]


def test_url_that_fails_the_handshake_gets_no_events(subscriber: Subscriber) -> None:
    subscriber.validates = False
    with (
        pytest.raises(NotValidated, match="did not answer the handshake of Event Grid: 404"),
        EventGrid(subscriber.url),
    ):
        pass
    with pytest.raises(NotValidated, match="ClientConnectorError"), EventGrid("http://127.0.0.1:1/"):
        pass


def test_nothing_is_delivered_after_the_end(subscriber: Subscriber) -> None:
    """Pending retries are dropped."""
    subscriber.statuses = [500]
    with EventGrid(subscriber.url) as grid:
        grid.publish(event(1))
        until(lambda: subscriber.received)
        assert not grid.idle
    grid.publish(event(2))
    assert len(subscriber.received) == 1
    assert not grid.delivered


def test_events_of_the_emulator_are_delivered(azure: Azure, subscriber: Subscriber) -> None:
    azure.models.register("churn", "7")
    grid = azure.events.deliver_to(subscriber.url)
    azure.jobs.set_duration(seconds=0.2)
    azure.jobs.start("churn-training")
    until(
        lambda: (
            len(grid.delivered) == len(azure.events.all) - 1
            and azure.jobs.all[0]["properties"]["status"] == "Completed"
        )
    )
    until(lambda: grid.idle)
    known = {raised["id"]: raised for raised in azure.events.all[1:]}
    assert {taken["id"]: taken for taken, _ in subscriber.received} == known
