"""The numbers of days in groups."""

from dispatch.inbox.history.numbers import Numbers


def test_numbers_of_days_add_up_by_group() -> None:
    numbers = Numbers()
    numbers.add({"type|RunCompleted": 2, "workspace|churn": 2, "rejected|malformed": 1, "rule|ring|failed": 1})
    numbers.add({"type|RunCompleted": 1, "type|ModelDeployed": 4, "rule|ring|succeeded": 3, "rule|sing|failed": 1})
    assert numbers.received == 7
    assert numbers.types == {"RunCompleted": 3, "ModelDeployed": 4}
    assert numbers.workspaces == {"churn": 2}
    assert numbers.rejected.total() == 1
    assert numbers.rules == {"ring": {"failed": 1, "succeeded": 3}, "sing": {"failed": 1}}
    assert numbers.outcomes == {"succeeded": 3, "skipped": 0, "failed": 2}


def test_numbers_of_newer_versions_are_left_out() -> None:
    numbers = Numbers()
    numbers.add({"rule|ring|failed|twice": 1, "mails": 3, "type|a|b": 1})
    assert numbers == Numbers()
