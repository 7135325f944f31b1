"""Word of a run that has ended: a command, and notifications through apprise, from a process beside the run."""
