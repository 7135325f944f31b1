"""A trained model as a file for other programs: ONNX, .pt2, TorchScript; each checked against PyTorch."""
