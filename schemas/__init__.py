"""JSON Schemas of every file the two halves read and write; data only."""
