"""Names that collide: of tables and queues of two apps in one storage account, of labels and of settings."""

from collections import Counter

from dispatch.settings import Environment, Names, SettingsError
from mlevents.doctor.diagnosis import Diagnoses, Group, Subject

HOST_ID = 32  # characters of a function app's name that the host's id has: "Host ID considerations"

_GROUP = Group("names")


def check(subject: Subject) -> Diagnoses:
    """Check the names of the table and the queues, and of workspaces that people cannot tell apart."""
    names = Names.of(Environment(subject.environment))
    found = [*_queues(names, subject), *_workspaces(subject)]
    yield from found
    if not found:
        queues = f"queues {names.events} and {names.actions}"
        yield _GROUP.ok(f"table {names.table}, {queues}; no names collide", subject.source)


def _queues(names: Names, subject: Subject) -> Diagnoses:
    try:
        names.check()
    except SettingsError as error:
        yield _GROUP.error(str(error), subject.source, "change the setting")
    poison = {f"{names.actions}-poison", f"{names.events}-poison"}
    if names.actions == names.events or {names.actions, names.events} & poison:
        text = f"the queues {names.events} and {names.actions} collide, with the suffix -poison: messages mix"
        yield _GROUP.error(text, subject.source, "give MLEVENTS_QUEUE and MLEVENTS_EVENTS_QUEUE different names")


def _workspaces(subject: Subject) -> Diagnoses:
    """Workspaces of one name in Azure: mails and counts that name them so are ambiguous. Ids are the loader's."""
    workspaces = list(subject.rules.workspaces or ()) if subject.rules else []
    counts = Counter(each.id.name.lower() for each in workspaces)
    for name, count in counts.items():
        if count > 1:
            listed = ", ".join(each.name for each in workspaces if each.id.name.lower() == name)
            yield _GROUP.warning(
                f"{count} workspaces are called {name} in Azure: {listed}",
                "workspaces.yaml",
                "tell them apart by labels",
            )


def host_ids(apps: list[str], own: str, source: str) -> Diagnoses:
    """Function apps that share the storage account, by the ids of their hosts."""
    others = sorted(each for each in apps if each != own[:HOST_ID].lower())
    if len(own) > HOST_ID:
        text = (
            f"the name {own} has more than {HOST_ID} characters: another app with the same first ones shares its leases"
        )
        yield _GROUP.warning(text, source, "set AzureFunctionsWebHost__hostid to a unique text")
    if len(others) > (0 if own else 1):
        text = f"function apps share this storage account: {', '.join(others[:5])}"
        to_do = "give each its own account, or other names in MLEVENTS_TABLE, MLEVENTS_QUEUE and MLEVENTS_EVENTS_QUEUE"
        yield _GROUP.warning(text, source, to_do)
