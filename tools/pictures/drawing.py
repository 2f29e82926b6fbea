"""A small SVG canvas: text, boxes and arrows in a light and a dark palette."""

from __future__ import annotations

from html import escape

# Narrow, so that a phone shows it at nearly full size. On a large screen it is as wide as a paragraph.
WIDTH = 440

_STYLE = """
svg { color-scheme: light dark; }
text { font: 14px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2430; }
.small { font-size: 12px; fill: #565e70; }
.bold { font-weight: 600; }
.mono { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: 12px; }
.ground { fill: #ffffff; stroke: #d5d9e2; }
.box { fill: #f2f4f8; stroke: #8a93a6; }
.good { fill: #e2f4e8; stroke: #2f8f55; }
.bad { fill: #fbe6e4; stroke: #b8433a; }
.doubt { fill: #fdf0d5; stroke: #a97412; }
.line { stroke: #565e70; fill: none; stroke-width: 1.4; }
.faint { stroke: #b6bdcc; stroke-dasharray: 3 4; }
.head { fill: #565e70; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6e9f0; }
  .small { fill: #a7afbf; }
  .ground { fill: #1b1f27; stroke: #3a4150; }
  .box { fill: #272d38; stroke: #737d92; }
  .good { fill: #173724; stroke: #4fb377; }
  .bad { fill: #43201d; stroke: #dd776e; }
  .doubt { fill: #41330f; stroke: #d3a24a; }
  .line { stroke: #a7afbf; }
  .faint { stroke: #4c5566; }
  .head { fill: #a7afbf; }
}
"""


class Drawing:
    """One picture. Coordinates are in pixels from the upper left corner."""

    def __init__(self, title: str, description: str) -> None:
        self._title, self._description = title, description
        self._parts: list[str] = []

    def text(self, x: float, y: float, words: str, *, kind: str = "", anchor: str = "start") -> None:
        """Draw one line of text with its baseline at `y`."""
        self._parts.append(
            f'<text x="{x:g}" y="{y:g}" class="{kind}" text-anchor="{anchor}">{escape(words, quote=False)}</text>'
        )

    def box(self, x: float, y: float, width: float, height: float, *, kind: str = "box") -> None:
        """Draw a box."""
        self._parts.append(f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6" class="{kind}"/>')

    def panel(self, x: float, y: float, width: float, lines: list[str], *, kind: str = "box") -> float:
        """Draw a box containing lines, the first of them bold; return the y of its lower edge."""
        height = 14 + 18 * len(lines)
        self.box(x, y, width, height, kind=kind)
        for number, words in enumerate(lines):
            self.text(x + 10, y + 21 + 18 * number, words, kind="small" if number else "bold")
        return y + height

    def line(self, x1: float, y1: float, x2: float, y2: float, *, kind: str = "line") -> None:
        """Draw a line."""
        self._parts.append(f'<path d="M{x1:g} {y1:g} L{x2:g} {y2:g}" class="{kind}"/>')

    def arrow(self, x1: float, y1: float, x2: float, y2: float) -> None:
        """Draw a horizontal or vertical line with an arrowhead at its end."""
        self.line(x1, y1, x2, y2)
        if y1 == y2:
            back = -8 if x2 > x1 else 8
            points = f"{x2:g},{y2:g} {x2 + back:g},{y2 - 4:g} {x2 + back:g},{y2 + 4:g}"
        else:
            back = -8 if y2 > y1 else 8
            points = f"{x2:g},{y2:g} {x2 - 4:g},{y2 + back:g} {x2 + 4:g},{y2 + back:g}"
        self._parts.append(f'<polygon points="{points}" class="head"/>')

    def svg(self, height: float) -> str:
        """Return the picture."""
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:g}"'
                f' viewBox="0 0 {WIDTH} {height:g}" role="img">',
                f"<title>{escape(self._title, quote=False)}</title>",
                f"<desc>{escape(self._description, quote=False)}</desc>",
                f"<style>{_STYLE}</style>",
                f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1:g}" rx="8" class="ground"/>',
                *self._parts,
                "</svg>\n",
            ]
        )
