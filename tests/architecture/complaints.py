"""What no linter says of template.yaml as AWS expands it: a sentence for each thing that is wrong."""

import importlib
import inspect
import json
import re

from moto.events.exceptions import InvalidEventPatternException
from moto.events.models import EventPattern

from infra.local import template
from infra.local.deploy_template import of_type, rights
from shared.store.record import Record
from tests.architecture.test_template import PRORATA, sample_of


def complaints(document):
    """What is wrong with an expanded template as it stands, one sentence each."""
    return [*handler_complaints(document), *schedule_complaints(document), *pattern_complaints(document)]


def handler_complaints(document):
    for name, function in of_type(document, "AWS::Lambda::Function").items():
        module, _, attribute = function["Handler"].rpartition(".")
        try:
            handler = getattr(importlib.import_module(module), attribute, None)
        except ModuleNotFoundError:
            handler = None
        if not callable(handler):
            yield f"{name}: there is no handler {function['Handler']}"


def schedule_complaints(document):
    for name, schedule in of_type(document, "AWS::Scheduler::Schedule").items():
        try:
            template.every(schedule["ScheduleExpression"])
            json.loads(schedule["Target"]["Input"])
        except ValueError as error:
            yield f"{name}: {error}"


def pattern_complaints(document):
    """Filters of queues and patterns of rules: whether they are patterns, and match what the functions are given."""
    for name, mapping in of_type(document, "AWS::Lambda::EventSourceMapping").items():
        said = [each["Pattern"] for each in mapping.get("FilterCriteria", {}).get("Filters", [])]
        yield from pattern_complaint(name, said, messages(PRORATA.functions[mapping["FunctionName"]["Ref"]]))
    for name, rule in of_type(document, "AWS::Events::Rule").items():
        for target in rule["Targets"]:
            event = json.loads(sample_of(PRORATA.functions[target["Arn"]["Fn::GetAtt"][0]]).read_text())
            yield from pattern_complaint(name, [json.dumps(rule["EventPattern"])], [event])


def pattern_complaint(name, patterns, events):
    """An event must match one of the patterns, where there are any."""
    try:
        loaded = [EventPattern.load(pattern) for pattern in patterns]
    except InvalidEventPatternException:
        yield f"{name}: its pattern is none"
        return
    for event in events:
        if loaded and not any(pattern.matches_event(event) for pattern in loaded):
            yield f"{name}: its pattern does not match the sample {event.get('body', {}).get('kind', 'event')}"


def messages(worker):
    """What a worker's queue may bring, as a filter sees it: the sample, and one of every kind swept into it."""
    records = json.loads(sample_of(worker).read_text())["Records"]
    samples = [record | {"body": json.loads(record["body"])} for record in records]
    [queue] = [mapping.queue for mapping in PRORATA.mappings if mapping.function == worker.name]
    return [*samples, *(samples[0] | {"body": samples[0]["body"] | {"kind": kind}} for kind in swept_into(queue))]


def swept_into(queue):
    """The kinds of record that work in a queue is about: all in the part of the due index that is swept into it."""
    for function in PRORATA.functions.values():
        module, _, name = function.handler.rpartition(".")
        handler = inspect.getsource(getattr(importlib.import_module(module), name))
        sweep = re.search(r'jobs\.sweep\("(\w+)", "(\w+)"', handler)
        if sweep and function.environment[sweep[2]] == queue:
            for kind in Record.__subclasses__():
                if kind.keys.get("GSI1PK", "").startswith(f"DUE#{sweep[1]}#"):
                    yield Record.kind.serialize(kind)


def right_complaints(document, used):
    for name, role in function_roles(document).items():
        granted = set(rights(role, document))
        for action, where in sorted(used[name] - granted):
            yield f"{name}: it uses {action} on {where}, which its policy does not name"
        for action, where in sorted(granted - used[name]):
            yield f"{name}: its policy names {action} on {where}, which it never uses"


def function_roles(document):
    """The role of each function, by the function."""
    roles = of_type(document, "AWS::IAM::Role")
    functions = of_type(document, "AWS::Lambda::Function")
    return {name: roles[function["Role"]["Fn::GetAtt"][0]] for name, function in functions.items()}
