"""`cvtui data` and --download: what is told of sets that are there, missing or damaged, and how one is fetched."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import tarfile
import threading
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from cvtui.cli.commands.data import provide
from cvtui.cli.main import main
from cvtui.engine.data.formats.download import Archive, fetch, sources
from cvtui.errors import RequestError
from cvtui.recipe.datasets.catalog import DATA
from cvtui.recipe.datasets.locate import locate, unsound
from cvtui.recipe.datasets.torchvision_files import STORAGE, File
from cvtui.recipe.datasets.torchvision_sets import STORED
from tests.cli.running import cvtui
from tests.engine.stored_making import images, write
from tests.engine_within import engines_within

pytestmark = pytest.mark.torch


class Said(NamedTuple):
    code: object
    out: str
    err: str


Say = Callable[..., Said]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Say:
    """Run a command line in this process, where no set has been fetched yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Said:
        with engines_within(), pytest.raises(SystemExit) as ended:
            main(list(words))
        shown = capsys.readouterr()
        return Said(ended.value.code, shown.out, shown.err)

    return run


def whole_mnist(root: Path) -> Path:
    """As many images of each class as the real one, each of one grey."""
    facts, parts = STORED["mnist"], []
    for counts in (facts.counts(), facts.held_out()):
        labels = np.repeat(np.arange(10), counts)
        pixels = np.broadcast_to((labels * 20).astype(np.uint8)[:, None, None, None], (len(labels), 28, 28, 1))
        parts.append((pixels, labels))
    train, test = parts
    return write("mnist", root, train, test)


# ------------------------------------------------------------------ what is told


def test_every_set_is_listed_with_its_size_classes_images_and_place(say: Say, tmp_path: Path) -> None:
    folder = whole_mnist(tmp_path / "sets")
    broken = write("svhn", tmp_path / "sets", images("svhn", 3), images("svhn", 3))
    (broken / "test_32x32.mat").write_text("<html>")
    done = say("data", "--data-dir", str(tmp_path / "sets"))
    assert (done.code, done.err) == (0, "")
    rows = {line.split()[0]: line.split() for line in done.out.splitlines() if line}
    assert set(DATA) < set(rows)
    assert rows["mnist"][1:] == ["28x28x1", "10", "60,000", "10,000", str(folder)]
    assert rows["emnist"][1:] == ["28x28x1", "47", "112,800", "18,800", "missing:", "562", "MB", "to", "fetch"]
    assert rows["spiral"][1:3] == ["2", "features"]
    assert " ".join(rows["svhn"]).endswith(f"damaged: {broken}: test_32x32.mat does not begin as such a file does")
    listed = [json.loads(line) for line in say("data", "--json", "--data-dir", str(tmp_path / "sets")).out.splitlines()]
    states = {entry["name"]: entry["state"] for entry in listed}
    assert states["digits"] == states["mnist"] == "ready"
    assert (states["svhn"], states["stl10"]) == ("damaged", "missing")


def test_a_set_is_told_with_its_counts_mean_and_deviation(say: Say, tmp_path: Path) -> None:
    folder = whole_mnist(tmp_path / "cache" / "cvtui" / "data")
    done = say("data", "MNIST")
    assert (done.code, done.err) == (0, "")
    assert f"lies in      {folder}\n" in done.out
    counts = np.array(STORED["mnist"].counts())
    mean = (counts * np.arange(10) * 20).sum() / 60_000
    std = ((counts * (np.arange(10) * 20) ** 2).sum() / 60_000 - mean**2) ** 0.5
    assert f"mean         {mean:.4g} ({mean / 255:.4f})\n" in done.out
    assert f"deviation    {std:.4g} ({std / 255:.4f})\n" in done.out
    assert [line.split() for line in done.out.splitlines()][-10:] == [
        [str(digit), f"{train:,}", f"{test:,}"]
        for digit, (train, test) in enumerate(zip(counts, STORED["mnist"].held_out(), strict=True))
    ]
    told = json.loads(say("data", "mnist", "--json").out)
    assert told["train_counts"] == counts.tolist()
    assert told["mean"] == pytest.approx([mean])


