"""The files that `mlevents init` writes."""

import json
import re
from collections.abc import Mapping, Sequence

from mlevents.commands.init.yaml_text import block, flow

_SENDER = re.compile(r'("EMAIL_FROM"\s*:\s*)"(?:[^"\\]|\\.)*"')
_WORKSPACES = """\
# The workspaces whose events are handled. Events of other workspaces are recorded as rejected.
#
# `id` is the workspace's ARM id: az ml workspace show --name NAME --resource-group GROUP --query id
# All other keys are labels of your own. Rules choose workspaces by name or by labels: in: { env: prod }.
# `mlevents init` adds workspaces and labels.
workspaces:
"""
_ALERTS = """
# The handler that sends alerts: an action failed and no rule follows the failure, a rules file is refused, events are
# rejected. Optional; the log has all of it, too.
"""
_RULES = """\
# Your rules begin here. One file per team is a good habit: an error in a file stops the rules of that file only.
# `mlevents check` finds errors, docs/rules.md explains every key, and samples/rules/churn.yaml is a tour of rules.
rules:

  # Mail when a run fails: for whole pipelines, and for runs with a team's name. Each step of a pipeline raises events
  # of its own; without the second condition, each step would send a mail.
  - name: mail-failed-runs
    on: RunStatusChanged
    when:
      - data.runStatus StringIn Failed NotResponding
      - any:
          - data.runType StringIn azureml.PipelineRun
          - data.runTags.team IsNotNull
    do: email
    with: {with}
    dry_run: true    # record what would be mailed, and mail nothing: remove this line when the record is as you want it
"""
_TESTS = """\
# Tests of the rules in the folder above: `mlevents test` runs them, docs/testing-rules.md explains every key.
tests:

  - name: a failed pipeline is mailed
    event: run_status_changed
    workspace: {workspace}
    fires:
      mail-failed-runs: { to: {to}, subject: "*failed (experiment churn-training)" }

  - name: a step of a pipeline without a team is not mailed
    event: run_status_changed
    workspace: {workspace}
    changes: { data.runType: azureml.StepRun, data.runTags.team: null }
    not: { mail-failed-runs: none of 2 alternatives }
"""


def workspaces_yaml(workspaces: Mapping[str, Mapping[str, str]], alerts: Mapping[str, object] | None) -> str:
    """A new workspaces.yaml: the keys of each workspace, and the handler of alerts."""
    entries = "".join(f"  {flow(name)}:\n{block(keys, 4)}" for name, keys in workspaces.items())
    ends = _ALERTS + block({"alerts": alerts}, 0) if alerts else ""
    return _WORKSPACES + entries + ends


def rules_yaml(recipients: Sequence[str]) -> str:
    """The first rules file."""
    return _RULES.replace("{with}", flow({"to": recipients}))


def tests_yaml(recipients: Sequence[str], workspace: str) -> str:
    """Tests of the first rules file."""
    return _TESTS.replace("{to}", flow(recipients)).replace("{workspace}", flow(workspace))


def settings_json(example: str, sender: str) -> str:
    """local.settings.json: its example, with this sender, if there is one."""
    return _SENDER.sub(lambda found: f"{found[1]}{json.dumps(sender)}", example, count=1) if sender else example
