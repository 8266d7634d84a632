"""azure-ai-ml's errors become sentences without JSON. tests/handlers/azure/ml/cli/test_job_check.py has real ones."""

import json

import pytest

from handlers.azure.client_errors import client_errors, describe_client_error

LISTED = {"message": "Missing data for required field.", "path": "jobs.a.component", "location": "x.yml#line 3"}
_NESTED = 'Validation for CommandJobSchema failed:\n\n {"code": [{"_schema": ["Can\'t find x."]}]} \n\nVisit this link'
NESTED = {"message": _NESTED, "path": "*"}
ALTERNATIVES = {"inputs": {"d": {"value": [{"_schema": ["Invalid input type."]}, {"null": ["Not a valid integer."]}]}}}
PYTHON = {
    "message": "{None: [{'_schema': ['Not a valid integer.']}]}; ['No such file or directory: x.yml']",
    "path": "b",
}


@pytest.mark.parametrize(
    ("text", "described"),
    [
        ("plain\n text.", "plain text"),
        ("\x1b[31mred\x1b[39m", "red"),
        ("", "ValueError"),
        ("{'foo': ['Unknown field.']}", "foo: Unknown field"),
        ('odd {"errors": [1', 'odd {"errors": [1'),
        (
            'jobs: { "result": "Failed", "errors": [{"message": "Compute not set", "path": "a.b"}] }',
            "a.b: Compute not set",
        ),
        (
            "1) A field is invalid\n\nDetails:\n\n(x) a:\n- Unknown field.\n(x) b is bad.\nResolutions: 1) Check.",
            "a: Unknown field; b is bad",
        ),
        ("Validation for X failed: {not JSON", "Validation for X failed: {not JSON"),
        (f"Validation for X failed:\n\n {json.dumps(ALTERNATIVES)} more", "inputs.d: this value is not valid here"),
        (
            f"Validation for X failed:\n\n {json.dumps({'result': 'Failed', 'errors': [LISTED, LISTED]})}",
            "jobs.a.component: Missing data for required field",
        ),
        (
            f"Validation for X failed: {json.dumps({'result': 'Failed', 'errors': [NESTED]})}",
            "code: Can't find x",
        ),
        (
            f"Validation for X failed: {json.dumps({'result': 'Failed', 'errors': [PYTHON]})}",
            "b: No such file or directory: x.yml",
        ),
        (
            'Validation for X failed: {"a": {"b": ["Unknown field.", "[1, 2"]}, "c": [{"d": ["e"]}]}',
            "a.b: Unknown field, or [1, 2; c: d: e",
        ),
        (
            'Validation for X failed: {"code": ["Not a valid URL.", "In order to specify an existing codes, please"]}',
            "code: this value is not valid here",
        ),
    ],
)
def test_errors_become_one_sentence(text: str, described: str) -> None:
    assert describe_client_error(ValueError(text)) == described


def test_errors_have_paths() -> None:
    [error] = client_errors(ValueError('Validation for X failed: {"a": {"b": {"_schema": ["c."]}}}'))
    assert (error.path, error.message) == (("a", "b"), "c")
