"""The icon of the site: a switch."""

from __future__ import annotations


def icon() -> str:
    """Draw the icon, small."""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="32" height="32" viewBox="0 0 32 32">'
        '<title>okx-rfq-plugin</title><rect x="2" y="9" width="28" height="14" rx="7" fill="#b8433a"/>'
        '<circle cx="9" cy="16" r="5" fill="#ffffff"/></svg>\n'
    )
