"""Measure the cost of a cold start, each step in a new process: `python -m benchmarks.cold_start`.

It prints CPU time and peak memory, and the ratio of CPU time to `import azure.functions`, which every app needs.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from uuid import uuid4

from emulator.background import Background
from mlevents.local.azurite import Azurite
from mlevents.local.mailbox import Mailbox
from schemas import RunStatusChanged

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = json.loads((ROOT / "local.settings.json.example").read_text(encoding="utf-8"))["Values"]
ROUNDS = 7

RULES = """
rules:
  - name: mail-it
    on: RunStatusChanged
    do: email
    with: { to: [ml-team@example.com] }
"""
RECEIVE = """
import function_app, sys
function_app.receive(sys.argv[1], function_app.the_app())
"""
MAIL = f"""{RECEIVE}
import base64, os
from azure.storage.queue import QueueClient
queue = QueueClient.from_connection_string(os.environ["AzureWebJobsStorage"], function_app.names.actions)
[message] = queue.receive_messages()
function_app.act_on(base64.b64decode(message.content).decode(), function_app.the_app())
"""
MEASURE = """
import resource
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
"""
STEPS = {
    "import azure.functions": "import azure.functions",
    "import function_app": "import function_app",
    "import function_app, receive the first event": RECEIVE,
    "import function_app, receive an event, send the first mail": MAIL,
    "an app that imports azure.ai.ml": "import azure.functions, azure.ai.ml",
}


def main() -> None:
    """Print each step's median CPU time, peak memory and ratio to the first step."""
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in STEPS}
    with Background() as background, TemporaryDirectory() as temporary:
        azurite = background.run(Azurite.start())
        mailbox = Mailbox(Path(temporary) / "mails")
        background.run(mailbox.start())
        (Path(temporary) / "workspaces.yaml").write_text('workspaces: { dev: { id: "${RULES_WS_CHURN_DEV}" } }')
        (Path(temporary) / "rules.yaml").write_text(RULES)
        settings = {**SETTINGS, "AzureWebJobsStorage": azurite.connection_string, "MLEVENTS_RULES": temporary}
        try:
            for _ in range(ROUNDS + 1):  # the first round fills the disk cache and is not counted
                for name, code in STEPS.items():
                    figures[name].append(cost_in_new_process(code, settings | mailbox.settings()))
        finally:
            background.run(mailbox.stop())
            background.run(azurite.stop())
    baseline = figures["import azure.functions"]
    print("\nCold start: CPU time and peak memory of a new process\n")
    for name, values in figures.items():
        counted = list(zip(values[1:], baseline[1:], strict=True))
        cpu, memory = median(value[0] for value, _ in counted), median(value[1] for value, _ in counted)
        ratio = median(value[0] / base[0] for value, base in counted)
        print(f"  {name:<60} {cpu:>6.2f} s {memory:>5.0f} MiB {ratio:>6.2f} x")


def cost_in_new_process(code: str, settings: dict[str, str]) -> tuple[float, float]:
    """The CPU time in seconds and the peak memory in MiB of a new interpreter that runs this code."""
    unique = uuid4().hex[:12]
    names = {"MLEVENTS_TABLE": f"t{unique}", "MLEVENTS_QUEUE": f"q{unique}"}
    event = json.dumps(RunStatusChanged.example(topic=SETTINGS["RULES_WS_CHURN_DEV"]).wire())
    done = subprocess.run(  # noqa: S603 - the code above, and no shell
        [sys.executable, "-W", "ignore", "-c", code + MEASURE, event],
        cwd=ROOT,
        env={**os.environ, **settings, **names},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    cpu, memory = done.stdout.split()
    return float(cpu), float(memory)


if __name__ == "__main__":
    main()
