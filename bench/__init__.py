"""The measured figures: each is a ratio against something measured in the same run, because machines differ."""
