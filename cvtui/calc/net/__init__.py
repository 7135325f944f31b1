"""A network expression: its nodes, parser and printer."""
