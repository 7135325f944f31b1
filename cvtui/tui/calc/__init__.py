"""Pictures of one layer for the Calc place: the sliding filter, what a unit sees, its connections, its matrix."""
