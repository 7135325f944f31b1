"""`cvtui run SCRIPT`: a training script under the watch, without a changed line."""
