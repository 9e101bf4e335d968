"""The tools that a model may call, and the one way in which each of its calls is answered."""
