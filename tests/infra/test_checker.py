"""The checker of Bicep files finds planted faults."""

from pathlib import Path

import pytest

from tests.infra.checker import check

VALID = """\
param name string
param location string
@allowed(['TLS1_2', 'TLS1_3'])
param tls string = 'TLS1_2'

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: toLower('st${name}')
  location: location
  kind: 'StorageV2'
  sku: { name: 'Standard_LRS' }
  properties: { allowSharedKeyAccess: false, minimumTlsVersion: tls }
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices@2024-01-01' = {
  parent: account
  name: 'default'
}

module inner 'inner.bicep' = {
  name: 'inner'
  params: { text: account.id }
}

output blob object = account.properties.primaryEndpoints
output text string = inner.outputs.text
"""
INNER = """\
param text string
param suffix string = ''

output text string = '${text}${suffix}'
"""
FAULTS = {
    "syntax": ("kind: 'StorageV2'", "kind: 'StorageV2", "syntax"),
    "two statements on a line": ("param location string\n", "param location string param x int\n", "two statements"),
    "statement after a text": ("= 'TLS1_2'\n", "= 'TLS1_2' var more = tls\n", "two statements"),
    "type of a resource": ("storageAccounts@", "storageAccount@", "not among the published types"),
    "API version": ("2024-01-01' = {\n  name: to", "2024-01-32' = {\n  name: to", "not among the published types"),
    "property": ("allowSharedKeyAccess", "allowSharedKeys", "no property allowSharedKeys"),
    "enum": ("kind: 'StorageV2'", "kind: 'StorageV3'", "'StorageV3', not one of"),
    "enum of a parameter": ("'TLS1_3'", "'TLS1_9'", "'TLS1_9', not one of"),
    "type of a value": ("Access: false", "Access: 'no'", "not the type BooleanType"),
    "required property": ("  kind: 'StorageV2'\n", "", "account.kind is required"),
    "read-only property": ("{ allowShared", "{ creationTime: 'x', allowShared", "creationTime is read-only"),
    "object": ("sku: { name: 'Standard_LRS' }", "sku: 'Standard_LRS'", "account.sku is no object"),
    "array": (
        "{ allowShared",
        "{ networkAcls: { defaultAction: 'Deny', ipRules: '1' }, allowShared",
        "ipRules is no array",
    ),
    "pattern": ("toLower('st${name}')", "'MyAccount'", "account.name is 'MyAccount'"),
    "parent": ("  parent: account\n", "", "queues has no parent"),
    "output of a resource": ("primaryEndpoints", "primaryEndpoint", "account has no property primaryEndpoint"),
    "symbol": ("text: account.id", "text: acount.id", "the symbol acount is not declared"),
    "symbol in a text": ("'st${name}'", "'st${names}'", "the symbol names is not declared"),
    "function": ("toLower(", "toLowerCase(", "the symbol toLowerCase is not declared"),
    "unused parameter": ("param name", "param unused int\nparam name", "unused is not used"),
    "parameter of a module": ("{ text:", "{ other: 1, text:", "inner.bicep has no parameter other"),
    "missing parameter": ("{ text: account.id }", "{}", "inner.bicep needs the parameter text"),
    "output of a module": ("inner.outputs.text", "inner.outputs.name", "inner has no output name"),
    "unused output": ("output text string = inner.outputs.text\n", "", "the output text of inner is not used"),
    "missing module": ("'inner.bicep'", "'outer.bicep'", "is no file: outer.bicep"),
    "location": ("location: location", "location: 'westeurope'", "the location 'westeurope'"),
    "secret": ("param name string", "param mailPassword string\nparam name string", "mailPassword is not @secure()"),
    "scope of a resource": ("param name", "targetScope = 'subscription'\nparam name", "cannot be deployed to a sub"),
    "scope of a module": ("param name", "targetScope = 'subscription'\nparam name", "inner is for a resourceGroup"),
    "length": ("param name", "\n" * 99 + "param name", "more than 99 lines"),
}


def faults(folder: Path, text: str) -> list[str]:
    (folder / "inner.bicep").write_text(INNER)
    (folder / "main.bicep").write_text(text)
    return check(folder / "main.bicep")


def test_valid_file_has_no_faults(tmp_path: Path) -> None:
    assert faults(tmp_path, VALID) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_is_found(fault: str, tmp_path: Path) -> None:
    before, after, expected = FAULTS[fault]
    assert before in VALID
    found = faults(tmp_path, VALID.replace(before, after, 1))
    assert any(expected in each for each in found), found


def test_variant_of_a_resource_is_chosen_by_its_name(tmp_path: Path) -> None:
    text = """\
resource app 'Microsoft.Web/sites@2024-11-01' existing = { name: 'app' }
resource auth 'Microsoft.Web/sites/config@2024-11-01' = {
  parent: app
  name: 'authsettingsV2'
  properties: { platform: { enabled: true } }
}
"""
    assert faults(tmp_path, text) == []
    assert "no property platforms" in faults(tmp_path, text.replace("platform:", "platforms:"))[0]
    assert "auth.name is 'authsettingsV3', not one of" in faults(tmp_path, text.replace("V2'", "V3'"))[0]


def test_line_can_exempt_the_next_one(tmp_path: Path) -> None:
    text = VALID.replace("  kind:", "  #disable-next-line BCP037\n  unpublished: 1\n  kind:")
    assert faults(tmp_path, text) == []
    assert faults(tmp_path, text.replace("BCP037", "BCP000")) == ["main.bicep: account has no property unpublished"]


def test_both_branches_and_each_turn_of_a_loop_are_checked(tmp_path: Path) -> None:
    text = VALID.replace("'StorageV2'", "name == 'a' ? 'StorageV2' : 'StorageV9'")
    assert "'StorageV9', not one of" in faults(tmp_path, text)[0]
    rules = "networkAcls: { defaultAction: 'Deny', ipRules: [for ip in ['1.2.3.4']: { values: ip }] }"
    [unknown, required] = faults(tmp_path, VALID.replace("{ allowShared", f"{{ {rules}, allowShared"))
    assert "ipRules[0] has no property values" in unknown
    assert "ipRules[0].value is required" in required
