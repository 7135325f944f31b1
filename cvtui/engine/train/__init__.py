"""The training itself: state, loop, evaluation, commands, checkpoints, resume and fork."""
