"""The room of the screen: a reader of run folders. It never imports torch, nor the engine."""
