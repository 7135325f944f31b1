"""An engine leaves out what no run uses of PyTorch, and whoever needs it still gets it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(script: str, *, path: Path | None = None) -> str:
    places = [*([str(path)] if path else []), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, places))}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


TRAIN = """
import inspect, sys
from pathlib import Path
from cvtui.engine.runtime.fast_start import loading
with loading():
    from cvtui.engine.train.control import Signals
    from cvtui.engine.worker import train_folder
import torch
assert train_folder(Path(FOLDER), Signals()) == 0
inspect.getmodule(inspect.currentframe())
folder = Path(FOLDER)
torch.load(folder / "checkpoints" / "last.pt", weights_only=True)
left = [name for name in ("torch.export", "torch._meta_registrations", "torch.func") if "_LeftOut" in
        type(sys.modules[name]).__name__]
assert len(left) == 3, f"loaded all the same: {left}"
assert not torch.compiler.is_compiling()
from cvtui.engine.runtime.lean_torch import _has_nvidia
kernels = torch._native
assert _has_nvidia() == (type(kernels).__name__ == "module")
assert kernels.registry._graphs and torch._native is kernels, "a touch loads the kernels"
# an oracle on what was left out: meta kernels, vmap, compile
assert torch.vmap(torch.dot)(torch.ones(2, 3), torch.ones(2, 3)).tolist() == [3, 3]
assert torch.vmap is torch.func.vmap and torch.cond is torch._higher_order_ops.cond
assert torch.empty(2, 3, device="meta").sort()[0].shape == (2, 3)
assert torch.export.__file__ and torch.export.export
import torch.testing
torch.testing.assert_close(torch.ones(2), torch.ones(2))
assert torch.compile(lambda x: x * 2, backend="eager")(torch.ones(3)).tolist() == [2, 2, 2]
print("well")
"""


@pytest.mark.long
def test_a_run_needs_nothing_of_it_and_all_is_there_afterwards(tmp_path: Path) -> None:
    from tests.engine import making

    folder = making.folder(tmp_path, "run", epochs=1, net="conv4-bn-relu-fc", clip=1.0)
    assert run(TRAIN.replace("FOLDER", repr(str(folder.path)))) == "well\n"


FAKE = {
    "torch/__init__.py": "LOADED = []\nfrom torch import export\nfrom torch.func import vmap\nimport torch.optim\n",
    "torch/export/__init__.py": "import torch\ntorch.LOADED.append('export')\ndeep = 1\n",
    "torch/export/inner.py": "",
    "torch/func/__init__.py": (
        "import torch\ntorch.LOADED.append('func')\nimport torch.optim.inner\nvmap = (1).__add__\n"
    ),
    "torch/optim/__init__.py": "import torch\ntorch.LOADED.append('optim')\n",
    "torch/optim/inner.py": "",
    "torch/late.py": "",
    "mine.py": "",
}
"""A package that is built as PyTorch is, so that a case takes no second."""
LEAN = """
import sys
from cvtui.engine.runtime import lean_torch
lean_torch._try_out = lambda: None
lean_torch._is_tried = lambda: True
with lean_torch.lean_torch():
    import torch
assert torch.LOADED == ["optim"], torch.LOADED
"""


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    for name, text in FAKE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "touch",
    [
        "assert torch.export.deep == 1",
        "from torch.export import deep",
        "import torch.export.inner",
        "assert torch.optim.inner",  # which only a part that is left out has imported
        "assert torch.vmap(1) == 2 and torch.vmap is torch.func.vmap",
        "import torch.late",
        "import mine",
    ],
)
def test_a_touch_loads_all_of_it_in_its_order(fake: Path, touch: str) -> None:
    run(f"{LEAN}\n{touch}\nassert torch.LOADED == ['optim', 'export', 'func'], torch.LOADED", path=fake)


def test_what_is_no_touch(fake: Path) -> None:
    """Names that `inspect` and the import system ask for, and what the standard library imports.

    Nor a package that is only tried for: one of Pillow's readers imports olefile, which hardly anyone has.
    """
    run(
        f"{LEAN}\ntry:\n    import no_such_package\nexcept ModuleNotFoundError:\n    pass\n"
        "import torch.export, inspect, json.tool\ninspect.getmodule(inspect.currentframe())\n"
        "assert torch.export.__file__.endswith('__init__.py') and torch.export.__path__ and torch.LOADED == ['optim']",
        path=fake,
    )


def test_a_version_that_was_not_tried_is_loaded_whole(fake: Path) -> None:
    script = LEAN.replace("_is_tried = lambda: True", "TRIED = ('0.1.',)")
    run(script.replace('["optim"]', '["export", "func", "optim"]'), path=fake)


def test_a_pytorch_that_cannot_be_loaded_so_is_loaded_whole(fake: Path) -> None:
    """In a process that starts anew, with the same arguments; an error that stays is the caller's."""
    text = (fake / "torch/__init__.py").read_text(encoding="utf-8")
    (fake / "torch/__init__.py").write_text(f"{text}assert_it = LOADED.index('export')\n", encoding="utf-8")
    (fake / "torch/optim/__init__.py").write_text("import torch\nif not torch.LOADED: raise ImportError\n", "utf-8")
    script = """
import os, sys
from cvtui.engine.runtime import lean_torch
lean_torch._is_tried = lambda: True
with lean_torch.lean_torch():
    import torch
print(os.environ[lean_torch.WHOLE], torch.LOADED)
"""
    assert run(script, path=fake) == "1 ['export', 'func']\n"
    (fake / "torch/optim/__init__.py").write_text("raise ImportError('not so')\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="ImportError: not so"):
        run(script, path=fake)
