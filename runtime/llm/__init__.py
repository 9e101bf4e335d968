"""Asking a model: one conversation vocabulary, four protocols, typed errors, retries and failover along the plan."""
