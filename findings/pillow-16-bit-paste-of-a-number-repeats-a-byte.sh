#!/usr/bin/env bash
# Pillow 13.0.0: paste of a number into a 16-bit picture writes its low byte twice: 7000 becomes 22616, 256 becomes 0,
# 255 white, 65535. Image.new, ImageDraw, a pasted picture and a mask of mode L take the number as it is, and so do
# modes I and F. So areas that are painted over by paste(mean, box), in a cutout or to hide a mark, get another value.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'pillow==13.0.0'
cat >"$work/show.py" <<'PY'
from PIL import Image, ImageDraw

box = (0, 0, 2, 2)


def pasted(mode, *what):
    picture = Image.new(mode, (4, 4))
    picture.paste(*what)
    return int(picture.getpixel((0, 0)))


for number in (7000, 255, 256, 65535):
    drawn = Image.new("I;16", (4, 4))
    ImageDraw.Draw(drawn).rectangle(box, fill=number)
    ways = {
        "paste": pasted("I;16", number, box),
        "by a mask of mode 1": pasted("I;16", number, box, Image.new("1", (2, 2), 1)),
        "of mode L": pasted("I;16", number, box, Image.new("L", (2, 2), 255)),
        "a picture": pasted("I;16", Image.new("I;16", (2, 2), number), box),
        "I": pasted("I", number, box),
        "F": pasted("F", number, box),
        "drawn": drawn.getpixel((0, 0)),
        "new": Image.new("I;16", (1, 1), number).getpixel((0, 0)),
    }
    print(number, *(f"{name} {value}" for name, value in ways.items()))
PY
shown=$("$work/venv/bin/python" "$work/show.py")
[[ $shown == $'7000 paste 22616 by a mask of mode 1 22616 of mode L 7000 a picture 7000 I 7000 F 7000 drawn 7000 new 7000\n255 paste 65535 by a mask of mode 1 65535 of mode L 255 a picture 255 I 255 F 255 drawn 255 new 255\n256 paste 0 by a mask of mode 1 0 of mode L 256 a picture 256 I 256 F 256 drawn 256 new 256\n65535 paste 65535 by a mask of mode 1 65535 of mode L 65535 a picture 65535 I 65535 F 65535 drawn 65535 new 65535' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "7000 pasted into a 16-bit picture is 22616"
