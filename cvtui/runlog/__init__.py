"""The room of the run folder: what a run did, as data (see events.py for the record types)."""
