"""template.yaml as AWS expands it is held to the code: routes, handlers, schedules, patterns, and all rights.

``complaints`` is what no linter says. The template has none; each seeded fault brings up the one that names it.
"""

import importlib
import json
import re
from copy import deepcopy

import pytest
from moto.events.exceptions import InvalidEventPatternException
from moto.events.models import EventPattern

from infra.local import template
from infra.local.deploy_template import expand, of_type, rights
from shared.edge.permissions import PERMISSIONS, UNSIGNED
from tests.architecture.test_template import PRORATA, sample_of
from tests.architecture.used_actions import used_actions

SOURCE = template.load()
EXPANDED = expand(SOURCE)
LOGS_AND_TRACES = [
    "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
    "arn:aws:iam::aws:policy/AWSXrayWriteOnlyAccess",
]
POLLER = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
"""What Lambda asks for in a worker's name, to read its queue."""


@pytest.fixture(scope="module")
def used():
    """What the functions were seen to use, as (action, resource), the poller's part included."""
    seen = used_actions()
    for mapping in PRORATA.mappings:
        seen[mapping.function] |= {(action, mapping.queue) for action in POLLER}
    return seen


# ---- what is held to what


def complaints(document, used):
    """Everything that is wrong with an expanded template, one sentence each."""
    return [
        *handler_complaints(document),
        *schedule_complaints(document),
        *pattern_complaints(document),
        *right_complaints(document, used),
    ]


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
        records = json.loads(sample_of(PRORATA.functions[mapping["FunctionName"]["Ref"]]).read_text())["Records"]
        events = [record | {"body": json.loads(record["body"])} for record in records]
        for said in mapping.get("FilterCriteria", {}).get("Filters", []):
            yield from pattern_complaint(name, said["Pattern"], events)
    for name, rule in of_type(document, "AWS::Events::Rule").items():
        for target in rule["Targets"]:
            event = json.loads(sample_of(PRORATA.functions[target["Arn"]["Fn::GetAtt"][0]]).read_text())
            yield from pattern_complaint(name, json.dumps(rule["EventPattern"]), [event])


def pattern_complaint(name, pattern, events):
    try:
        if not all(map(EventPattern.load(pattern).matches_event, events)):
            yield f"{name}: its pattern does not match the sample event"
    except InvalidEventPatternException:
        yield f"{name}: its pattern is none"


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


# ---- the template as it is


def test_nothing_is_wrong_with_the_template(used):
    assert complaints(EXPANDED, used) == []


def test_every_route_is_kept_with_its_function_and_its_authorizer():
    resources = EXPANDED["Resources"]
    found = set()
    for route in of_type(EXPANDED, "AWS::ApiGatewayV2::Route").values():
        integration = resources[re.fullmatch(r"integrations/\${(\w+)}", route["Target"]["Fn::Sub"])[1]]["Properties"]
        function = re.search(r"\${(\w+Function)\.Arn}/invocations$", integration["IntegrationUri"]["Fn::Sub"])[1]
        assert integration["PayloadFormatVersion"] == "2.0"
        found.add((*route["RouteKey"].split(" "), function, route.get("AuthorizationType", "NONE") == "JWT"))
    assert found == {(route.method, route.path, route.function, route.needs_token) for route in PRORATA.routes}
    assert {f"{method} {path}" for method, path, _, signed in found if signed} == PERMISSIONS.keys()
    assert {f"{method} {path}" for method, path, _, signed in found if not signed} == UNSIGNED


def test_the_authorizer_takes_tokens_of_the_issuer_for_the_audience():
    [(name, authorizer)] = of_type(EXPANDED, "AWS::ApiGatewayV2::Authorizer").items()
    assert authorizer["JwtConfiguration"] == {"Issuer": {"Ref": "JwtIssuer"}, "Audience": [{"Ref": "JwtAudience"}]}
    assert authorizer["IdentitySource"] == ["$request.header.Authorization"]
    for route in of_type(EXPANDED, "AWS::ApiGatewayV2::Route").values():
        assert route.get("AuthorizerId", {"Ref": name}) == {"Ref": name}


def test_the_api_may_call_every_function_that_it_routes_to():
    permitted = {each["FunctionName"]["Ref"] for each in of_type(EXPANDED, "AWS::Lambda::Permission").values()}
    assert permitted == {route.function for route in PRORATA.routes}


def test_a_role_holds_the_policies_of_the_template_and_the_right_to_write_logs_and_traces():
    for name, role in function_roles(EXPANDED).items():
        assert role["ManagedPolicyArns"] == LOGS_AND_TRACES
        written = SOURCE["Resources"][name]["Properties"]["Policies"]
        assert [policy["PolicyDocument"] for policy in role["Policies"]] == written
        assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": ["lambda.amazonaws.com"]}


