"""One kind of node per file; `STEPS` says which is which."""
