"""Hold what a run left behind against its plan: every deviation with file and line.

`evidence` reads the artifacts, `papers`, `models`, `sessions`, `ways` and `results` hold one subject's checks each, and
`checks` is the table of them all. Nothing here believes the run: its ways are computed anew from plan and journal.
"""
