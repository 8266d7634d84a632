"""JobMissed: a schedule of Azure ML did not start its job when it should have."""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from pydantic import Field

from schemas.events.base import EventData, Rows, short_name
from schemas.events.subject import subject_parts
from schemas.events.watched.base import WatchedEvent
from schemas.fields import OptionalText, RequiredText, Time, format_time
from schemas.links import studio_link
from schemas.tags import Tags


class ScheduleSubject(NamedTuple):
    """``schedules/{scheduleName}``."""

    name: str


class JobMissedData(EventData):
    """A schedule, and the time at which its job should have started; `trigger` describes when it does."""

    schedule_name: RequiredText
    display_name: OptionalText = None
    due_time: Time = None
    trigger: OptionalText = None
    action: OptionalText = None
    experiment_name: OptionalText = None
    schedule_tags: Tags = Field(default_factory=Tags)


class JobMissed(WatchedEvent):
    """A schedule of Azure ML did not start its job when it should have."""

    example_fields: ClassVar[Mapping[str, Any]] = {
        "id": "3d5a90e2f1c74b6c8a4e7d2b6f019c83",
        "eventTime": "2026-11-22T03:00:00Z",
        "data": {
            "scheduleName": "nightly-churn",
            "displayName": "Nightly churn training",
            "dueTime": "2026-11-22T03:00:00Z",
            "trigger": "cron 0 3 * * * (UTC)",
            "action": "CreateJob",
            "experimentName": "churn-training",
            "scheduleTags": {"team": "churn"},
        },
    }
    example_subject = "schedules/{scheduleName}"

    data: JobMissedData

    @property
    def object(self) -> str:
        """The schedule's name."""
        return self.data.schedule_name

    @property
    def about(self) -> str:
        """The schedule."""
        return f"schedule {self.object}"

    @property
    def label(self) -> str:
        """The schedule, and that its job is missing."""
        return f"{short_name(self.object)} missed"

    @property
    def subject_parts(self) -> ScheduleSubject | None:
        """The schedule's name."""
        return subject_parts(ScheduleSubject, r"schedules/([^/]+)", self.subject)

    @property
    def studio_url(self) -> str | None:
        """The link to the list of jobs: the form of a schedule's own page is not published."""
        return studio_link(self.workspace, "experiments")

    @property
    def headline(self) -> str:
        """The schedule, and that its job is missing."""
        return f"Schedule {short_name(self.object)} has started no job"

    @property
    def lead(self) -> tuple[str, ...]:
        """When the job should have started."""
        due = self.data.due_time
        return (f"It was due at {due.astimezone(self.time_zone):%Y-%m-%d %H:%M %Z}.",) if due else ()

    @property
    def rows(self) -> Rows:
        """The schedule, when it is due, and the experiment of its jobs."""
        data = self.data
        return (
            ("Schedule", data.display_name or data.schedule_name),
            ("Due", format_time(data.due_time)),
            ("Trigger", data.trigger),
            ("Experiment", data.experiment_name),
        )

    @property
    def is_bad_news(self) -> bool:
        """True: it reports a failure."""
        return True

    @property
    def tags(self) -> Tags:
        """The schedule's tags."""
        return self.data.schedule_tags
