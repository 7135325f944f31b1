"""Use of a trained model: read it from a run or an exported file, predict pictures, evaluate it on labelled ones."""
