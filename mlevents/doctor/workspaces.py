"""The workspaces and their event subscriptions, as Resource Manager shows them to the login of this machine."""

from dispatch.settings import Environment, Names
from handlers.azure.arm import VERSION
from mlevents.doctor.diagnosis import Diagnoses, Group, Subject
from mlevents.doctor.function_app import FAILURES, client, describe_failure
from mlevents.subscriptions.deployed import Unreadable, differences, read_deployed
from mlevents.subscriptions.live import Unavailable, read_live
from mlevents.subscriptions.model import Delivery, plan
from mlevents.subscriptions.model import Names as SubscriptionNames
from schemas import WorkspaceId

_WORKSPACES, _SUBSCRIPTIONS = Group("workspaces"), Group("subscriptions")
_HARMLESS = {"extra", "retry", "batch", "filter"}  # a filter may be what `--filter` has printed


def check(subject: Subject) -> Diagnoses:
    """Read each workspace and list its models."""
    if subject.rules is None:
        return
    for workspace in subject.rules.workspaces or ():
        where = workspace.id.text
        if not isinstance(workspace.id, WorkspaceId):
            continue
        try:
            arm = client(VERSION)
            if arm.get(where) is None:
                text = f"{workspace.name} does not exist: no event of it will come"
                yield _WORKSPACES.error(text, where, "correct its id in workspaces.yaml")
                continue
            arm.get(f"{where}/models", {"$top": "1"})
        except FAILURES as error:
            text = f"{workspace.name} cannot be read: {describe_failure(error)}"
            yield _WORKSPACES.error(
                text, where, "log in with `az login`, and get the role AzureML Data Scientist or Reader"
            )
            continue
        yield _WORKSPACES.ok(f"{workspace.name} exists, and its models can be listed", where)


def subscriptions(subject: Subject, function_app: str = "") -> Diagnoses:
    """Compare the event subscriptions with those that the rules need, to the function or else to the queue."""
    rules = subject.rules
    if rules is None or rules.errors:
        yield _SUBSCRIPTIONS.warning("they follow from all rules, some of which have errors", to_do="`mlevents check`")
        return
    queue = Names.of(Environment(subject.environment)).events
    workspaces = {each.name: each.id for each in rules.workspaces or ()}
    try:
        deployed = read_deployed(read_live([id for id in workspaces.values() if id.topic_type]))
    except (Unavailable, Unreadable) as error:
        yield _SUBSCRIPTIONS.warning(
            str(error), to_do="`az login`, with the role Reader on the workspaces' subscriptions"
        )
        return
    by_queue = any(each.endpoint_type == "StorageQueue" and each.endpoint.lower().endswith(queue) for each in deployed)
    delivery = Delivery("queue" if by_queue else "function", queue, function_app=function_app, identity=by_queue)
    found = differences(plan(rules, delivery, SubscriptionNames(), with_filters=False), deployed, workspaces)
    for each in found:
        report = _SUBSCRIPTIONS.warning if each.kind in _HARMLESS else _SUBSCRIPTIONS.error
        text = f"{each.subscription} of {each.workspace}: {each.text}"
        to_do = "`mlevents subscriptions` prints what is needed; docs/subscriptions.md"
        yield report(text, str(workspaces.get(each.workspace, "")), to_do)
    if not found:
        yield _SUBSCRIPTIONS.ok(f"{len(deployed)} event subscriptions are as the rules need them")
