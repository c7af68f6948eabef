"""YAML files whose mistakes are told with file, line and reason."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
import yaml

T = TypeVar("T")
Place = Sequence[str | int]


class BadFile(Exception):
    """A file that cannot be used: ``story.yaml:12: reason``."""

    def __init__(self, path: Path, line: int | None, reason: str) -> None:
        super().__init__(f"{path}:{line}: {reason}" if line else f"{path}: {reason}")


class _Loader(yaml.SafeLoader):
    """Plain YAML in which a date stays the text that was written."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class YamlFile(Generic[T]):
    """A file read and checked against ``schema``, and where in it everything stands."""

    def __init__(self, path: Path, schema: type[T]) -> None:
        self.path = path
        try:
            text = path.read_text(encoding="utf-8")
            loader = _Loader(text)
            node = loader.get_single_node()
            if node is None:
                raise BadFile(path, 1, "The file is empty.")
            self._node = node
            self._check_keys(node, ())
            self.data = loader.construct_document(node)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else None
            raise BadFile(path, line, f"This is not YAML: {error.problem}.") from None
        except yaml.YAMLError as error:
            raise BadFile(path, None, f"This is not YAML: {error}.") from None
        except UnicodeDecodeError:
            raise BadFile(path, None, "This is no text in UTF-8.") from None
        except OSError as error:
            raise BadFile(path, None, f"The file cannot be read: {error.strerror}.") from None
        self.value = self._convert(schema)

    def error(self, place: Place, reason: str) -> BadFile:
        """A mistake at a place in the data, such as ``("steps", 3, "call")``."""
        return BadFile(self.path, self.line(place), reason)

    def line(self, place: Place) -> int:
        """The line on which something stands; of what is not there, the line of what it should be in."""
        node, line = self._node, self._node.start_mark.line
        for step in place:
            found = _child(node, step)
            if found is None:
                break
            line, node = found
        return line + 1

    def _convert(self, schema: type[T]) -> T:
        try:
            return msgspec.convert(self.data, schema)
        except msgspec.ValidationError as error:
            reason, _, where = str(error).replace("- at `key` in `$", "as a key - at `$").partition(" - at `$")
            place = self._place(where.rstrip("`"), reason, schema)
            unknown = re.search(r"unknown field `([^`]+)`", reason)
            raise self.error([*place, unknown[1]] if unknown else place, f"{reason}{_at(place)}.") from None

    def _place(self, where: str, reason: str, schema: type[T]) -> list[str | int]:
        """The path that msgspec names; it writes ``[...]`` for a key of a mapping, which is looked for."""
        place: list[str | int] = []
        for key, number in re.findall(r"\.(\w+)|\[(\d+|\.\.\.)\]", where):
            if number == "...":
                place.append(self._culprit(place, reason, schema))
            else:
                place.append(key or int(number))
        return place

    def _culprit(self, place: list[str | int], reason: str, schema: type[T]) -> str:
        mapping = _value(self.data, place)
        for key in mapping:
            alone = _with(self.data, place, {key: mapping[key]})
            try:
                msgspec.convert(alone, schema)
            except msgspec.ValidationError as error:
                if str(error).startswith(reason):
                    return str(key)
        return ""

    def _check_keys(self, node: yaml.Node, above: tuple[yaml.Node, ...]) -> None:
        """YAML forgets the first of two equal keys, and lets a thing hold itself; here both are mistakes."""
        line = node.start_mark.line + 1
        if node in above:
            raise BadFile(self.path, line, "This holds itself.")
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise BadFile(self.path, key.start_mark.line + 1, "A key is one word, not a list or a mapping.")
                if key.value in seen and key.value != "<<":
                    raise BadFile(self.path, key.start_mark.line + 1, f"{key.value!r} stands here twice.")
                seen.add(key.value)
                self._check_keys(value, (*above, node))
        elif isinstance(node, yaml.SequenceNode):
            for value in node.value:
                self._check_keys(value, (*above, node))


def _child(node: yaml.Node, step: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return key.start_mark.line, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark.line, node.value[step]
    return None


def _value(data: Any, place: Place) -> Any:
    for step in place:
        data = data[step]
    return data


def _with(data: Any, place: Place, value: Any) -> Any:
    """A copy of ``data`` with another value at a place."""
    if not place:
        return value
    copy: Any = dict(data) if isinstance(data, dict) else list(data)
    copy[place[0]] = _with(data[place[0]], place[1:], value)
    return copy


def _at(place: Place) -> str:
    return f" (at {'.'.join(map(str, place))})" if place else ""
