"""The subscriptions as commands of the Azure CLI, and what it cannot say.

What ``az`` gets wrong, up to version 2.91: docs/event-grid.md. Its issues: Azure/azure-cli #26910, #28064 and #28762;
``BoolEquals`` converts a text by ``bool``, true for "false" (its command module eventgrid, advanced_filter.py).
"""

import shlex
from collections.abc import Iterator

from mlevents.subscriptions.budget import AdvancedFilter
from mlevents.subscriptions.model import ATTEMPTS, FUNCTION, MINUTES, Delivery, Plan, Subscription
from schemas.errors import printable

_INSTEAD = "use --format bicep or --format arm"
_ASK = {
    "FUNCTION_APP_ID": ("function_app", "az functionapp show -g RG -n APP --query id -o tsv"),
    "STORAGE_ID": ("storage", "az storage account show -g RG -n STORAGE --query id -o tsv"),
}


class Unsayable(Exception):  # noqa: N818 - it says what is not possible
    """The Azure CLI cannot create a subscription as it must be. The message says what, and what to use instead."""


def script(plan: Plan) -> str:
    """The commands as a script for a POSIX shell. Raises Unsayable."""
    if plan.delivery.identity:
        what = "a subscription that uses the identity of a system topic"
        raise Unsayable(f"az cannot create {what} (azure-cli#26910): {_INSTEAD}")
    return "\n".join(_lines(plan)) + "\n"


def _lines(plan: Plan) -> Iterator[str]:
    yield "#!/bin/sh"
    yield "# The event subscriptions that the rules need. Written by: mlevents subscriptions --format az"
    for note in plan.notes:
        yield f"# {printable(note)}"
    yield "set -eu"
    for variable, (name, command) in _ASK.items():
        if plan.subscriptions and not getattr(plan.delivery, name):
            yield f': "${{{variable}:?set it to the output of: {command}}}"'
    for subscription in plan.subscriptions:
        yield ""
        yield f"# {subscription.workspace}: for {printable(', '.join(subscription.rules))}"
        yield from (f"#   {printable(note)}" for note in subscription.notes)
        yield from _commands(subscription, plan.delivery)


def _commands(subscription: Subscription, delivery: Delivery) -> Iterator[str]:
    source = subscription.source
    of_group = [["--subscription", source.subscription], ["--resource-group", source.resource_group]]
    region = shlex.join(["az", "resource", "show", "--ids", source.text, "--query", "location", "--output", "tsv"])
    yield f"LOCATION=$({region})"
    topic = [*of_group, ["--name", subscription.topic], ["--topic-type", source.topic_type], ["--source", source.text]]
    yield _command("az eventgrid system-topic create", topic, '--location "$LOCATION"')
    options = [
        *of_group,
        ["--system-topic-name", subscription.topic],
        ["--name", subscription.name],
        ["--endpoint-type", "azurefunction"],
        ["--included-event-types", *subscription.event_types],
        *(["--advanced-filter", *_words(each)] for each in subscription.filters),
        *[["--enable-advanced-filtering-on-arrays", "true"]] * bool(subscription.filters),
        ["--max-delivery-attempts", str(ATTEMPTS)],
        ["--event-ttl", str(MINUTES)],
        ["--max-events-per-batch", "1"],
        ["--preferred-batch-size-in-kilobytes", "64"],
        ["--event-delivery-schema", "eventgridschema"],
    ]
    function = _id(delivery.function_app, "FUNCTION_APP_ID", f"/functions/{FUNCTION}")
    container = _id(delivery.storage, "STORAGE_ID", f"/blobServices/default/containers/{delivery.container}")
    ends = f"--endpoint {function}", f"--deadletter-endpoint {container}"
    yield _command("az eventgrid system-topic event-subscription create", options, *ends)


def _command(verb: str, options: list[list[str]], *more: str) -> str:
    for option in options:
        for word in option[1:]:
            _check(word, shlex.join(option))
    return " \\\n   ".join([verb, *map(shlex.join, options), *more])


def _check(word: str, option: str) -> None:
    if word[:1] in ("@", "-"):
        what = "the content of a file" if word.startswith("@") else "an option"
        raise Unsayable(f"az takes {word!r} in {printable(option)} for {what}: {_INSTEAD}")
    if not word.isprintable():
        raise Unsayable(f"a shell's script cannot have {word!r} in it: {_INSTEAD}")


def _id(given: str, variable: str, end: str) -> str:
    return shlex.quote(given + end) if given else f'"${variable}{end}"'


def _words(filter: AdvancedFilter) -> list[str]:
    if filter.operator == "BoolEquals" and filter.values == (False,):
        raise Unsayable(f"az sends true for {filter}: {_INSTEAD}")
    return [filter.key, filter.operator, *(_word(value) for value in filter.values)]


def _word(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(_word(end) for end in value)
    return str(value).lower() if isinstance(value, bool) else str(value)
