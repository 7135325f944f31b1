"""Engine: PyTorch trains here, in a process of its own (`python -m cvtui.engine FOLDER`).

Begin reading at train/trainer.py. What it moves is train/state.py, built in train/preparation.py; one step is
train/step.py; what a recipe can choose by name lies in data/preprocess.py, nn/init.py, optim/loss.py and
optim/factory.py, one small function an entry. Nothing is imported here, since torch comes with every module.
"""
