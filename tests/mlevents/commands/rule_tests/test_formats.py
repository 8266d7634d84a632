"""The formats of `mlevents test`: for people, for programs, for GitHub Actions, and as JUnit XML."""

import json
from xml.etree import ElementTree as Xml

from tests.mlevents.commands.rule_tests.project import Project

TWO = """\
tests:
  - { name: "one & <two>\\x07", event: run_status_changed, fires: [mail] }
  - { name: three, event: run_status_changed, includes: mail }
  - { name: four, event: nothing, includes: mail }
"""
# Elements, their attributes and the order of their children: JUnit.xsd of github.com/windyroad/JUnit-Schema, to which
# Microsoft's page about PublishTestResults@2 links.
SUITE = {"name", "package", "id", "timestamp", "hostname", "tests", "failures", "errors", "time"}
CHILDREN = ["properties", "testcase", "system-out", "system-err"]


def test_json_has_every_test_and_its_failures(project: Project) -> None:
    project.tests(TWO)
    project.tests("tests: []\n", "b.yaml")
    code, out = project.run("--format", "json")
    found = json.loads(out)
    assert code == 1
    assert found["summary"] == {"passed": 1, "failed": 1, "error": 1}
    one, three, four = found["tests"]
    assert (one["status"], one["line"], one["fires"]) == ("failed", 2, ["mail", "log-all"])
    assert one["failures"] == [
        {
            "line": 2,
            "column": 59,
            "message": "fires",
            "expected": "mail",
            "found": "mail, log-all",
            "notes": ["log-all: matches  (rules/churn.yaml:15)"],
        }
    ]
    assert (three["status"], three["failures"], four["status"]) == ("passed", [], "error")
    assert found["errors"][0]["file"] == "rules/tests/b.yaml"


def test_github_has_an_annotation_for_each_failure(project: Project) -> None:
    project.tests(TWO.replace("\\x07", ""))
    code, out = project.run("--format", "github")
    first, second, last = out.splitlines()
    assert code == 1
    assert first == (
        "::error file=rules/tests/churn.yaml,line=2,col=55::one & <two>: fires; expected mail; "
        "found mail, log-all; log-all: matches (rules/churn.yaml:15)"
    )
    assert second.startswith("::error file=rules/tests/churn.yaml,line=4,col=19::four: there is no file nothing, ")
    assert last == "3 tests: 1 passed, 1 failed, 1 error"


def test_junit_is_valid_for_publishers_of_test_results(project: Project) -> None:
    project.tests(TWO)
    project.tests("tests: []\n", "b.yaml")
    code, out = project.run("--format", "junit")
    root = Xml.fromstring(out)
    assert (code, root.tag, len(root)) == (1, "testsuites", 2)
    for number, suite in enumerate(root):
        assert suite.attrib.keys() == SUITE
        assert suite.attrib["id"] == str(number)
        cases = suite.findall("testcase")
        assert [child.tag for child in suite] == [CHILDREN[0], *["testcase"] * len(cases), *CHILDREN[2:]]
        assert suite.attrib["tests"] == str(len(cases))
        assert suite.attrib["failures"] == str(len(suite.findall("testcase/failure")))
        assert suite.attrib["errors"] == str(len(suite.findall("testcase/error")))
        for case in cases:
            assert case.attrib.keys() == {"name", "classname", "time"}
            float(case.attrib["time"])
            for problem in case:
                assert problem.attrib.keys() == {"message", "type"}
    one, three, four = root[0].findall("testcase")
    assert one.attrib["name"] == "one & <two>\ufffd"
    [failure] = one
    assert (failure.text or "").splitlines() == [
        "rules/tests/churn.yaml:2:59: fires",
        "    expected  mail",
        "    found     mail, log-all",
        "    log-all: matches  (rules/churn.yaml:15)",
    ]
    assert (len(three), four[0].tag) == (0, "error")
    assert "tests is empty" in str(root[1].findall("testcase/error")[0].attrib["message"])


def test_text_of_a_test_cannot_control_the_terminal(project: Project) -> None:
    project.tests(TWO)
    assert "\x07" not in project.run()[1]


def test_long_values_are_shortened(project: Project) -> None:
    project.case(
        "includes: { mail: { subject: x } }", {"data.runTags.owner": "a@example.com", "data.experimentName": "y" * 5000}
    )
    code, out = project.run()
    assert code == 1
    assert max(map(len, out.splitlines())) < 3_000


def test_passing_tests_exit_with_0_in_every_format(project: Project) -> None:
    project.case("includes: mail")
    for format in ("json", "github", "junit"):
        assert project.run("--format", format)[0] == 0


def test_errors_of_settings_go_to_stderr_for_programs(project: Project) -> None:
    (project.folder / "local.settings.json.example").write_text("{")
    assert "local.settings.json.example, line 1" in project.run("--format", "json")[1]
    assert project.run()[0] == 1
