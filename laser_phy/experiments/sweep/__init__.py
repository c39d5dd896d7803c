"""Sweeps: many runs of one scenario that differ in a few settings, and the table they leave.

`axes` says which runs, `sweep` conducts them, `engines` and its two kinds do the work, `folder` and
`lock` keep it, `table` gathers the rows.
"""
