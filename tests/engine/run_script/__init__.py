"""`cvtui run`: scripts under the watch."""
