"""The report's style sheet, light and dark; and that of a picture alone."""

import re

STYLE = """
:root { --paper:#fbfbf9; --ink:#1d2430; --soft:#6b7482; --line:#dfe2e6; --train:#2f6fb7; --epoch:#7a5cc0;
        --validation:#d2691e; --rate:#2e8b57; --bad:#c62828; --heat:47,111,183; }
@media (prefers-color-scheme: dark) {
  :root { --paper:#14171c; --ink:#e6e9ee; --soft:#98a2b0; --line:#2b313a; --train:#6aa9ec; --epoch:#b69cf0;
          --validation:#f0a05a; --rate:#62c78c; --bad:#ff6b6b; --heat:106,169,236; } }
body { background:var(--paper); color:var(--ink); font:15px/1.5 system-ui,sans-serif; margin:0; }
main { max-width:62rem; margin:0 auto; padding:1.5rem; }
h1 { font-size:1.5rem; margin:0 0 .8rem; overflow-wrap:anywhere; } h3 { font-size:.95rem; margin:1.2rem 0 .4rem; }
h2 { font-size:1.1rem; margin:2rem 0 .6rem; }
small, figcaption, footer { color:var(--soft); font-weight:400; }
dl { display:grid; grid-template-columns:max-content 1fr; gap:.15rem 1.2rem; } dt { color:var(--soft); }
dd { margin:0; overflow-wrap:anywhere; } figure { margin:1rem 0; } .wide { overflow-x:auto; }
table { border-collapse:collapse; font-variant-numeric:tabular-nums; font-size:.85rem; }
th { text-align:left; color:var(--soft); font-weight:500; } th, td { padding:.2rem .7rem .2rem 0; white-space:nowrap; }
tr + tr { border-top:1px solid var(--line); } pre { overflow-x:auto; font-size:.8rem; line-height:1.4; }
.confusion td { text-align:right; padding:.2rem .5rem; background:rgba(var(--heat),calc(var(--share)*.7)); }
.tiles { margin:.4rem 0 1rem; }
.tile { display:inline-block; vertical-align:top; width:9rem; margin:.4rem .8rem .4rem 0; }
.tile img { image-rendering:pixelated; width:9rem; } .tile figcaption { overflow-wrap:anywhere; }
.picture { display:inline-block; margin:.4rem 1rem .4rem 0; } .picture img { image-rendering:pixelated; min-width:8rem;
  max-width:100%; }
.chart { width:100%; height:auto; font:11px system-ui,sans-serif; } .paper { fill:var(--paper); }
.strip { width:6rem; height:1.1rem; fill:var(--train); }
.title { font-size:13px; font-weight:600; fill:var(--ink); } .tick, .small { font-size:10px; fill:var(--soft); }
.axis { fill:none; stroke:var(--soft); } .grid { stroke:var(--line); stroke-width:.6; }
.guide { stroke:var(--soft); stroke-dasharray:3 3; } .mark { stroke:var(--epoch); stroke-dasharray:2 3; }
.mark-words, .spike { fill:var(--epoch); } .line { fill:none; stroke-width:1.5; stroke-linejoin:round; }
.line.dim { opacity:.28; stroke-width:1; }
.line.train { stroke:var(--train); } .line.validation { stroke:var(--validation); } .line.epoch { stroke:var(--epoch); }
.line.rate { stroke:var(--rate); } .dot.train, .legend.train { fill:var(--train); }
.dot.validation, .legend.validation { fill:var(--validation); } .dot.epoch, .legend.epoch { fill:var(--epoch); }
.dot.rate, .legend.rate { fill:var(--rate); } .bad { fill:var(--bad); }
"""


def picture_style() -> str:
    """Return the rules of a picture in a file of its own, in plain colours on paper.

    Inkscape, LibreOffice and librsvg know no CSS variables and draw all of them black.
    """
    colours = dict(re.findall(r"--([a-z]+):([^;}]+)", STYLE.partition("@media")[0]))
    rules = STYLE[STYLE.index(".chart {") :].replace("width:100%; height:auto; ", "", 1)  # of a chart within a page
    return re.sub(r"var\(--([a-z]+)\)", lambda found: colours[found[1]], rules)