def test_sets_that_come_with_cvtui_are_told_too(say: Say) -> None:
    done = say("data", "digits")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-1].split() == ["9", "144", "36"]
    assert "2 features, 3 classes" in say("data", "spiral(3)").out


@pytest.mark.parametrize("name", STORED)
def test_a_damaged_set_is_one_line_not_a_traceback(name: str, say: Say, tmp_path: Path) -> None:
    folder = write(name, tmp_path, images(name, 20), images(name, 10))
    done = say("data", name, "--data-dir", str(tmp_path))
    assert done.code == 2, "too few images"
    (folder / STORAGE[name].files[0].name).write_bytes(b"")
    for words in (("data", name), ("data", name, "--json")):
        done = say(*words, "--data-dir", str(tmp_path))
        assert done.code == 2
        assert done.err.count("\n") == 1
        assert f"cvtui data {name} --download" in done.err
    assert say("data", "--data-dir", str(tmp_path)).code == 0


def test_wrong_words_are_one_line(say: Say) -> None:
    assert say("data", "mnsit").err.endswith("; did you mean 'mnist'?\n")
    assert say("data", "--download").err.startswith("cvtui: --download: which set?")
    assert say("data", "folder:/nowhere/at/all").code == 2


# ------------------------------------------------------------------ before a run


def test_without_its_data_no_process_and_no_run_folder_is_made(say: Say, tmp_path: Path) -> None:
    for words in (("--no-ui",), ("--json",), ("sweep", "--lr", "1,2"), ("lr-find",), ("lottery",)):
        done = say(*words, "--data", "cifar10")
        assert (done.code, done.out) == (2, "")
        assert done.err.count("\n") == 1
        assert done.err.startswith(f"cvtui: data: cifar10 not found: looked in '{tmp_path}/cache/cvtui/data'")
        assert done.err.endswith("; `cvtui data cifar10 --download` fetches it (170 MB)\n")
    assert not (tmp_path / "runs").exists()


