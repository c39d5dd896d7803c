"""One run of a scenario: its folder, its checkpoints, what is said."""
