"""The room of the engine: PyTorch trains here, in a process of its own (`python -m cvtui.engine FOLDER`).

train/trainer.py is where to begin reading. What it moves is put together in train/state.py; what a recipe can choose
by name lies in data/preprocess.py, nn/init.py, optim/loss.py and optim/factory.py, one small function an entry. Nothing
is imported here: who needs one of the modules takes it from there, and torch comes with it.
"""
