"""An Explanation as a page of HTML: one file, without scripts, which any browser opens.

Left the photo as the network gets it, with a frame around the pixels that the number saw, and those
pixels enlarged; right the tables of inside/sections.py.
"""

import base64
import html
import io

import numpy as np
from PIL import Image, ImageDraw

from alexnet.inside.explanation import Explanation
from alexnet.inside.sections import Section, heading, sections

SIDE = 320  # pixels of a picture on the page, about
STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.4 system-ui, sans-serif; margin: 1.5rem; }
main { display: flex; flex-wrap: wrap; gap: 2rem; align-items: flex-start; }
figure { margin: 0 0 1rem; }
img { image-rendering: pixelated; max-width: 100%; }
table { border-collapse: collapse; margin: .3rem 0; display: block; overflow-x: auto; }
th, td { text-align: right; padding: .1rem .6rem; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; }
th { border-bottom: 1px solid; font-weight: 600; }
tr.marked { font-weight: 700; outline: 1px solid; }
h2 { font-size: 1rem; margin: 1.2rem 0 0; }
"""


def page(title: str, explained: Explanation, before: str, pixels: np.ndarray) -> str:
    """The whole page. pixels: uint8 (S, S, 3), as the network gets them."""
    first, *lines = heading(explained, before, len(pixels))
    tables = "".join(map(_table, sections(explained, before)))
    facts = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
    rows, columns = explained.pixels
    alt = f"rows {rows.start} to {rows.stop - 1}, columns {columns.start} to {columns.stop - 1}"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(first)}</title><style>{STYLE}</style></head><body>"
        f"<h1>{html.escape(first)}</h1><p>{html.escape(title)}</p>{facts}<main><div>"
        + _figure(
            _framed(pixels, explained.pixels), "what the network got", f"the photo, {alt} framed"
        )
        + _figure(_enlarged(pixels[explained.pixels]), "what the number saw", f"the photo's {alt}")
        + f"</div><div>{tables}</div></main></body></html>\n"
    )


def _table(section: Section) -> str:
    cells = "".join(f"<th>{html.escape(name)}</th>" for name in section.columns)
    rows = "".join(
        f"<tr{' class=marked' if number in section.marked else ''}>"
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row)
        + "</tr>"
        for number, row in enumerate(section.rows)
    )
    note = f"<p>{html.escape(section.note)}</p>" if section.note else ""
    title = html.escape(section.title)
    return (
        f"<h2>{title}</h2><table><thead><tr>{cells}</tr></thead><tbody>{rows}</tbody></table>{note}"
    )


def _figure(picture: Image.Image, caption: str, alt: str) -> str:
    file = io.BytesIO()
    picture.save(file, format="PNG")
    data = base64.b64encode(file.getvalue()).decode()
    return (
        f'<figure><img src="data:image/png;base64,{data}" alt="{html.escape(alt)}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def _framed(pixels, seen):
    """The photo enlarged, with a frame around these rows and columns."""
    picture = _enlarged(pixels)
    factor = picture.width // pixels.shape[1]
    rows, columns = seen
    corners = (columns.start, rows.start, columns.stop, rows.stop)
    left, top, right, bottom = (factor * place for place in corners)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((left, top, right - 1, bottom - 1), outline="black", width=3)
    draw.rectangle((left + 1, top + 1, right - 2, bottom - 2), outline="yellow")
    return picture


def _enlarged(pixels):
    factor = max(1, SIDE // max(pixels.shape[:2]))
    return Image.fromarray(
        np.ascontiguousarray(pixels.repeat(factor, axis=0).repeat(factor, axis=1))
    )
