"""Checks the built site's links, fragments included, and which hosts its pages link to or load from."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

# Hosts that pages may link to. No page may load anything from another host.
MAY_LEAD_TO = (
    "https://www.okx.com/docs-v5/en/",
    "https://github.com/ccxt/ccxt",
    "https://keepachangelog.com/",
    "https://semver.org",
    "https://github.com/pradyunsg/furo",  # the theme's own line in the footer
)
_LOADS = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "srcset"}


class Read(HTMLParser):
    """The ids, links and loaded files of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record what a tag names, links to or loads."""
        values = {name: value for name, value in attrs if value is not None}
        self.ids |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in _LOADS and _LOADS[tag] in values and values.get("rel") not in ("canonical", "index", "search"):
            self.loads.append(values[_LOADS[tag]])


def wrong_links(site: Path) -> list[str]:
    """Return the errors in a site's links, as sentences."""
    pages = {file: Read(file.read_text(encoding="utf-8")) for file in sorted(site.rglob("*.html"))}
    wrong = []
    for file, page in pages.items():
        name = file.relative_to(site)
        for link in page.links:
            if re.match(r"\w+:", link):
                if not link.startswith(MAY_LEAD_TO):
                    wrong.append(f"{name} leads to {link}")
                continue
            path, fragment = urldefrag(unquote(link))
            target = (file.parent / path).resolve() if path else file
            if not target.exists():
                wrong.append(f"{name} links to {link}, which is not there")
            elif fragment and target in pages and fragment not in pages[target].ids:
                wrong.append(f"{name} links to {link}, and there is no such place on that page")
        for link in page.loads:
            if re.match(r"(\w+:)?//", link):
                wrong.append(f"{name} loads {link}")
    return wrong


def main() -> int:
    """Print the errors in a site's links."""
    found = wrong_links(Path(sys.argv[1]).resolve())
    print(*found, sep="\n")
    print(f"{len(found)} links are wrong.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
