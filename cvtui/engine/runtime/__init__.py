"""The machine below: device, threads, memory, seeds, versions, a fast start."""