def test_a_schedule_may_start_its_function_and_keep_a_start_that_failed_and_nothing_else():
    for schedule in of_type(EXPANDED, "AWS::Scheduler::Schedule").values():
        target = schedule["Target"]
        role = EXPANDED["Resources"][target["RoleArn"]["Fn::GetAtt"][0]]["Properties"]
        assert list(rights(role, EXPANDED)) == [
            ("lambda:InvokeFunction", target["Arn"]["Fn::GetAtt"][0]),
            ("sqs:SendMessage", target["DeadLetterConfig"]["Arn"]["Fn::GetAtt"][0]),
        ]
        assert "ManagedPolicyArns" not in role


def test_every_schedule_queue_and_mapping_is_there():
    assert len(of_type(EXPANDED, "AWS::Scheduler::Schedule")) == len(PRORATA.schedules)
    assert of_type(EXPANDED, "AWS::SQS::Queue").keys() == PRORATA.queues.keys()
    assert len(of_type(EXPANDED, "AWS::Lambda::EventSourceMapping")) == len(PRORATA.mappings)


def test_every_function_has_a_role_of_its_own():
    functions = of_type(EXPANDED, "AWS::Lambda::Function")
    assert functions.keys() == PRORATA.functions.keys()
    assert len({function["Role"]["Fn::GetAtt"][0] for function in functions.values()}) == len(functions)


# ---- seeded faults


def seeded(*place, change):
    """The template with one thing changed: ``change`` gets the part that ``place`` leads to."""
    spoilt = deepcopy(SOURCE)
    part = spoilt["Resources"]
    for key in place:
        part = part[key]
    change(part)
    return expand(spoilt)


def put(**values):
    return lambda part: part.update(values)


def filtered(pattern):
    return seeded("RolloverWork", "Properties", change=put(FilterCriteria={"Filters": [{"Pattern": pattern}]}))


def first_actions(function):
    return function, "Properties", "Policies", 0, "Statement", 0, "Action"


SWEEP_EVENT = ("ChargesSweepFunction", "Properties", "Events", "EveryQuarterHour", "Properties")


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        pytest.param(
            seeded("SeatsFunction", "Properties", change=put(Handler="functions.seats.handle")),
            "SeatsFunction: there is no handler functions.seats.handle",
            id="a handler renamed",
        ),
        pytest.param(
            seeded("RolloverSweepFunction", "Properties", change=put(Handler="functions.rollovers.sweep")),
            "RolloverSweepFunction: there is no handler functions.rollovers.sweep",
            id="a module renamed",
        ),
        pytest.param(
            seeded(*first_actions("RolloverWorkFunction"), change=lambda named: named.remove("dynamodb:DeleteItem")),
            "RolloverWorkFunction: it uses dynamodb:DeleteItem on BillingTable, which its policy does not name",
            id="a right removed",
        ),
        pytest.param(
            seeded(*first_actions("InvoicesFunction"), change=lambda named: named.append("dynamodb:DeleteItem")),
            "InvoicesFunction: its policy names dynamodb:DeleteItem on BillingTable, which it never uses",
            id="a right too many",
        ),
        pytest.param(
            seeded(*first_actions("ChargesWorkFunction")[:-2], change=lambda statements: statements.pop()),
            "ChargesWorkFunction: it uses sqs:ReceiveMessage on ChargeQueue, which its policy does not name",
            id="a queue that its worker may not read",
        ),
        pytest.param(
            seeded(*SWEEP_EVENT, change=put(ScheduleExpression="rate(1 minutes)")),
            "ChargesSweepFunctionEveryQuarterHour: EventBridge takes rate(1 minute), not rate(1 minutes).",
            id="rate(1 minutes)",
        ),
        pytest.param(
            seeded(*SWEEP_EVENT, change=put(Input="{time: now}")),
            "ChargesSweepFunctionEveryQuarterHour: Expecting property name enclosed in double quotes",
            id="an input that is not JSON",
        ),
        pytest.param(
            filtered('{"body": {"kind": ["subscriptions"]}}'),
            "RolloverWork: its pattern does not match the sample event",
            id="a filter that lets nothing through",
        ),
        pytest.param(
            filtered('{"body": {"kind": "subscription"}}'),
            "RolloverWork: its pattern is none",
            id="a filter of a bare word",
        ),
        pytest.param(filtered('{"body": '), "RolloverWork: its pattern is none", id="a filter that is not JSON"),
    ],
)
def test_a_seeded_fault_is_complained_of(document, complaint, used):
    found = complaints(document, used)
    assert any(each.startswith(complaint) for each in found), found


def test_a_filter_that_lets_the_work_through_is_none(used):
    assert complaints(filtered('{"body": {"kind": ["subscription"]}}'), used) == []


@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [
        ({"time": [{"exists": True}]}, None),
        ({"source": ["aws.s3"]}, "does not match the sample event"),
        ({"time": "2026-01-01"}, "is none"),
    ],
)
def test_a_rule_of_the_bus_is_held_to_the_sample_event(pattern, complaint):
    event = {"Type": "EventBridgeRule", "Properties": {"Pattern": pattern}}
    document = seeded("RolloverSweepFunction", "Properties", "Events", change=put(Told=event))
    found = list(pattern_complaints(document))
    assert [complaint in each for each in found] == ([True] if complaint else [])
