"""A page of ours, read: what a browser would show of it, and what its script is told."""

from html.parser import HTMLParser

EMPTY = {"meta", "link", "input", "br"}


class Page(HTMLParser):
    """The text of each element by its tag, its class or its id; the cells of its table; what the form knows."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.text, self.rows, self.scripts, self.links, self.form = {}, [], [], [], None
        self._open = []
        self.feed(html)
        self.close()
        assert self._open == [], "every element is closed"

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        names = {tag, attributes.get("class"), attributes.get("id")} - {None}
        if tag not in EMPTY:
            self._open.append((tag, names))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "script":
            self.scripts.append(attributes.get("src") or "")
        if tag == "a":
            self.links.append(attributes["href"])
        if tag == "form":
            self.form = {
                name.removeprefix("data-"): it for name, it in attributes.items() if name.startswith("data-")
            }

    def handle_endtag(self, tag):
        assert self._open.pop()[0] == tag

    def handle_data(self, data):
        for tag, names in self._open:
            for name in names:
                self.text[name] = self.text.get(name, "") + data
            if tag in ("td", "th"):
                self.rows[-1][-1] += data
        if self._open and self._open[-1][0] == "script":
            self.scripts[-1] += data

    def said(self, name):
        """The text of the elements of a name, in one line."""
        return " ".join(self.text.get(name, "").split())
