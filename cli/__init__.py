"""The front door: picks a room, prints, exits. Nobody imports it."""
