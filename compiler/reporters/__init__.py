"""Diagnostics to bytes: one module per format."""
