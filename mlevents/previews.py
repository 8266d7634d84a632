"""What each rule would do about its samples, for `mlevents check`."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from jinja2 import TemplateError, UndefinedError

from dispatch.rules.rule import Rule, Rules
from dispatch.secrets import NO_SECRETS, Secrets
from handlers.base import GIVES_UP, GiveUp
from mlevents.findings import Finding, Severity
from mlevents.samples import Sample, samples_of
from schemas.facts.examples import EXAMPLES

_HINT = "Use default('…') for what may be missing, or let 'when' require it: KEY IsNotNull"


@dataclass(frozen=True, slots=True)
class Preview:
    """What a rule would do about an event: a line without a plan for a rule without a sample."""

    rule: Rule
    sample: Sample | None
    plan: str

    @property
    def text(self) -> str:
        """One line."""
        about = f"{self.rule.name} on {self.sample.title}" if self.sample else self.rule.name
        return f"{self.rule.source}: {about}: {self.plan}"


def previews(rules: Rules, secrets: Secrets = NO_SECRETS) -> Iterator[Preview | Finding]:
    """Each rule on each of its samples, or a finding in place of a plan that fails. Secrets are masked in both."""
    if rules.workspaces is None:
        return
    samples = samples_of(rules)
    for rule in rules.by_name.values():
        if not samples[rule.name]:
            yield Preview(rule, None, "no sample matches: not previewed")
        failures: set[str] = set()
        mask = secrets.including(rule.handler).mask
        for sample in samples[rule.name]:
            found = _previewed(rule, sample)
            if isinstance(found, Preview):
                yield replace(found, plan=mask(found.plan))
            elif (message := found.message.partition(": ")[2]) not in failures:
                failures.add(message)
                yield replace(found, message=mask(found.message))


def of_handlers(rules: Rules) -> Iterator[Finding]:
    """What the handlers of the rules find in the files and other things that their settings name."""
    for rule in rules.by_name.values():
        file, line = position(rule)
        try:
            for finding in rule.handler.findings():
                message = f"{finding.message} (rule {rule.name}, {rule.source})"
                place = (finding.file, finding.line or None) if finding.file else (file, line)
                yield Finding(finding.severity, message, *place, rule=rule.name)
        except Exception as error:  # of a handler of the app's own, too
            message = f"{rule.do} cannot check the settings: {type(error).__name__}: {error}"
            yield Finding("error", message, file, line, rule=rule.name)


def _failure(
    rule: Rule, sample: Sample, error: Exception | str, hint: str = "", severity: Severity = "error"
) -> Finding:
    return Finding(severity, f"{rule.name} on {sample.title}: {error}", *position(rule), hint=hint, rule=rule.name)


def position(rule: Rule) -> tuple[str, int]:
    """The file and the line of a rule."""
    file, _, line = rule.source.rpartition(":")
    return file, int(line)


def _previewed(rule: Rule, sample: Sample) -> Preview | Finding:
    try:
        context = replace(rule.previewed(sample.context), facts=EXAMPLES.__getitem__)
        plan = rule.handler.plan(context.event_for_handler())
        if plan.startswith(GIVES_UP):  # a value of the example may be the cause
            return _failure(rule, sample, plan.removeprefix(GIVES_UP), severity="warning")
        return Preview(rule, sample, plan)
    except UndefinedError as error:
        return _failure(rule, sample, error, _HINT)
    except (TemplateError, GiveUp) as error:
        # A value of the example, such as the name of an endpoint, may be the cause.
        is_certain = isinstance(error, TemplateError) and not sample.changes
        return _failure(rule, sample, error, severity="error" if is_certain else "warning")
    except Exception as error:  # of a handler of the app's own, too
        return _failure(rule, sample, f"{rule.do} cannot say what it would do: {type(error).__name__}: {error}")
