"""Reads the overview page of a pack, also of names that attack it."""

import math
from collections.abc import Callable, Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.pack.overview_page import write_page

MakeDataset = Callable[[Sequence[Mapping[str, Any]]], Path]

VOID = {"meta", "br", "hr", "img", "input", "link", "wbr"}


class Reader(HTMLParser):
    """Reads a page as a strict browser would: every tag closed, in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.apart(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, self.getpos()
        self.apart(tag)

    def apart(self, tag: str) -> None:
        """Keep words of two cells or lines apart."""
        if tag not in {"bdi", "code", "a", "data", "time", "strong"}:
            self.text += " "

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data

    @property
    def words(self) -> str:
        return " ".join(self.text.split())


def hostile(address: str) -> list[str]:
    """Names that would request ``address`` or change the title if they were more than text."""
    return [
        f"<script>document.title='ran'; new Image().src='{address}/script'</script>",
        f"<img src='{address}/img' onerror=\"document.title='ran'\">",
        f"</td></table></bdi><iframe src={address}/iframe></iframe><!--",
        f'" onmouseover="document.title=\'ran\'" style="background:url({address}/css)',
        f"</style><style>@import '{address}/import'; p {{ background: url({address}/b) }}</style>",
        f"<link rel=stylesheet href={address}/sheet><base href={address}/>",
        f"<meta http-equiv=refresh content='0; url={address}/refresh'>",
        "{{ ''.__class__.__mro__ }} {% raw %} ${7*7}",
        "]]>&lt;b&gt; &amp; &#60;i&#62;",
    ]


def hostile_tasks(address: str) -> list[dict[str, Any]]:
    return [
        {
            "task_id": name,
            "name": name,
            "project_id": f"{at:032x}",
            "project": name,
            "status": "in_progress" if at % 2 else name,
            "state": "partial" if at % 3 else name,
            "reason": name,
            "tags": [name],
            "web_url": f"{address}/click" if at % 2 else f"javascript:document.title='{at}'",
            "points": [(name, name, 1, math.nan), (name, name, 2, float(at))],
            "params": [{"section": name, "name": name, "value": name, "type": name}],
        }
        for at, name in enumerate(hostile(address))
    ]


def page_of(data: Path, **options: Any) -> str:
    with open_dataset(data, **options) as dataset:
        path = data.parent / "index.html"
        write_page(dataset, path)
    return path.read_text(encoding="utf-8")
