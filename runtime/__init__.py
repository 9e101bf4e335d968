"""From `plan.json` to a finished run and a run directory that explains it.

The stages in order:

    read_plan     plan.json -> the frozen values of `plan`; refuses what it does not know
    launch        run directory, workspace (a git worktree, or a folder), setup, walk, final.json on every way out
    interpreter   the walk: visit, attempts, status, context, breakers, commit and journal, next edge
    attempts      one visit of a working stage, with back-off; `status` reads what the stage reported
    branches      parallel regions, walked by the same interpreter
    steps         one kind of node each: tool, codergen, human gate, ...; `steps/contract` is what they all keep to
    routing, retry, breakers, failure, context   the pure decisions of the walk
    journal, state, checkpoint          what became true, what that adds up to, and reading it back
    events, run_dir, files              what is told, and where it is left
    world         the doors outward: clock, shell, git, people; real_world holds their real form
"""
