"""Files of cases for the suites."""

from __future__ import annotations

import csv


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write(path, chosen):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(chosen[0]))
        writer.writeheader()
        writer.writerows(chosen)
    return path
