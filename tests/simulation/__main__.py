"""One simulation, for a closer look: ``python -m tests.simulation --seed 1 --events 1000 --days 1``."""

import argparse

from tests.simulation.invariants import check
from tests.simulation.world import Plan, Simulation


def main() -> None:
    """Run it, and print the figures; what is wrong is raised."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--events", type=int, default=1_000)
    parser.add_argument("--days", type=float, default=1.0)
    simulation = Simulation(Plan(**vars(parser.parse_args()))).run()
    print(simulation.figures())
    check(simulation)


main()
