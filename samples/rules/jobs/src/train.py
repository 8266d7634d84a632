"""An example of a training script: estimate the share of customers who leave, and write it to a file."""

import argparse
import csv
import json
from pathlib import Path


def main() -> None:
    """Read the CSV files in a folder, whose column ``churned`` is 0 or 1, and write ``model.json``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--learning-rate", type=float, required=True)
    parser.add_argument("--reason", default="")
    parser.add_argument("--model", type=Path, required=True)
    arguments = parser.parse_args()
    rate = 0.5
    for path in sorted(arguments.data.glob("*.csv")):
        with path.open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                rate += arguments.learning_rate * (int(row["churned"]) - rate)
    arguments.model.mkdir(parents=True, exist_ok=True)
    model = {"churn_rate": rate, "reason": arguments.reason}
    (arguments.model / "model.json").write_text(json.dumps(model), encoding="utf-8")


if __name__ == "__main__":
    main()
