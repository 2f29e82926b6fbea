"""Checks each page of the built site in a real browser: on a phone and a desktop, in light and dark mode."""

from __future__ import annotations

import argparse
import asyncio
import functools
import http.server
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .browser import Page, browser, find

WIDTHS = (390, 1440)  # pixels: a phone, a desktop
SCHEMES = ("light", "dark")

# Returns the errors on the current page, as a list of sentences.
_EXAMINE = """
(() => {
  const wrong = [];
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width)
    wrong.push(`the page is ${document.documentElement.scrollWidth} pixels wide`);
  const scrolls = (element) => {
    for (let e = element; e && e !== document.body; e = e.parentElement)
      if (['auto', 'scroll', 'hidden'].includes(getComputedStyle(e).overflowX)) return true;
    return false;
  };
  for (const element of document.querySelectorAll('article *')) {
    const box = element.getBoundingClientRect();
    if (box.width && box.right > width + 1 && !scrolls(element))
      wrong.push(`<${element.tagName.toLowerCase()}> ends at ${Math.round(box.right)}: ${element.textContent.trim().slice(0, 40)}`);
  }
  for (const image of document.querySelectorAll('article img')) {
    if (!image.alt.trim()) wrong.push(`no words beside ${image.src}`);
    if (!image.naturalWidth) wrong.push(`not shown: ${image.src}`);
  }
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map((v) => {
      const c = v / 255;
      return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (!/rgba\\(.*, 0\\)|transparent/.test(colour)) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  for (const element of document.querySelectorAll('article p, article li, article td, article th, article h1, article h2')) {
    const [one, other] = [light(getComputedStyle(element).color), light(behind(element))].sort((a, b) => b - a);
    if ((one + 0.05) / (other + 0.05) < 4.5) {
      wrong.push(`hard to read: ${element.textContent.trim().slice(0, 40)}`);
      break;
    }
  }
  return wrong;
})()
"""  # noqa: E501 - one sentence each


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on loopback."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()


async def examine(page: Page, base: str, names: list[str], shots: Path | None) -> list[str]:
    """Return the errors on the pages."""
    wrong = []
    for width in WIDTHS:
        for scheme in SCHEMES:
            await page.look(width, scheme)
            for name in names:
                await page.open(base + name)
                found = await page.run(_EXAMINE)
                found += [f"asks {url}" for url in page.asked if not url.startswith((base, "data:"))]
                found += [f"its console: {words}" for words in page.complaints]
                wrong += [f"{name} ({width}, {scheme}): {words}" for words in found]
                if shots is not None:
                    await page.shoot(shots / f"{name.replace('/', '-').removesuffix('.html')}-{width}-{scheme}.png")
    return wrong


async def _main(path: str, folder: Path, shots: Path | None) -> int:
    names = sorted(str(file.relative_to(folder)) for file in folder.rglob("*.html") if "_static" not in file.parts)
    with served(folder) as base:
        async with browser(path) as page:
            wrong = await examine(page, base, names, shots)
    print(*wrong, sep="\n")
    print(f"{len(names)} pages at {WIDTHS} pixels, {' and '.join(SCHEMES)}: {len(wrong)} complaints.")
    return 1 if wrong else 0


def main() -> int:
    """Check the site. Without Chromium, print a clear warning, and pass unless --required."""
    parser = argparse.ArgumentParser(prog="python -m tools.site.look", description=__doc__)
    parser.add_argument("site", type=Path)
    parser.add_argument("--shots", type=Path, help="save a picture of each page into this folder")
    parser.add_argument("--required", action="store_true", help="fail where there is no Chromium")
    asked = parser.parse_args()
    path = find()
    if path is None:
        print(
            "!" * 78,
            "NO CHROMIUM: NOBODY HAS LOOKED AT THE PAGES. Install it, or name it in CHROMIUM.",
            "!" * 78,
            sep="\n",
        )
        return 1 if asked.required else 0
    if asked.shots is not None:
        asked.shots.mkdir(parents=True, exist_ok=True)
    return asyncio.run(_main(path, asked.site, asked.shots))


if __name__ == "__main__":
    sys.exit(main())
