"""Write, beside an exported model, a short Python file that loads it and predicts, without cvtui."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from cvtui.export.whole_file import written
from cvtui.runlog.model_metadata import EXTRA_FILE, ModelMetadata

MARK = "# Written by cvtui export; yours to change (then rename it: the next export writes it anew)."

IMPORTS = {  # behind json, pathlib, sys
    "onnx": "numpy as np, onnxruntime",
    "pt2": "numpy as np, torch",
    "torchscript": "numpy as np, torch",
    "safetensors": "numpy as np, torch\nfrom safetensors import safe_open\nfrom torch import nn",
}
LOAD = {
    "onnx": """\
session = onnxruntime.InferenceSession({path})
about = {{key: json.loads(value) for key, value in session.get_modelmeta().custom_metadata_map.items()}}
model = lambda x: session.run(None, {{session.get_inputs()[0].name: x}})[0]""",
    "pt2": """\
loaded = torch.export.load({path}, extra_files=(extra := {{{extra!r}: ""}})).module()
about = {{key: json.loads(value) for key, value in json.loads(extra[{extra!r}]).items()}}
model = lambda x: loaded(torch.from_numpy(x)).numpy()""",
    "torchscript": """\
loaded = torch.jit.load({path}, _extra_files=(extra := {{{extra!r}: ""}})).eval()
about = {{key: json.loads(value) for key, value in json.loads(extra[{extra!r}]).items()}}
model = lambda x: loaded(torch.from_numpy(x)).detach().numpy()""",
    "safetensors": """\
{net}
with safe_open({path}, "pt") as file:
    about = {{key: json.loads(value) for key, value in file.metadata().items() if key != "format"}}
    net.load_state_dict({{key: file.get_tensor(key) for key in file.keys()}})
net.eval().requires_grad_(False)
def model(x):
    x = torch.from_numpy(x)
    return {call}.numpy()""",
}
READ_IMAGE = """\
height, width, channels = about["size"]
for name in sys.argv[1:]:
    try:
        image = Image.open(name)
        image.draft("RGB", (2 * width, 2 * height))
        image = ImageOps.exif_transpose(image).convert("8 bits" if image.mode[0] in "IF" else "RGBA")
    except Exception as error: sys.exit(f"{{name}}: no image that can be read ({{error}})")
    image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert({mode!r})
    x = np.array(ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)).reshape(1, height, width, channels)"""
READ_ARRAY = """\
for name in sys.argv[1:]:
    try: x = np.load(name).astype(np.{dtype}).reshape(1, *about["size"])
    except Exception as error: sys.exit(f"{{name}}: wanted is an .npy file of {shape} numbers, {scale} ({{error}})")"""
NORMALISE = """\
    x = ((x / about["unit"] - about["mean"]) / about["std"]).astype(np.float32){each}{turn}"""
PER_IMAGE = """
    x = (x - x.mean()) / max(x.std(), x.size**-0.5)"""
TURN = """
    x = np.ascontiguousarray(x.transpose(0, 3, 1, 2))"""
SOFTMAX = """\
    z = model(x)[0] / about["temperature"]
    p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()"""
SIGMOID = """\
    p = 1 / (1 + np.exp(-model(x)[0] / about["temperature"]))"""
PROBABILITIES = """\
    p = model(x)[0]"""
PRINT = """\
    print(name, *(f"{about['classes'][i]} {p[i]:.4f}" for i in p.argsort()[::-1][:5]), sep="\\t")"""

PRINT_SETS = """\
    print(name, *(f"{about['classes'][i]} {p[i]:.4f}" for i in p.argsort()[::-1] if p[i] > 0.5), sep="\\t")"""


class NetText(NamedTuple):
    """Source of a net, for weights that come without one (see engine/handover/net_source.py)."""

    imports: str
    text: str
    call: str


def loader_script(
    kind: str, path: Path, about: ModelMetadata, with_preprocess: bool, net: NetText | None = None
) -> str:
    """Return the text of the file; `kind`: onnx, pt2, torchscript, or safetensors with the text of its net."""
    pictures = len(about.size) == 3 and about.unit == 255 and about.size[2] in (1, 3)
    here = f"str(pathlib.Path(__file__).with_name({path.name!r}))"
    if pictures:
        read = READ_IMAGE.format(mode="RGB" if about.size[2] == 3 else "L")
    else:
        dtype = {255.0: "uint8", 65535.0: "uint16"}.get(about.unit, "float32")
        scale = {255.0: "uint8, 255 is white", 65535.0: "uint16, 65535 is white"}.get(about.unit, "float32")
        read = READ_ARRAY.format(shape=" x ".join(map(str, about.size)), dtype=dtype, scale=scale)
    each = PER_IMAGE if about.preprocess.get("name") == "per-image" else ""
    turn = TURN if len(about.size) == 3 else ""
    answer = SIGMOID if about.activation == "sigmoid" else SOFTMAX
    lines = [
        f'"""Predict with {path.name}: python {script_path(path, kind).name} {"cat.jpg" if pictures else "x.npy"} …"""',
        MARK,
        f"import json, pathlib, sys, {IMPORTS[kind]}",
        net.imports if net else "",
        "from PIL import Image, ImageOps\n" if pictures else "",
        LOAD[kind].format(path=here, extra=EXTRA_FILE, net=net and net.text, call=net and net.call),
        read,
        *([PROBABILITIES] if with_preprocess else [NORMALISE.format(each=each, turn=turn), answer]),
        PRINT_SETS if about.several else PRINT,
    ]
    return "\n".join(line for line in lines if line) + "\n"


def script_path(path: Path, kind: str) -> Path:
    """model.onnx -> model_onnx.py."""
    return path.with_name(f"{path.stem}_{kind}.py")


def write_loader_script(
    kind: str, path: Path, about: ModelMetadata, with_preprocess: bool, net: NetText | None = None
) -> Path | None:
    """Write the file beside the model; None where a file of that name is not one of ours. OSError."""
    target = script_path(path, kind)
    if target.exists() and MARK not in target.read_text("utf-8", "replace"):
        return None
    with written(target) as file:
        file.write_text(loader_script(kind, path, about, with_preprocess, net), "utf-8")
    return target
