"""The roles as the Bicep module infra/generated/roles.bicep."""

from collections.abc import Iterator, Sequence

from mlevents.commands.roles.model import COMMUNICATION_SERVICE, INSIGHTS, STORAGE, Assignment
from schemas.errors import printable

_HEAD = """\
// The roles of the app's identity. Written by: mlevents roles --format bicep
param principalId string
param {STORAGE} string
param {INSIGHTS} string
"""
_TAIL = """
module roles '../modules/role.json' = [
  for each in union(needed, forMail, otherRoles): {
    name: 'role-${uniqueString(each.scope, each.role)}'
    scope: resourceGroup(split(each.scope, '/')[2], split(each.scope, '/')[4])
    params: { scope: each.scope, role: each.role, principalId: principalId }
  }
]
"""


def as_bicep(found: Sequence[Assignment]) -> str:
    """The module; it assigns what is on a known resource, and lists the rest in comments."""
    mail = [each for each in found if each.resource == COMMUNICATION_SERVICE]
    needed = [each for each in found if each.resource and each not in mail]
    blocks = [_HEAD.replace("{STORAGE}", STORAGE).replace("{INSIGHTS}", INSIGHTS)]
    blocks.append("" if mail else "#disable-next-line no-unused-params\n")
    blocks.append(f"param {COMMUNICATION_SERVICE} string\nparam otherRoles array\n\n")
    blocks.append(f"var needed = [\n{''.join(_entries(needed))}]\n")
    some = f"empty({COMMUNICATION_SERVICE}) ? [] : [\n{''.join(_entries(mail))}]" if mail else "[]"
    blocks.append(f"var forMail = {some}\n")
    if others := [each for each in found if not each.resource]:
        blocks.append("\n// Not assigned here, because the rules do not name the resource:\n")
        blocks += [f"// {line}\n" for each in others for line in _about(each)]
    return "".join(blocks) + _TAIL


def _entries(found: Sequence[Assignment]) -> Iterator[str]:
    for each in found:
        yield from (f"  // {line}\n" for line in _about(each))
        scope = _text(each.resource) if each.resource.startswith("/") else each.resource
        yield f"  {{ scope: {scope}, role: '{each.role.id}' }}\n"


def _about(assignment: Assignment) -> Iterator[str]:
    role = assignment.role
    if not assignment.resource:
        yield f"{role.name} ({role.id}), on {role.where}{', optional' if role.optional else ''}: {role.purpose}"
    else:
        yield f"{role.name}: {role.purpose}"
    if assignment.rules:
        yield f"  for {printable(', '.join(assignment.rules))}"


def _text(text: str) -> str:
    escaped = printable(text).replace("\\", "\\\\").replace("'", "\\'").replace("${", "\\${")
    return f"'{escaped}'"
