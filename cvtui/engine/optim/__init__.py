"""Loss and optimizers: the factory, fused steps, weight averages, plateaus."""
