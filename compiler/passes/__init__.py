"""Passes: each resolves one thing and returns the graph with one more column."""
