"""No module opens files of a run folder by itself: all go through cvtui.door, or say why not."""

from __future__ import annotations

import ast
from pathlib import Path

import cvtui

OPENS = {
    "open", "fdopen", "read_text", "read_bytes", "write_text", "write_bytes", "unlink", "rmtree", "rename", "mkdir",
    "makedirs", "rmdir", "touch", "iterdir", "glob", "rglob", "scandir", "listdir", "walk", "symlink_to", "hardlink_to",
    "symlink", "copyfile", "copy2", "copytree", "FileLock", "fromfile", "tofile", "memmap", "chmod", "utime", "mkstemp",
    "TemporaryDirectory", "NamedTemporaryFile", "SummaryWriter", "resolve",
}  # fmt: skip
"""Calls that open, change or list what lies on a disk, by their last name."""


OF_MODULES = {
    "os.replace", "os.link", "os.remove", "os.truncate", "shutil.move", "shutil.copy", "np.load", "torch.load",
    "torch.save",
}  # fmt: skip
"""Names that other things have too, so only with the module."""


ALLOWED: dict[str, tuple[set[str], str]] = {
    "door.py": ({"os.open", "os.fdopen", "os.scandir", "os.mkdir", "os.unlink", "os.replace", "os.link"}, "the door"),
    "cli/screen.py": ({"open"}, "the terminal that stdout is, once more"),
    "assets.py": ({"Path(__file__).resolve"}, "cvtui's own files"),
    "doctor/confidence.py": ({"files('cvtui.doctor').joinpath('confidence.toml').read_text"}, "cvtui's own files"),
    "doctor/other_logs.py": ({"tempfile.TemporaryDirectory"}, "a run made of another log, in a folder of its own"),
    "doctor/catalogue.py": ({"files('cvtui.doctor').joinpath('catalogue.toml').read_text"}, "cvtui's own files"),
    "engine/data/embedded.py": ({"np.load"}, "cvtui's own files"),
    "runlog/foreign/find.py": ({"os.listdir", "os.scandir", "read_text"}, "another program's log, which a user names"),
    "runlog/foreign/listing.py": ({"os.scandir"}, "names of another program's logs"),
    "runlog/foreign/mlflow.py": ({"os.scandir", "os.walk"}, "another program's log, which a user names"),
    "runlog/foreign/tables.py": ({"folder.rglob"}, "another program's log, which a user names"),
    "runlog/early_process.py": ({"os.open"}, "/dev/null"),
    "runlog/hosts/mirror.py": (
        {"shutil.rmtree", "root.mkdir", "root.glob", "folder.mkdir", "shutil.copytree"},
        "copies of other hosts' runs in the cache folder, which it makes itself",
    ),
    "runlog/hosts/run_copy.py": ({"os.utime", "self.folder.path.mkdir"}, "such a copy"),
    "engine/ranks/agent.py": ({"tempfile.TemporaryDirectory"}, "last words of ranks, in a folder of its own"),
    "runlog/worker_process.py": ({"Path('/sys/fs/cgroup/cpu.max').read_text"}, "the kernel's own"),
    "engine/runtime/idle_cores.py": ({"OF_CONTAINER.read_text"}, "the kernel's own"),
    "engine/observe/rank_times.py": ({"Path('/proc/self/statm').read_text"}, "the kernel's own"),
    "engine/data/decoded_cache.py": (
        {"np.load", "np.memmap", "root.mkdir", "open", "shutil.rmtree", "os.replace", "os.utime",
         "os.scandir"},
        "decoded sets in the cache folder, which it makes itself",
    ),
    "engine/infer/slices.py": ({"Image.open"}, "headers of pictures of a data set that the door has opened"),
    "recipe/datasets/own_size.py": ({"Image.open"}, "headers of pictures of a data set: only files are listed"),
    "engine/infer/answers.py": ({"np.memmap"}, "a temporary file without a name"),
    "engine/data/decode.py": ({"Image.open"}, "images of a data set: folder_facts lists regular files only"),
    "doctor/cures.py": ({"files('cvtui.doctor').joinpath('cures.toml').read_text"}, "cvtui's own files"),
    "doctor/pages.py": ({"files('cvtui.doctor').joinpath(name).read_text"}, "cvtui's own files"),
    "recipe/free_memory.py": (
        {"own.read_text", "(folder / usage).read_text", "(folder / 'memory.stat').read_text",
         "(folder / limit).read_text"},
        "the kernel's own",
    ),
    "recipe/datasets/named_images.py": ({"glob.glob"}, "pictures that a user names"),
    "recipe/datasets/file_source.py": ({"os.walk", "glob.glob"}, "data sets: regular files only"),
    "recipe/datasets/folder_listing.py": (
        {"open", "tempfile.NamedTemporaryFile", "os.unlink"},
        "a file that the parent process has opened, or has made among the temporary ones for this one",
    ),
    "tui/prewarm.py": ({"os.unlink"}, "such a file, which the other process did not take"),
    "recipe/datasets/picture_finder.py": ({"os.walk"}, "data sets: pictures below a table's folder, by name"),
    "recipe/datasets/npz_file.py": ({"np.load", "archive.open"}, "on a file that the door has opened"),
    "recipe/datasets/tar_shards.py": ({"tarfile.open"}, "on a file that the door has opened"),
    "recipe/datasets/image_files.py": (
        {"os.listdir", "os.scandir"}, "data sets: regular files only, also behind links, as ImageFolder follows them"),
    "engine/data/formats/download.py": (
        {"folder.mkdir", "path.unlink", "tempfile.mkstemp", "os.fdopen", "os.chmod", "os.replace", "os.unlink",
         "tempfile.TemporaryDirectory", "shutil.rmtree", "there.rglob", "target.parent.mkdir"},
        "data sets that it fetches itself",
    ),
    "engine/data/formats/idx.py": ({"gzip.open", "path.open"}, "data sets, found by is_file"),
    "engine/data/formats/mat.py": ({"path.read_bytes"}, "data sets, found by is_file"),
    "engine/data/formats/cifar.py": ({"path.read_bytes"}, "data sets, found by is_file"),
    "engine/data/torchvision_sets.py": ({"np.fromfile"}, "data sets, found by is_file"),
    "engine/train/checkpoint.py": ({"torch.save", "torch.load"}, "on files that the door has opened"),
    "engine/train/weights_reading.py": ({"torch.load"}, "on files that the door has opened"),
    "engine/train/lottery.py": ({"torch.load"}, "on files that the door has opened"),
    "engine/prewarm.py": ({"os.open"}, "/dev/null"),
    "cli/commands/mistakes.py": ({"place.parent.mkdir"}, "the user's own pictures, when told to"),
    "cli/process.py": ({"os.open", "open"}, "/dev/null, and streams that are open already"),
    "engine/train/export_weights.py": ({"file.write_bytes"}, "the user's place"),
    "engine/handover/programs.py": ({"file.write_bytes"}, "the user's place"),
    "export/csv_tables.py": ({"folder.mkdir", "place.open"}, "the user's place"),
    "export/loader_script.py": ({"target.read_text", "file.write_text"}, "the user's place"),
    "export/model_card.py": ({"file.write_text"}, "the user's place"),
    "export/whole_file.py": (
        {"path.resolve", "target.parent.mkdir", "os.replace", "beside.unlink", "place.symlink_to", "source.unlink",
         "os.rename", "shutil.copy2"},
        "the user's place",
    ),
    "engine/handover/onnx_file.py": ({"file.unlink"}, "the user's place"),
    "draw/overlay.py": ({"Pillow.open"}, "bytes of a record that the engine told, PNG alone"),
    "export/pictures.py": ({"Pillow.open"}, "on bytes that the door has read, PNG alone"),
    "export/report.py": ({"file.write_text"}, "the user's place"),
    "export/tensorboard.py": ({"folder.mkdir"}, "the user's place"),
    "engine/worker.py": ({"folder.path.mkdir"}, "the run folder itself, made anew where it was deleted"),
    "runlog/folder.py": (
        {"folder.path.parent.mkdir", "folder.path.mkdir", "os.scandir", "shutil.rmtree"},
        "the run folder itself: made, listed, and taken away where it could be made by half only",
    ),
    "runlog/fork.py": ({"shutil.rmtree"}, "the run folder itself, which it has just made"),
    "labs/folder.py": ({"base.mkdir", "folder.path.mkdir"}, "the run folder itself"),
    "runlog/manage.py": ({"place.iterdir", "source.rename"}, "whole run folders, and the bin"),
    "runlog/lock.py": ({"FileLock", "os.utime"}, "on Windows, after the door; on a file that it has opened"),
    "settings.py": (
        {"file.parent.mkdir", "tempfile.mkstemp", "open", "os.replace", "os.unlink"}, "the person's own settings"),
    "tui/jobs/job.py": (
        {"tempfile.TemporaryDirectory", "(Path(self._folder.name) / name).write_bytes"},
        "a temporary folder of its own",
    ),
    "tui/train/precheck_modal.py": (
        {"tempfile.TemporaryDirectory", "recipe.write_text"},
        "a temporary folder of its own",
    ),
    "tui/detail/picture_index.py": ({"Pillow.open"}, "on bytes, or a file, that the door has read or opened"),
    "tui/detail/mistakes_view.py": ({"Pillow.open"}, "on bytes that came through a pipe"),
    "tui/form/augment_preview.py": ({"Image.open"}, "on bytes that came through a pipe"),
}  # fmt: skip
"""Module -> the calls that go around the door, and why they may."""


