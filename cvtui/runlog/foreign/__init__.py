"""Logs of other programs: TensorBoard, W&B, Lightning, Ultralytics, Hugging Face, CSV and plain text, as scalars."""
