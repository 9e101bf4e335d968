"""All paths of a plan: what its stages may answer, and where the interpreter's own functions then lead the walk.

`menu` lists the answers, `lookahead` gives one to a walk that exists in memory only, `regions` joins branches, `search`
tries all of it out, shortest paths first, and `witness` writes a path down as a scenario.
"""
