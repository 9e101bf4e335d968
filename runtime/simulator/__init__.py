"""A local server that answers like the providers do, and fails like them when a scenario asks for it.

scenario (what to answer) -> shapes (how calls arrive) -> one module per protocol (records) -> delivery (bytes) ->
server. It shares no code with the client in `runtime/llm`, so that a mistake of one cannot hide in the other.
"""
