"""DynamoDB's expressions: conditions, updates, projections and keys, parsed once and kept as functions.

The grammar is AWS's: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html.
A parsed expression is a tree of tuples, ``("=", ("path", ("a", 0)), ("value", ":x"))``, with the aliases
of the request already replaced by the names they stand for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

from ministack.services._dynamodb_keywords import AWS_KEYWORDS

from infra.local.dynamodb_operators import Path, Tree, compiled_term, compiled_test, updated
from infra.local.dynamodb_values import Item, Value, canonical, invalid

TOKEN = re.compile(r"\s*([#:]?\w+|<>|<=|>=|[-+=<>(),.\[\]])")
KINDS = {
    "KeyConditionExpression": "keys",
    "ConditionExpression": "condition",
    "FilterExpression": "condition",
    "UpdateExpression": "update",
    "ProjectionExpression": "projection",
}
LEGACY = frozenset(
    (
        "AttributesToGet",
        "AttributeUpdates",
        "ConditionalOperator",
        "Expected",
        "KeyConditions",
        "QueryFilter",
        "ScanFilter",
    )
)
COMPARISONS = frozenset(("=", "<>", "<", "<=", ">", ">="))
FUNCTIONS = {
    "attribute_exists": 1,
    "attribute_not_exists": 1,
    "attribute_type": 2,
    "begins_with": 2,
    "contains": 2,
}


class Parsed(NamedTuple):
    """An expression ready to run, and what it asks of the request's names and values."""

    run: Any
    names: frozenset[str]
    values: frozenset[str]


