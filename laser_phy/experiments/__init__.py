"""From a scenario to a run, a sweep and a report."""
