"""Run one simulation and print its figures: ``python -m tests.simulation --seed 1 --events 1000 --days 1``."""

import argparse

from tests.simulation.invariants import check
from tests.simulation.simulation import Parameters, Simulation


def main() -> None:
    """Run the simulation and print its figures. Raises AssertionError if an invariant is violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--events", type=int, default=1_000)
    parser.add_argument("--days", type=float, default=1.0)
    simulation = Simulation(Parameters(**vars(parser.parse_args()))).run()
    print(simulation.figures())
    check(simulation)


main()
