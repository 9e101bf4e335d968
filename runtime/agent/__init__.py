"""An agent session: a model, its tools and the guards that bring every session to a definite outcome."""
