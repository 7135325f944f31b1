#!/usr/bin/env bash
# albumentations 2.0.8, torch 2.14.1, Linux with forked workers: a Compose draws from a generator of its own that each
# worker copies when it starts. So all workers draw the same numbers, and without persistent_workers every epoch repeats
# the first one: four pictures with two workers get two different brightnesses, the same two in each epoch, with and
# without a seed. Without workers all twelve differ. Seeds set by torch.manual_seed or numpy.random.seed change nothing.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'albumentations==2.0.8' 'torch==2.14.1' numpy
cat >"$work/show.py" <<'PY'
import albumentations as A
import numpy as np
from torch.utils.data import DataLoader, Dataset


class Grey(Dataset):
    def __init__(self, seed):
        brightness = A.RandomBrightnessContrast(brightness_limit=(-0.4, 0.4), contrast_limit=0, p=1)
        self.transform = A.Compose([brightness, A.GaussNoise(std_range=(0.1, 0.1), p=1)], seed=seed)

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return float(self.transform(image=np.full((16, 16, 3), 128, np.uint8))["image"].mean())


for seed in (None, 1):
    for workers in (0, 2):
        context = {"multiprocessing_context": "fork"} if workers else {}
        loader = DataLoader(Grey(seed), batch_size=1, num_workers=workers, **context)
        epochs = [[value.item() for value in loader] for _ in range(3)]
        print(seed, workers, len({value for epoch in epochs for value in epoch}), epochs[0] == epochs[2])
PY
shown=$(NO_ALBUMENTATIONS_UPDATE=1 "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'None 0 12 False\nNone 2 2 True\n1 0 12 False\n1 2 2 True' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "forked workers of albumentations draw the same numbers, and the same again in every epoch"
