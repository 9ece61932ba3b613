"""The environment of templates: everything is escaped, and filters show other people's text."""

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from clearml_snapshot.exporter.sizes import size_in_words
from clearml_snapshot.exporter.unseen import as_code_point, spelled_out

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_LONGEST: Final = 120
"""Maximum length of a name, so that hostile names cannot make a page large."""

_LONGEST_LINK: Final = 500

_LINK: Final = re.compile(r"https?://[!#-;=?-\[\]_a-z~]+", re.IGNORECASE)


def environment() -> "Environment":
    """Make an environment; everything is escaped, and a missing name is an error."""
    from jinja2 import Environment, StrictUndefined

    made = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(
        seen=seen,
        text=text,
        number=number,
        count=count,
        moment=moment,
        size=size_in_words,
        link=link,
    )
    return made


def seen(text: str, longest: int = _LONGEST) -> str:
    """Spell out invisible characters, and shorten a text that is too long."""
    shown = spelled_out(str(text), as_code_point)
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def text(text: str | None, instead: str = "–", longest: int = _LONGEST) -> "Markup":
    """Show other people's text so that its direction does not affect the text around it."""
    from markupsafe import Markup

    if text is None:
        return Markup('<span class="none">{}</span>').format(instead)
    return Markup("<bdi>{}</bdi>").format(seen(text, longest))


def number(value: float) -> "Markup":
    """Write a double in 6 digits, with all digits in the tooltip."""
    from markupsafe import Markup

    short, exact = f"{value:,.6g}", repr(value)
    return Markup('<data value="{0}" title="{0}">{1}</data>').format(exact, short)


def count(number: int, singular: str = "", plural: str = "") -> str:
    """Write a number with its unit."""
    noun = singular if number == 1 else plural or f"{singular}s" if singular else ""
    return f"{number:,} {noun}".rstrip()


def moment(moment: datetime | str | None) -> "Markup":
    """Write a time; outside the years 1 to 9999 DuckDB returns it as text."""
    from markupsafe import Markup

    if not isinstance(moment, datetime):
        return text(moment, "unknown")
    moment = moment.astimezone(UTC)
    return Markup('<time datetime="{:%Y-%m-%dT%H:%M:%SZ}">{:%Y-%m-%d %H:%M} UTC</time>').format(
        moment, moment
    )


def link(url: str | None) -> str | None:
    """Return an address that is safe to open: http or https, without user and password."""
    if not url or len(url) > _LONGEST_LINK or not _LINK.fullmatch(url):
        return None
    try:
        host = urlsplit(url)
    except ValueError:
        return None
    return url if host.netloc and "@" not in host.netloc else None