def test_without_a_network_one_line_says_what_to_do_by_hand(
    say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setattr(urllib.request, "_opener", None)  # it keeps the proxies of its first use
    done = say("--no-ui", "--data", "kmnist", "--data-dir", "sets", "--download")
    assert done.code == 2
    assert [line for line in done.err.splitlines() if line] == [
        "cvtui: kmnist: train-images-idx3-ubyte.gz (18.2 MB) can't be fetched; codh.rois.ac.jp: no connection "
        "(Connection refused); where there is a network, get "
        "http://codh.rois.ac.jp/kmnist/dataset/kmnist/train-images-idx3-ubyte.gz and put it into 'sets/KMNIST/raw', "
        "then ask again"
    ]
    assert not (tmp_path / "runs").exists()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.long
def test_a_set_is_trained_on_where_it_lies(tmp_path: Path) -> None:
    whole_mnist(tmp_path)
    done = cvtui(
        "--no-ui", "--data", "mnist", "--data-dir", ".", "--limit", "300", "--net", "fc", "--epochs", "2", "--threads",
        "1", "--device", "cpu", "--optimizer", "sgd", "--lr", "0.1", "--download", cwd=tmp_path,
    )  # fmt: skip
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert "mnist: 300 + 10,000 images 28x28x1, 10 classes" in done.stdout + done.stderr


# ------------------------------------------------------------------ fetching


class Shop:
    """A web server on this computer that hands out `files`, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.cut: set[str] = set()
        """Of these, only half is sent."""
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.lstrip("/")
                shop.asked.append(name)
                if name not in shop.files:
                    self.send_error(404)
                    return
                content = shop.files[name]
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):
                    self.wfile.write(content[: len(content) // 2] if name in shop.cut else content)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/"

    def sources(self, name: str) -> list[Archive]:
        """As if the set were published here, with these checksums."""
        return [
            Archive(
                File(file.name, hashlib.md5(self.files[file.name], usedforsecurity=False).hexdigest()),
                [self.address + "not-here/" + file.name, self.address + file.name],
            )
            for file in STORAGE[name].archives
        ]


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    shop = Shop()
    thread = threading.Thread(target=shop.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield shop
    shop.server.shutdown()
    thread.join()
    shop.server.server_close()


def publish(name: str, shop: Shop, place: Path) -> None:
    """Packs a small set as its makers do."""
    write(name, place, images(name, 10, seed=7), images(name, 10, seed=8))
    folder = place / STORAGE[name].folders[0]
    archive = STORAGE[name].archives[0].name
    packed = io.BytesIO()
    if archive.endswith(".tar.gz"):
        with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as tar:
            tar.add(folder, folder.name)
        shop.files[archive] = packed.getvalue()
    elif archive.endswith(".zip"):
        with zipfile.ZipFile(packed, "w") as container:
            for file in folder.iterdir():
                container.writestr(f"gzip/{file.name}.gz", gzip.compress(file.read_bytes()))
                container.writestr(f"gzip/{file.name.replace('balanced', 'digits')}.gz", gzip.compress(b"others"))
        shop.files[archive] = packed.getvalue()
    else:
        for file in folder.iterdir():
            mat = file.suffix == ".mat"
            content = file.read_bytes()
            shop.files[file.name if mat else f"{file.name}.gz"] = content if mat else gzip.compress(content)


@pytest.mark.parametrize("name", STORED)
def test_a_set_is_fetched_checked_and_unpacked(name: str, shop: Shop, tmp_path: Path) -> None:
    publish(name, shop, tmp_path / "there")
    told: list[tuple[str, int, int]] = []
    root = tmp_path / "here" / "sets"
    folder = fetch(name, str(root), lambda *step: told.append(step), shop.sources(name))
    found = locate(name, str(root))
    assert found is not None
    assert found.folder == folder
    for path in found.files:
        assert path.read_bytes() == (tmp_path / "there" / path.relative_to(root)).read_bytes()
    for file in STORAGE[name].archives:
        length = len(shop.files[file.name])
        assert told.count((file.name, 0, length)) == 1
        assert told.count((file.name, length, length)) == 1
    assert not [path for path in root.rglob("*") if path.name.startswith(".")], "nothing is left lying about"
    assert len(shop.asked) == 2 * len(STORAGE[name].archives), "the second address where the first has none"


def test_an_archive_that_lies_there_is_only_unpacked(shop: Shop, tmp_path: Path) -> None:
    publish("cifar100", shop, tmp_path / "there")
    archive = tmp_path / "cifar-100-python.tar.gz"
    archive.write_bytes(shop.files[archive.name])
    fetch("cifar100", str(tmp_path), lambda *_: None, shop.sources("cifar100"))
    assert locate("cifar100", str(tmp_path)) is not None
    assert shop.asked == []
    assert archive.exists(), "who put it there keeps it"


def test_what_came_wrong_is_not_kept(shop: Shop, tmp_path: Path) -> None:
    publish("svhn", shop, tmp_path / "there")
    wanted = shop.sources("svhn")
    shop.files["train_32x32.mat"] = b"<html>please log in</html>"
    shop.cut.add("test_32x32.mat")
    for source, words in zip(wanted, ("what came is another file (its md5 is not", "broke off after"), strict=True):
        with pytest.raises(RequestError) as caught:
            fetch("svhn", str(tmp_path / "here"), lambda *_: None, [source])
        assert words in caught.value.message
        assert "answers 404 Not Found" in caught.value.message
        assert f"put it into '{tmp_path / 'here'}'" in caught.value.hint
    assert list((tmp_path / "here").iterdir()) == []


def test_download_fetches_what_is_missing_or_damaged_and_nothing_else(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish("svhn", shop, tmp_path / "there")
    places = shop.sources("svhn")
    root = tmp_path / "here"
    provide("digits", str(root), download=True, found_at=places)
    assert shop.asked == []
    provide("svhn", str(root), download=True, found_at=places)
    assert len(shop.asked) == 4
    said = capsys.readouterr()
    assert said.out == ""
    first, second, last = said.err.splitlines()
    assert first.startswith("fetching train_32x32.mat (")
    assert second.startswith("fetching test_32x32.mat (")
    assert last == f"svhn lies in '{root}'"
    provide("svhn", str(root), download=True, found_at=places)
    assert len(shop.asked) == 4
    (root / "test_32x32.mat").write_bytes(b"")
    provide("svhn", str(root), download=True, found_at=places)
    assert shop.asked[4:] == ["not-here/test_32x32.mat", "test_32x32.mat"]
    found = locate("svhn", str(root))
    assert found is not None
    assert unsound("svhn", found) == ""


def test_a_place_that_cannot_be_written_is_one_line(shop: Shop, tmp_path: Path) -> None:
    publish("svhn", shop, tmp_path / "there")
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError, match=r"svhn can't be stored in .*file") as caught:
        fetch("svhn", str(tmp_path / "file"), lambda *_: None, shop.sources("svhn"))
    assert "--data-dir" in caught.value.hint


def test_addresses_are_torchvisions() -> None:
    for name in STORED:
        found = sources(name)
        assert [source.file for source in found] == list(STORAGE[name].archives)
        for source in found:
            assert all(url.startswith("http") and url.endswith(source.file.name) for url in source.urls)


def test_a_folder_says_where_it_lies(say: Say, tmp_path: Path) -> None:
    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.new("RGB", (8, 8), (40 * number, 0, 0)).save(tmp_path / name / f"{number}.png")
    told = json.loads(say("data", f"folder:{tmp_path}", "--json").out)
    assert (told["where"], told["state"]) == (str(tmp_path), "ready")
    both = "".join(f"{name}/{number}.png,1,1\n" for name in ("cats", "dogs") for number in range(3))
    (tmp_path / "two classes each.csv").write_text(f"image,wet,green\n{both}")
    said = say("data", f"csv:{tmp_path / 'two classes each.csv'}").out
    assert "  images       5 to train on, 1 for validation" in said  # as many pictures, not memberships


def test_what_a_callable_prints_stands_in_no_json(say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "talking_set.py").write_text(
        "import numpy as np\n"
        "def make():\n"
        "    print('loading')\n"
        "    return [(np.full((8, 8), 9 * n, np.uint8), n % 2) for n in range(12)]\n"
    )
    told = say("data", "talking_set:make", "--json")
    assert json.loads(told.out)["train_counts"] == [5, 5]
    assert "loading" in told.err


def test_images_with_nan_are_told_by_name(say: Say, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).random((12, 4, 4, 3)).astype("float32")
    pixels[3, 0, 0, 0], pixels[7, 1] = np.nan, np.inf
    np.savez(tmp_path / "a.npz", train_images=pixels, train_labels=np.arange(12) % 2, val_images=pixels[:4] * 0,
             val_labels=np.arange(4) % 2)  # fmt: skip
    said = say("data", f"npz:{tmp_path / 'a.npz'}")
    assert said.code == 0
    lines = [line.split("note", 1)[1].strip() for line in said.out.splitlines() if line.startswith("  note")]
    file = tmp_path / "a.npz"
    names = f"{file}:train_images[3], {file}:train_images[7]"
    assert lines[0] == f"2 training images hold NaN or infinity, which makes the loss NaN: {names}"
    assert lines[1] == f"1 validation image holds NaN or infinity, which makes the loss NaN: {file}:val_images[3]"


def test_a_folder_is_shown_at_the_size_that_is_asked_for(say: Say, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (9, 9), (number, 0, 0)).save(tmp_path / "set" / name / f"{number}.png")
    said = say("data", f"folder:{tmp_path / 'set'}", "--size", "12x8")
    assert (said.code, said.err) == (0, "")
    assert "12x8x3" in said.out
    assert "size: 'big'" in say("data", f"folder:{tmp_path / 'set'}", "--size", "big").err
    assert "--size: of which set?" in say("data", "--size", "8").err
