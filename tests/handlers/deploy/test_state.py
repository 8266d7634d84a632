"""The state of a roll-out, which is kept between calls and outlives a deployment of the app."""

from datetime import UTC, datetime, timedelta

import pytest

from handlers.deploy.limits import GAP_COUNTED, MAX_GAP, TRAFFIC_SETTLED
from handlers.deploy.state import CONFIRMED, MISSING, RolloutState, resumed, upgraded
from handlers.deploy.steps import steps_of

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
BEFORE = NOW - timedelta(minutes=3)


def after(**span: float) -> datetime:
    return NOW + timedelta(**span)


def test_an_observation_lasts_while_consecutive_polls_make_it() -> None:
    state = RolloutState()
    polls = [(True, 0), (True, 15), (False, 20), (True, 30), (True, 50)]
    lasted = [state.lasted(CONFIRMED, observed, after(seconds=seconds)) for observed, seconds in polls]
    assert [span.total_seconds() for span in lasted] == [0, 15, 0, 0, 20]


def test_errors_with_a_long_break_between_them_are_two_series() -> None:
    """During a bake of hours, a service can fail now and then."""
    state = RolloutState(polling_since=NOW)
    elapsed = [state.record_error(after(minutes=minutes), "oops") for minutes in (0, 15, 70, 131, 141)]
    assert [span // timedelta(minutes=1) for span in elapsed] == [0, 15, 70, 0, 10]
    assert (state.errors, state.polling_since) == (2, None)
    state.next_step()
    assert (state.errors, state.last_error, state.outcome_unknown) == (0, "", False)


def test_only_a_rejected_request_has_a_known_outcome() -> None:
    state = RolloutState()
    state.record_error(NOW, "HTTP 409", rejected=True)
    assert not state.outcome_unknown
    state.record_error(NOW, "no answer")
    assert state.outcome_unknown
    state.record_error(NOW, "HTTP 409", rejected=True)
    assert state.outcome_unknown


def test_a_gap_between_two_calls_counts_against_the_limits_as_a_few_seconds() -> None:
    """No limit passes while the app does not poll."""
    state = RolloutState(called_at=NOW, polling_since=BEFORE, since={CONFIRMED: BEFORE})
    saved = state.model_dump(mode="json")
    assert RolloutState.model_validate(resumed(saved, NOW + MAX_GAP, crashed=False)) == state
    now = NOW + 2 * MAX_GAP
    after_gap = RolloutState.model_validate(resumed(saved, now, crashed=False))
    expected = now - (NOW - BEFORE) - GAP_COUNTED
    assert (after_gap.polling_since, after_gap.since) == (expected, {CONFIRMED: expected})
    assert not after_gap.outcome_unknown
    never_polled = RolloutState(called_at=NOW).model_dump(mode="json")
    assert RolloutState.model_validate(resumed(never_polled, now, crashed=False)).polling_since is None


@pytest.mark.parametrize("crashed", [False, True])
def test_an_outage_does_not_count_as_part_of_a_bake(crashed: bool) -> None:
    """Nobody watches the deployment meanwhile. A short gap counts in full."""
    saved = RolloutState(step="bake", called_at=NOW, baking_since=BEFORE).model_dump(mode="json")
    assert RolloutState.model_validate(resumed(saved, NOW + MAX_GAP, crashed=crashed)).baking_since == BEFORE
    now = NOW + 3 * MAX_GAP
    after_outage = RolloutState.model_validate(resumed(saved, now, crashed=crashed))
    assert after_outage.baking_since == now - (NOW - BEFORE) - GAP_COUNTED


def test_limits_end_even_if_every_call_is_late() -> None:
    """Else a roll-out of an overloaded app would hold the endpoint's lock for ever."""
    state, now = RolloutState(), NOW
    for _ in range(TRAFFIC_SETTLED // GAP_COUNTED):
        assert state.lasted(CONFIRMED, True, now) < TRAFFIC_SETTLED
        state.called_at = now
        now += 2 * MAX_GAP
        state = RolloutState.model_validate(resumed(state.model_dump(mode="json"), now, crashed=False))
    assert state.lasted(CONFIRMED, True, now) == TRAFFIC_SETTLED


def test_a_crash_restarts_the_limits_and_leaves_the_outcome_unknown() -> None:
    saved = RolloutState(called_at=NOW, polling_since=BEFORE, since={CONFIRMED: BEFORE}).model_dump(mode="json")
    state = RolloutState.model_validate(resumed(saved, NOW, crashed=True))
    assert (state.polling_since, state.since, state.outcome_unknown) == (None, {}, True)


# As release 0.1 saved it, while the endpoint was not found during a confirmation.
OLD = {
    "step": "confirm",
    "began": BEFORE.isoformat(),
    "operation": "https://management.azure.com/operation",
    "made": True,
    "before": {"churn-7": 100},
    "was": {"churn-7": 100},
    "target": {"churn-7": 90, "churn-8": 10},
    "shares": 1,
    "moved": True,
    "unsure": True,
    "baked": 0,
    "old": [],
    "notes": [],
    "broken": "",
    "log": "",
    "looks": 5,
    "seen": 1,
    "odd": 0,
    "there": True,
    "lost": 2,
    "verdict": "",
    "asked": False,
    "upset": 2,
    "doubtful": True,
    "failed": 1,
    "failing_since": BEFORE.isoformat(),
    "failed_at": BEFORE.isoformat(),
    "failure": "HTTP 500",
}


def test_a_state_of_release_0_1_is_read() -> None:
    """What it counted in polls counts as started now."""
    state = RolloutState.model_validate(upgraded(OLD, NOW))
    assert state == RolloutState(
        step="confirm_traffic",
        started_at=BEFORE,
        operation="https://management.azure.com/operation",
        created=True,
        endpoint_existed=True,
        original_traffic={"churn-7": 100},
        previous_traffic={"churn-7": 100},
        target_traffic={"churn-7": 90, "churn-8": 10},
        shares=1,
        moved=True,
        unconfirmed=True,
        polling_since=NOW,
        since={CONFIRMED: NOW, MISSING: NOW},
        outcome_unknown=True,
        errors=1,
        failing_since=BEFORE,
        last_error_at=BEFORE,
        last_error="HTTP 500",
    )


def test_a_rollback_of_release_0_1_continues() -> None:
    old = {**OLD, "step": "put_back", "broken": "unhealthy", "asked": True, "baked": 3, "old": ["churn-6"]}
    state = RolloutState.model_validate(upgraded(old, NOW))
    assert (state.step, state.cause, state.to_delete) == ("restore_traffic", "unhealthy", ["churn-6"])
    assert (state.requested_at, state.baking_since) == (NOW, NOW)


def test_every_step_of_release_0_1_still_exists() -> None:
    preconditions = ["still_wanted", "in_order", "room", "endpoint_ready"]
    forward = ["create", "provisioned", "smoke_test", "shift", "send", "confirm", "bake", "choose", "tidy"]
    steps = [upgraded({**OLD, "step": step}, NOW)["step"] for step in (*preconditions, *forward)]
    steps += [upgraded({**OLD, "step": step}, NOW)["step"] for step in ("put_back", "remove", "report")]
    assert steps == [step.__name__ for step in steps_of(None)]  # type: ignore[arg-type]  # only their names matter


def test_a_current_state_and_that_of_a_new_action_stay_as_they_are() -> None:
    saved = RolloutState(step="bake", shares=2, baking_since=BEFORE).model_dump(mode="json")
    assert upgraded(saved, NOW) == saved
    assert upgraded({}, NOW) == {}
