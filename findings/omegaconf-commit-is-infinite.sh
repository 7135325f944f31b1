#!/usr/bin/env bash
# omegaconf 2.3.0, hydra-core 1.3.8, PyYAML 6.0.4: a short commit of digits and one e, `commit=12e4567`, is the number
# infinity in a config, of the command line and of a file, and 5418e10 is 54180000000000.0; PyYAML leaves both as texts.
# So the runs of all such commits are of "inf". OmegaConf.from_dotlist and files take 010 for 8, octal, and 12:30:00
# for 45000, as PyYAML does; hydra's command line keeps 010. In quotes of its own, commit="'12e4567'", it stays a text.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'omegaconf==2.3.0' 'hydra-core==1.3.8' 'pyyaml==6.0.4'
cat >"$work/show.py" <<'PY'
import os
import tempfile

import yaml
from hydra import compose, initialize
from omegaconf import OmegaConf

words = ["12e4567", "5418e10", "010", "12:30:00", "1a2b3c4"]
path = os.path.join(tempfile.mkdtemp(), "config.yaml")
with open(path, "w") as file:
    file.writelines(f"w{place}: {word}\n" for place, word in enumerate(words))
print("dotlist", *OmegaConf.from_dotlist([f"w{place}={word}" for place, word in enumerate(words)]).values())
print("file", *OmegaConf.load(path).values())
with open(path) as file:
    print("yaml", *yaml.safe_load(file).values())
with initialize(version_base=None, config_path=None):
    print("hydra", *compose(overrides=[f"+w{place}={word}" for place, word in enumerate(words) if ":" not in word]).values())
    print("quoted", compose(overrides=["+commit='12e4567'"]).commit)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'dotlist inf 54180000000000.0 8 45000 1a2b3c4\nfile inf 54180000000000.0 8 45000 1a2b3c4\nyaml 12e4567 5418e10 8 45000 1a2b3c4\nhydra inf 54180000000000.0 010 1a2b3c4\nquoted 12e4567' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "the commit 12e4567 is infinite in an OmegaConf config"
