"""Parts of `cvtui.watch`: a training loop of one's own under the watch, on one rank or several."""
