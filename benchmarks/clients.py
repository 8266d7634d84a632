"""What it costs to import the clients of services, in a process that has imported the app.

It prints the CPU time of each import, and its ratio to `import azure.functions` in the same process: the median.
"""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 7
CLIENTS = {  # module -> what the app has of it
    "handlers.http.transport": "used by handlers that send requests",
    "azure.eventgrid": "not used",
    "azure.eventhub": "not used, and not installed",
    "azure.servicebus": "not used, and not installed",
    "azure.storage.blob": "used by blob",
}
MEASURE = """
import importlib, sys
from time import process_time
start = process_time()
import azure.functions
baseline = process_time() - start
import function_app
start = process_time()
importlib.import_module(sys.argv[1])
print(baseline, process_time() - start)
"""


def main() -> None:
    """Print a line for each client that is installed."""
    installed = [name for name in CLIENTS if find_spec(name) is not None]
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in installed}
    for _ in range(ROUNDS + 1):  # the first round fills the disk cache and is not counted
        for name in installed:
            figures[name].append(cost_in_new_process(name))
    print("\nClients: CPU time of an import, beside import azure.functions\n")
    for name, values in figures.items():
        cpu = median(cost for _, cost in values[1:])
        ratio = median(cost / baseline for baseline, cost in values[1:])
        print(f"  {name:<26} {CLIENTS[name]:<36} {cpu:>6.2f} s {ratio:>6.2f} x")


def cost_in_new_process(module: str) -> tuple[float, float]:
    """The CPU time in seconds of `import azure.functions`, and of the module's import after that of the app."""
    command = [sys.executable, "-W", "ignore", "-c", MEASURE, module]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - no shell
    baseline, cost = map(float, done.stdout.split())
    return baseline, cost


if __name__ == "__main__":
    main()