class Expressions:
    """All expressions of one request or of one action of a transaction, with its values."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        if legacy := LEGACY & request.keys():
            raise invalid(f"Only expressions are understood here, not {', '.join(sorted(legacy))}")
        names = request.get("ExpressionAttributeNames") or {}
        given = request.get("ExpressionAttributeValues") or {}
        aliases = tuple(names.items())
        self.values = {name: canonical(value) for name, value in given.items()}
        self._parsed = {k: parse(k, request[k], aliases) for k in KINDS if k in request}
        for expression, parsed in self._parsed.items():
            if missing := parsed.values - given.keys():
                raise invalid(
                    f"Invalid {expression}: An expression attribute value used in expression is not defined; "
                    f"attribute value: {min(missing)}"
                )
        for what, all_of_them, used in (("Names", names, "names"), ("Values", given, "values")):
            unused = all_of_them.keys() - set().union(*(getattr(p, used) for p in self._parsed.values()))
            if unused:
                listed = ", ".join(sorted(unused))
                raise invalid(
                    f"Value provided in ExpressionAttribute{what} unused in expressions: keys: {{{listed}}}"
                )

    def holds(self, item: Item, expression: str = "ConditionExpression") -> bool:
        """Whether the condition (or filter) is true of an item, or there is none."""
        parsed = self._parsed.get(expression)
        return parsed is None or parsed.run(item, self.values)

    def keys(self) -> list[tuple[str, str, list[Value]]]:
        """The key conditions: attribute, comparison, operands."""
        if "KeyConditionExpression" not in self._parsed:
            raise invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified")
        tests = self._parsed["KeyConditionExpression"].run
        return [(name, test, [self.values[ref] for ref in refs]) for name, test, refs in tests]

    def update(self, item: Item) -> Item:
        """The item as the update makes it; the one given stays as it is."""
        parsed = self._parsed.get("UpdateExpression")
        return updated(parsed.run, item, self.values) if parsed else item

    def targets(self) -> list[Path]:
        """The paths that the update writes."""
        parsed = self._parsed.get("UpdateExpression")
        return [path for _, path, _ in parsed.run] if parsed else []

    def projection(self) -> list[Path] | None:
        """The paths that are asked for, or None for all."""
        parsed = self._parsed.get("ProjectionExpression")
        return parsed.run if parsed else None


@lru_cache(maxsize=4096)
def parse(expression: str, text: str, aliases: tuple[tuple[str, str], ...]) -> Parsed:
    """Parse an expression of a request that gave these ExpressionAttributeNames."""
    parser = _Parser(expression, text, dict(aliases))
    tree = getattr(parser, KINDS[expression])()
    if parser.ahead:
        raise parser.error()
    if KINDS[expression] == "condition":
        tree = compiled_test(tree)
    return Parsed(tree, frozenset(parser.names), frozenset(parser.values))


class _Parser:
    """Recursive descent: one method for each rule of the grammar, ``ahead`` is the one not read yet."""

    def __init__(self, expression: str, text: str, aliases: dict[str, str]) -> None:
        self.expression, self.aliases = expression, aliases
        self.names: set[str] = set()
        self.values: set[str] = set()
        self.tokens: list[str] = TOKEN.findall(text)
        if not self.tokens:
            raise invalid(f"Invalid {expression}: The expression can not be empty;")
        if TOKEN.sub("", text).strip():
            raise invalid(f"Invalid {expression}: Syntax error; token: {TOKEN.sub('', text).strip()[0]!r}")
        self.tokens = [*reversed(self.tokens)]

    @property
    def ahead(self) -> str:
        return self.tokens[-1] if self.tokens else ""

    def error(self) -> Exception:
        return invalid(f'Invalid {self.expression}: Syntax error; token: "{self.ahead or "<EOF>"}"')

    def accept(self, *wanted: str) -> str:
        """Take the next token if it is one of these (keywords in any case), else answer ""."""
        token = self.ahead.upper()
        if token in wanted:
            self.tokens.pop()
            return token
        return ""

    def expect(self, wanted: str) -> None:
        if not self.accept(wanted):
            raise self.error()

    def listed(self, rule: Callable[[], Any]) -> list[Any]:
        """One or more of ``rule``, with commas between them."""
        found = [rule()]
        while self.accept(","):
            found.append(rule())
        return found

    # conditions

    def condition(self) -> Tree:
        tree = self.conjunction()
        while self.accept("OR"):
            tree = ("or", tree, self.conjunction())
        return tree

    def conjunction(self) -> Tree:
        tree = self.negation()
        while self.accept("AND"):
            tree = ("and", tree, self.negation())
        return tree

    def negation(self) -> Tree:
        return ("not", self.negation()) if self.accept("NOT") else self.test()

    def test(self) -> Tree:
        if self.accept("("):
            tree = self.condition()
            self.expect(")")
            return tree
        if self.ahead in FUNCTIONS and self.tokens[-2:-1] == ["("]:
            return self.call()
        left = self.operand()
        if self.accept("BETWEEN"):
            low = self.operand()
            self.expect("AND")
            return ("between", left, low, self.operand())
        if self.accept("IN"):
            self.expect("(")
            options = self.listed(self.operand)
            self.expect(")")
            return ("in", left, *options)
        if self.ahead not in COMPARISONS:
            raise self.error()
        return (self.accept(*COMPARISONS), left, self.operand())

    def call(self) -> Tree:
        function = self.tokens.pop()
        self.expect("(")
        operands = self.listed(self.operand)
        if len(operands) != FUNCTIONS[function] or (function.startswith("attribute_") and operands[0][0] != "path"):
            raise invalid(f"Invalid {self.expression}: Incorrect operands for operator or function: {function}")
        self.expect(")")
        return (function, *operands)

    def operand(self) -> Tree:
        if self.ahead.startswith(":"):
            return ("value", self.value())
        if self.ahead == "size" and self.tokens[-2:-1] == ["("]:
            self.tokens.pop()
            self.expect("(")
            path = self.path()
            self.expect(")")
            return ("size", ("path", path))
        return ("path", self.path())

    # names and values

    def value(self) -> str:
        if not self.ahead.startswith(":"):
            raise self.error()
        self.values.add(self.ahead)
        return self.tokens.pop()

    def path(self) -> Path:
        path: list[str | int] = [self.name()]
        while step := self.accept(".", "["):
            if step == ".":
                path.append(self.name())
            elif self.ahead.isdigit():
                path.append(int(self.tokens.pop()))
                self.expect("]")
            else:
                raise self.error()
        return tuple(path)

    def name(self) -> str:
        token = self.ahead
        if token.startswith("#"):
            if token not in self.aliases:
                raise invalid(
                    f"Invalid {self.expression}: An expression attribute name used in the document path "
                    f"is not defined; attribute name: {token}"
                )
            self.names.add(token)
        elif not (token[:1].isalpha() or token[:1] == "_"):
            raise self.error()
        elif token.upper() in AWS_KEYWORDS:
            raise invalid(
                f"Invalid {self.expression}: Attribute name is a reserved keyword; reserved keyword: {token}"
            )
        return self.aliases.get(self.tokens.pop(), token)

    # the other kinds of expression

    def projection(self) -> list[Path]:
        return self.distinct(self.listed(self.path))

    def distinct(self, paths: list[Path]) -> list[Path]:
        ordered = sorted(paths, key=lambda path: [str(part) for part in path])
        for one, two in pairwise(ordered):
            if two[: len(one)] == one:
                raise invalid(
                    f"Invalid {self.expression}: Two document paths overlap with each other; "
                    f"must remove or rewrite one of these paths; path one: {[*one]}, path two: {[*two]}"
                )
        return paths

    def keys(self) -> list[tuple[str, str, list[str]]]:
        """Key conditions: attribute, comparison, references to values."""
        pending, found = [self.condition()], []
        while pending:
            match pending.pop():
                case ("and", left, right):
                    pending += [left, right]
                case (test, ("path", (str(name),)), *operands) if (
                    test in COMPARISONS - {"<>"} or test in ("between", "begins_with")
                ) and all(operand[0] == "value" for operand in operands):
                    found.append((name, test, [operand[1] for operand in operands]))
                case _:
                    raise invalid(f"Invalid {self.expression}: not a condition on a key")
        return found

    def update(self) -> list[Tree]:
        """The assignments of an update: clause, path, and the tree or reference it takes."""
        rules = {
            "SET": self.assignment,
            "REMOVE": self.removal,
            "ADD": self.addition,
            "DELETE": self.addition,
        }
        found: list[Tree] = []
        seen: set[str] = set()
        while clause := self.accept(*rules):
            if clause in seen:
                raise invalid(f'Invalid UpdateExpression: The "{clause}" section can only be used once')
            seen.add(clause)
            found += [(clause, *rest) for rest in self.listed(rules[clause])]
        self.distinct([path for _, path, _ in found])
        return found

    def assignment(self) -> Tree:
        path = self.path()
        self.expect("=")
        tree = self.term()
        if sign := self.accept("+", "-"):
            tree = (sign, tree, self.term())
        return (path, compiled_term(tree))

    def removal(self) -> Tree:
        return (self.path(), None)

    def addition(self) -> Tree:
        return (self.path(), self.value())

    def term(self) -> Tree:
        """An operand of SET: a value, a path, a function, or a sum in parentheses."""
        if self.accept("("):
            tree = self.term()
            if sign := self.accept("+", "-"):
                tree = (sign, tree, self.term())
            self.expect(")")
            return tree
        if self.ahead in ("if_not_exists", "list_append") and self.tokens[-2:-1] == ["("]:
            function = self.tokens.pop()
            self.expect("(")
            left = self.term()
            self.expect(",")
            tree = (function, left, self.term())
            self.expect(")")
            return tree
        return ("value", self.value()) if self.ahead.startswith(":") else ("path", self.path())
