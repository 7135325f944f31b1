"""One run trained by several processes: DistributedDataParallel around the net, each batch cut over the ranks."""
