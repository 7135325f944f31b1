#!/usr/bin/env bash
# torchdata 0.11.0, torch 2.14.1: StatefulDataLoader(shuffle=True) that loads a state goes on with the rest of the
# epoch. With a sampler of torch's (WeightedRandomSampler for balanced classes, RandomSampler) the state holds a count
# alone: the loader makes a new order and leaves out as many of it as were seen. So after a resume in mid-epoch pictures
# come a second time and others not at all, without a word. Is the resumed epoch the rest of the first, for a program
# that is seeded otherwise when it starts again?
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torchdata==0.11.0' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from torch.utils.data import RandomSampler, WeightedRandomSampler
from torchdata.stateful_dataloader import StatefulDataLoader

data = list(range(1000))
kinds = {
    "shuffle=True": lambda: {"shuffle": True},
    "RandomSampler": lambda: {"sampler": RandomSampler(data)},
    "WeightedRandomSampler": lambda: {"sampler": WeightedRandomSampler(torch.ones(1000), 1000)},
}
for name, kind in kinds.items():
    torch.manual_seed(0)
    loader, whole = StatefulDataLoader(data, batch_size=10, **kind()), []
    for number, batch in enumerate(loader):
        whole.append(batch.tolist())
        if number == 49:
            state = loader.state_dict()
    torch.manual_seed(1)
    again = StatefulDataLoader(data, batch_size=10, **kind())
    again.load_state_dict(state)
    rest = [batch.tolist() for batch in again]
    seen = {picture for batch in whole[:50] + rest for picture in batch}
    missed = sum(picture not in seen for batch in whole[50:] for picture in batch)
    print(f"{name}: the rest {rest == whole[50:]}, {'much' if missed > 150 else missed} of it never seen")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'shuffle=True: the rest True, 0 of it never seen\nRandomSampler: the rest False, much of it never seen\nWeightedRandomSampler: the rest False, much of it never seen' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a StatefulDataLoader with a sampler of torch's resumes in another order"
