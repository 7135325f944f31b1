"""Pictures of one layer for the Calc screen: sliding filter, receptive field, connections, matrix."""
