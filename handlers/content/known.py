"""What a message says of the facts about an event's object: the reason first, then the rest, and what is not known."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from handlers.content.button import Button, is_studio_link
from handlers.content.reason import explanation, reason_in_short
from handlers.content.text import one_line
from handlers.duration import format_duration
from schemas import Event
from schemas.events.base import Rows, short_name

if TYPE_CHECKING:
    from schemas.facts import EndpointFacts, Facts, ModelFacts, RunFacts

_NO_ANSWER = {"run": "this run", "model": "this model", "endpoint": "this endpoint"}
_VERBS = {"canceled": "was canceled", "cancelrequested": "is being canceled", "notresponding": "does not respond"}
_LOG_LINE = 200  # characters of the last line of a log
_BEFORE_REASON = 45  # characters of a subject before the reason: lists of mails show about 60
_SHORTEST_NAME = 12  # characters of a run's name that stay
_DEPLOYMENTS = 5  # that a message lists


@dataclass(frozen=True, slots=True)
class Known:
    """The parts of a message that come from facts. Texts are not bounded yet."""

    headline: str = ""  # in place of the event's; empty: that stays
    subject: str = ""  # the headline as far as a list of mails shows it; empty: the headline fits
    lead: tuple[str, ...] | None = None  # in place of the event's; None: that stays
    notes: tuple[str, ...] = ()  # what could not be read
    facts: tuple[str, ...] = ()  # for the line of facts
    rows: Rows = ()
    sections: tuple[tuple[str, Rows], ...] = ()  # titles and rows
    log: str = ""
    log_title: str = ""
    button: Button | None = None


def known_of(event: Event) -> Known:
    """What a message about an event says of its facts. They are asked for at the first call."""
    if event.drift or not event.facts or event.added("events"):  # of many events, no single object is the reason
        return Known()
    name = event.facts[0]
    if not event.fact_id(name):  # such as an alert about a workspace
        return Known()
    facts = event.fact(name)
    if facts.unavailable:
        return Known(notes=(f"What Azure ML knows about {_NO_ANSWER[name]} could not be read: {facts.unavailable}",))
    return Known(notes=_notes(facts), **_PARTS[name](event, facts))


def _notes(facts: "Facts") -> tuple[str, ...]:
    return tuple(f"Could not be read: {part}" for part in facts.missing)


def _of_run(event: Event, run: "RunFacts") -> dict[str, Any]:
    step, compute, error = run.failing_step, run.compute, run.error
    parts: dict[str, Any] = {}
    name = short_name(run.display_name or event.object)
    verb = _verb(event)
    log = run.log_tail if verb == "failed" else None
    reason = reason_in_short(error.message, log, error.code) if event.is_bad_news else ""
    if reason:
        where = f" in step {short_name(step.name)}" if step.name else ""
        parts["headline"] = f"Run {name} {verb}: {reason}{where}"
        parts["subject"] = _subject(event, name, f" {verb}: ", f"{reason}{where}")
        more = explanation(error.message, reason)
        parts["lead"] = (more,) if more else ()
    elif run.display_name and run.display_name != event.object:
        parts["headline"] = event.headline.replace(short_name(event.object), name, 1)
    if log and not reason:
        parts["lead"] = (f"Azure ML names no error. The log ends with: {one_line(log.splitlines()[-1], _LOG_LINE)}",)
    took = format_duration(timedelta(seconds=run.duration)) if run.duration and 0 < run.duration < 1e9 else None
    size = " × ".join(str(each) for each in (compute.size, compute.nodes) if each and each != 1)
    machines = f"{compute.name} ({size})" if compute.name and size else compute.name or size
    line = (
        f"step {step.name}" if step.name and not reason else "",
        f"after {took}" if took and event.is_bad_news else f"took {took}" if took else "",
        f"on {machines}" if machines else "",
        f"by {run.owner}" if run.owner else "",
    )
    rows = (
        ("Run", run.display_name),
        ("Failed step", step.name),
        ("Error", error.code),
        ("Submitted by", run.owner),
        ("Submitted from", run.notebook),
        ("Part of", run.parent.name or run.parent.id),
        ("Description", run.description),
    )
    button = Button("Open the failed step", step.url) if reason and step.url and is_studio_link(step.url) else None
    return parts | {
        "facts": tuple(filter(None, line)),
        "rows": rows,
        "sections": (("Metrics", _metrics(run.metrics)),),
        "log": (run.log_tail or "") if event.is_bad_news else "",
        "log_title": f"The last lines of {run.log_file}" if run.log_file else "The last lines of the log",
        "button": button,
    }


def _subject(event: Event, name: str, verb: str, reason: str) -> str:
    """A subject whose first characters, which a list of mails shows, have the reason; empty if the headline's do."""
    left = _BEFORE_REASON - len(f"[{event.added('workspace')['name']}] {verb}")
    if len(f"Run {name}") <= left:
        return ""
    left = max(left, _SHORTEST_NAME)
    half = left // 2
    return f"{name if len(name) <= left else f'{name[: half - 1]}…{name[-half:]}'}{verb}{reason}"


def _verb(event: Event) -> str:
    """What the run did. The event's own status counts: the run may have gone on since."""
    return _VERBS.get(str(getattr(event.data, "run_status", "")).lower(), "failed")


def _of_model(event: Event, model: "ModelFacts") -> dict[str, Any]:
    serving = next((each for each in model.serving if each.version == model.serving_version), None)
    lead = []
    if model.serving_version and model.serving_version != model.version:
        where = f" on {serving.endpoint}" if serving and serving.endpoint else ""
        lead.append(f"Version {model.serving_version} serves now{where}")
    rows = (
        ("Flavor", model.flavor),
        ("Stage", model.stage),
        ("Registered by", model.registered_by),
        ("Run", model.run_name or model.run_id),
        ("Description", model.description),
    )
    by = (f"by {model.registered_by}",) if model.registered_by else ()
    served = tuple(
        (f"{each.endpoint or ''}/{each.deployment or ''}".strip("/"), _served(each.version, each.traffic))
        for each in model.serving[:_DEPLOYMENTS]
    )
    return {
        "lead": (*event.lead, *lead),
        "facts": by,
        "rows": rows,
        "sections": (("Metrics of the run", _metrics(model.metrics)), ("Serving now", served)),
    }


def _served(version: str | None, traffic: float | None) -> str:
    return ", ".join(filter(None, (f"version {version}" if version else "", _percent(traffic))))


def _of_endpoint(event: Event, endpoint: "EndpointFacts") -> dict[str, Any]:
    def text(each: Any) -> str:
        size = f"{each.size} × {each.instances}" if each.size and each.instances else each.size
        traffic = endpoint.traffic.get(each.name) if each.traffic is None else each.traffic
        return ", ".join(filter(None, (each.model, _percent(traffic), each.state, size)))

    deployments = tuple((each.name or "", text(each)) for each in endpoint.deployments[:_DEPLOYMENTS])
    return {"rows": (("State", endpoint.state),), "sections": (("Deployments", deployments),)}


def _percent(traffic: float | None) -> str:
    return "" if traffic is None else f"{traffic:g} % of the traffic"


def _metrics(metrics: Mapping[str, float | str]) -> Rows:
    return tuple((name, value if isinstance(value, str) else f"{value:.5g}") for name, value in metrics.items())


_PARTS: Mapping[str, Callable[[Event, Any], dict[str, Any]]] = {
    "run": _of_run,
    "model": _of_model,
    "endpoint": _of_endpoint,
}
