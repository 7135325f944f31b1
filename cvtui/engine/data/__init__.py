"""Images and labels: reading every source, batches, augmentation, preprocessing."""
