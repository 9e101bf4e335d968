"""One protocol per file: `encode` a request to HTTP, `decode` server-sent events to stream events; no I/O."""
