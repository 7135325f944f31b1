"""What is measured of a training and written to its log: metrics, layers, images, findings."""