NOT_FILES = {"RunFolder.open", "self.open", "self._bar.open", "self._form_view.open", "walk", "formatter.write_text",
             "manage.rename", "self._actions.rename", "super().touch"}  # fmt: skip


def around_the_door(source: str) -> set[str]:
    """Find the calls of a module that open, change or list files by themselves."""
    found = set()
    asked = OPENS | {name.rpartition(".")[2] for name in OF_MODULES}
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute | ast.Name):
            continue
        last = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        if last not in asked:
            continue
        whole = ast.unparse(node.func)
        mine = whole.startswith("door.") or whole in NOT_FILES
        if not mine and (last in OPENS or whole in OF_MODULES):
            found.add(whole)
    return found


def test_no_module_goes_around_the_door() -> None:
    root = Path(cvtui.__file__).parent
    for path in sorted(root.rglob("*.py")):
        name = str(path.relative_to(root))
        allowed = ALLOWED.get(name, (set(), ""))[0]
        found = around_the_door(path.read_text())
        assert not found - allowed, f"{name}: {found - allowed}: files of a run folder are opened by cvtui.door"
        assert not allowed - found, f"{name}: {allowed - found} is allowed and not there"


def test_the_scanner_sees_what_goes_around() -> None:
    assert around_the_door("open(a)\nb.read_text()\ntorch.load(c)\ndoor.read(d)\nx.replace(1, 2)") == {
        "open", "b.read_text", "torch.load",
    }  # fmt: skip
