"""From `plan.json` to a finished run and a run directory that explains it.

The stages in order:

    plan          plan.json -> frozen values; refuses what it does not know
    workspace     a git worktree, or a folder
    interpreter   the walk: visit, attempts, status, context, breakers, checkpoint, next edge
    steps         one kind of node each: tool, codergen, conditional, ...
    routing, retry, breakers, failure   the pure decisions of the walk
    events, run_dir, checkpoint         what is left behind
    world         the doors outward: clock, shell, git, people; real_world holds their real form
"""
