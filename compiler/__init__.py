"""From `run.yaml` and a DOT graph to diagnostics and one flat `plan.json`.

The stages in the order of `compile.py`:

    source        text with positions
    yaml_reader   run.yaml -> values and spans          dot/lexer, dot/parser   graph text -> syntax tree
    run_config    values -> RunConfig                   graph_builder           syntax tree -> Graph
    passes        Graph -> Graph: what the author left open is resolved, each value with its origin
    rules         Graph -> Diagnostic: what is wrong or risky
    lower, emit   Graph + RunConfig -> plan -> canonical bytes with a digest
"""
