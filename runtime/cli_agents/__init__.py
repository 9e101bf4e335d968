"""The vendors' own agents as subprocesses: one module per program, their JSON streams read into one vocabulary."""
