"""Sweeps: many runs of one scenario that differ in a few settings, and the table they leave.

`plan` says which runs, `conductor` has them done by an `engine`, here (`local_engine`) or on a
cluster (`dask_engine`), each in a `child_process`; `sweep_folder` keeps them, `results` gathers the
rows, and `joining` makes one study of several sweeps.
"""
