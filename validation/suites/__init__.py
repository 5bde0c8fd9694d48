"""Suites, one file each: a function that reads a folder of cases and returns an Outcome.

    @register("suite", "timeloop")
    def timeloop(cases: Path | None) -> Outcome: ...

``cases`` is a folder laid out like the suite's folder under ``reference/``; None takes that one.
Nothing in a suite may know the cases in advance.
"""
