"""The Labs place: the list of experiments, a page each, and the processes that this session has started."""
