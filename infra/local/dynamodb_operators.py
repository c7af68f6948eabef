"""What DynamoDB's expressions do: tests of attribute values, updates and projections of items.

It works on the trees that ``dynamodb_expressions`` parses. A missing attribute is None, of which only
``attribute_not_exists`` and ``<>`` are true.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from infra.local.dynamodb_values import (
    NUMBERS,
    ORDERED,
    SETS,
    Item,
    Value,
    canonical,
    invalid,
    kind,
    number,
    order,
)

Path = tuple[Any, ...]  # names, and positions in lists
Tree = tuple[Any, ...]
Reader = Callable[[Item, Mapping[str, Value]], Any]


def read(item: Item, path: Path) -> Value | None:
    """The value at a path, or None."""
    value = item.get(path[0])
    for part in path[1:]:
        inside = value and value.get("L" if isinstance(part, int) else "M")
        if not inside:
            return None
        there = part < len(inside) if isinstance(part, int) else part in inside
        value = inside[part] if there else None
    return value


def compiled_test(tree: Tree) -> Callable[[Item, Mapping[str, Value]], bool]:
    """The function that evaluates a condition."""
    match tree:
        case ("not", inner):
            negated = compiled_test(inner)
            return lambda item, values: not negated(item, values)
        case ("and", one, two):
            first, second = compiled_test(one), compiled_test(two)
            return lambda item, values: first(item, values) and second(item, values)
        case ("or", one, two):
            first, second = compiled_test(one), compiled_test(two)
            return lambda item, values: first(item, values) or second(item, values)
    test, operands = TESTS[tree[0]], [_operand(operand) for operand in tree[1:]]
    return lambda item, values: test(*[operand(item, values) for operand in operands])


def _operand(tree: Tree) -> Reader:
    match tree:
        case ("value", ref):
            return lambda _, values: values[ref]
        case ("path", (name,)):
            return lambda item, _: item.get(name)
        case ("path", path):
            return lambda item, _: read(item, path)
    measured = _operand(tree[1])
    return lambda item, values: _count(measured(item, values))


def _count(value: Value | None) -> Value | None:
    """``size(path)``: characters as UTF-16 counts them, bytes, or members."""
    if value is None or kind(value) in ("N", "BOOL", "NULL"):
        return None
    [(of, content)] = value.items()
    if of == "S":
        return {"N": str(len(content.encode("utf-16-le")) // 2)}
    return {"N": str(len(order(value) if of == "B" else content))}


def _compare(test: Callable[[Any, Any], bool], left: Value | None, right: Value | None) -> bool:
    """Whether two values of the same ordered kind stand so."""
    if left is None or right is None or kind(left) != kind(right) or kind(left) not in ORDERED:
        return False
    return test(order(left), order(right))


def _begins(value: Value | None, start: Value | None) -> bool:
    if start is not None and kind(start) not in ("S", "B"):
        raise invalid(
            "Incorrect operand type for operator or function; operator or function: begins_with, "
            f"operand type: {kind(start)}"
        )
    if value is None or start is None or kind(value) != kind(start):
        return False
    return bool(order(value).startswith(order(start)))


def _contains(value: Value | None, part: Value | None) -> bool:
    if value is None or part is None:
        return False
    [(of, content)] = value.items()
    if of == "L":
        return part in content
    return kind(part) == of[0] and (
        part[of[0]] in content if of in SETS else of != "N" and order(part) in order(value)
    )


TESTS: dict[str, Callable[..., bool]] = {
    "=": lambda left, right: left is not None and left == right,
    "<>": operator.ne,
    "<": partial(_compare, operator.lt),
    "<=": partial(_compare, operator.le),
    ">": partial(_compare, operator.gt),
    ">=": partial(_compare, operator.ge),
    "between": lambda value, low, high: _compare(operator.le, low, value) and _compare(operator.le, value, high),
    "in": lambda value, *options: value is not None and value in options,
    "attribute_exists": lambda value: value is not None,
    "attribute_not_exists": lambda value: value is None,
    "attribute_type": lambda value, of: value is not None and {"S": kind(value)} == of,
    "begins_with": _begins,
    "contains": _contains,
}


# Updates: every right side sees the item as it was.


def compiled_term(tree: Tree) -> Reader:
    """The function that evaluates the right side of a SET."""
    match tree:
        case ("if_not_exists", ("path", path), other):
            fallback = compiled_term(other)
            return lambda item, values: read(item, path) or fallback(item, values)
        case ("list_append", one, two):
            first, second = compiled_term(one), compiled_term(two)
            return lambda item, values: {"L": [*_of("L", first(item, values)), *_of("L", second(item, values))]}
        case ("+" | "-" as sign, one, two):
            first, second = compiled_term(one), compiled_term(two)
            sum_of = NUMBERS.add if sign == "+" else NUMBERS.subtract
            return lambda item, values: _sum(sum_of, first(item, values), second(item, values))
        case ("path", path):
            return partial(_existing, path)
        case ("value", _):
            return _operand(tree)
    raise invalid("Invalid UpdateExpression: Incorrect operands for operator or function: if_not_exists")


def _existing(path: Path, item: Item, _: Mapping[str, Value]) -> Value:
    if (value := read(item, path)) is None:
        raise invalid("The provided expression refers to an attribute that does not exist in the item")
    return value


def _of(wanted: str, value: Value) -> Any:
    if kind(value) != wanted:
        raise invalid("An operand in the update expression has an incorrect data type")
    return value[wanted]


def _sum(add: Callable[[Any, Any], Any], left: Value, right: Value) -> Value:
    try:
        return {"N": number(str(add(order({"N": _of("N", left)}), order({"N": _of("N", right)}))))}
    except ArithmeticError:
        raise invalid("Number overflow or more than 38 significant digits in the sum") from None


def updated(assignments: list[Tree], item: Item, values: Mapping[str, Value]) -> Item:
    """A changed copy of the item."""
    after = copy.deepcopy(item) if any(len(path) > 1 for _, path, _ in assignments) else item.copy()
    results = [(path, _result(clause, path, what, item, values)) for clause, path, what in assignments]
    for path, value in sorted(results, key=_from_the_end):
        inside, last = _inside(after, path), path[-1]
        if value is not None:
            if isinstance(inside, list) and last >= len(inside):
                inside.append(value)
            else:
                inside[last] = value
        elif last in inside if isinstance(inside, dict) else last < len(inside):
            del inside[last]
    return after


def _from_the_end(result: tuple[Path, Value | None]) -> tuple[bool, int]:
    """Removals from lists come last and from the end, because they move what stands behind them."""
    path, value = result
    moves = value is None and isinstance(path[-1], int)
    return moves, -path[-1] if moves else 0


def _result(clause: str, path: Path, what: Any, item: Item, values: Mapping[str, Value]) -> Value | None:
    """What the path holds afterwards, None for nothing."""
    if clause == "SET":
        return dict(what(item, values))
    if clause == "REMOVE":
        return None
    change, before = values[what], read(item, path)
    of = kind(change)
    if of not in (SETS if clause == "DELETE" else SETS | {"N"}):
        raise invalid(
            "Invalid UpdateExpression: Incorrect operand type for operator or function; "
            f"operator: {clause}, operand type: {of}, typeSet: ALLOWED_FOR_ADD_OPERAND"
        )
    if before is None:
        return change if clause == "ADD" else None
    if of == "N":
        return _sum(NUMBERS.add, before, change)
    had, given = {*_of(of, before)}, {*change[of]}
    left = had | given if clause == "ADD" else had - given
    return canonical({of: [*left]}) if left else None


def _inside(item: Item, path: Path) -> Any:
    """The map or list that holds the last part of a path."""
    if len(path) == 1:
        return item
    holder = read(item, path[:-1])
    wanted = "L" if isinstance(path[-1], int) else "M"
    if holder is None or kind(holder) != wanted:
        raise invalid("The document path provided in the update expression is invalid for update")
    return holder[wanted]


def project(item: Item, paths: Iterable[Path]) -> Item:
    """Only what stands at these paths.

    >>> project({"a": {"M": {"b": {"S": "x"}, "c": {"S": "y"}}}, "d": {"S": "z"}}, [("a", "b"), ("e",)])
    {'a': {'M': {'b': {'S': 'x'}}}}
    """
    wanted: dict[Any, Any] = {}
    for path in paths:
        node = wanted
        for part in path:
            node = node.setdefault(part, {})
    return {name: value for name in wanted if (value := _pick(item.get(name), wanted[name]))}


def _pick(value: Value | None, wanted: dict[Any, Any]) -> Value | None:
    if value is None or not wanted:
        return value
    [(of, content)] = value.items()
    if of == "M":
        inner = {name: found for name in wanted if (found := _pick(content.get(name), wanted[name]))}
        return {"M": inner} if inner else None
    if of == "L":
        there = sorted(i for i in wanted if isinstance(i, int) and i < len(content))
        members = [one for i in there if (one := _pick(content[i], wanted[i]))]
        return {"L": members} if members else None
    return None
