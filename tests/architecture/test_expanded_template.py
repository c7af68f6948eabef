"""template.yaml as AWS expands it is held to the code: routes, handlers, schedules, patterns, and all rights.

``complaints`` says what no linter does: of the template nothing, of each seeded fault its own sentence.
"""

import json
import re
from copy import deepcopy

import pytest

from infra.local import template
from infra.local.deploy_template import expand, of_type, rights
from shared.edge.permissions import PERMISSIONS, UNSIGNED
from shared.store.record import Record
from tests.architecture.complaints import (
    complaints,
    function_roles,
    handler_complaints,
    pattern_complaints,
    right_complaints,
    schedule_complaints,
    swept_into,
)
from tests.architecture.test_template import PRORATA
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


# ---- the template as it is


@pytest.mark.parametrize("complaints_of", [handler_complaints, schedule_complaints, pattern_complaints])
def test_nothing_is_wrong_with_the_template(complaints_of):
    assert list(complaints_of(EXPANDED)) == []


def test_every_policy_names_what_its_function_was_seen_to_use_and_no_more(used):
    assert list(right_complaints(EXPANDED, used)) == []


def test_every_kind_that_falls_due_is_swept_into_a_queue():
    due = {Record.kind.serialize(kind) for kind in Record.__subclasses__() if "GSI1PK" in kind.keys}
    swept = [kind for mapping in PRORATA.mappings for kind in swept_into(mapping.queue)]
    assert sorted(swept) == sorted(due)


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


def test_each_route_of_the_api_and_nobody_else_may_call_its_function():
    found = set()
    for permission in of_type(EXPANDED, "AWS::Lambda::Permission").values():
        assert (permission["Action"], permission["Principal"]) == (
            "lambda:InvokeFunction",
            "apigateway.amazonaws.com",
        )
        source, names = permission["SourceArn"]["Fn::Sub"]
        assert names == {"__ApiId__": {"Ref": "Api"}, "__Stage__": "*"}
        place = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${__ApiId__}/${__Stage__}/"
        assert source.startswith(place)
        found.add((source.removeprefix(place), permission["FunctionName"]["Ref"]))
    assert found == {(route.method + re.sub(r"{\w+}", "*", route.path), route.function) for route in PRORATA.routes}


def test_callers_are_throttled():
    [stage] = of_type(EXPANDED, "AWS::ApiGatewayV2::Stage").values()
    assert stage["DefaultRouteSettings"] == {"ThrottlingRateLimit": 100, "ThrottlingBurstLimit": 200}
    pages = {"ThrottlingRateLimit": 10, "ThrottlingBurstLimit": 20}
    assert stage["RouteSettings"] == {f"{method} /v1/pay/{{token}}": pages for method in ("GET", "POST")}


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


def seeded(place, change):
    """The template with one thing changed: ``change`` gets the part that ``place`` leads to."""
    spoilt = deepcopy(SOURCE)
    part = spoilt["Resources"]
    for key in place:
        part = part[key]
    change(part)
    return expand(spoilt)


def put(**values):
    return lambda part: part.update(values)


def put_filters(*patterns):
    return put(FilterCriteria={"Filters": [{"Pattern": pattern} for pattern in patterns]})


def actions(function):
    return function, "Properties", "Policies", 0, "Statement", 0, "Action"


SWEEP_EVENT = ("ChargesSweepFunction", "Properties", "Events", "EveryQuarterHour", "Properties")
ROLLOVERS, CHARGES = ("RolloverWork", "Properties"), ("ChargesWork", "Properties")


@pytest.mark.parametrize(
    ("place", "change", "complaint"),
    [
        pytest.param(
            ("SeatsFunction", "Properties"),
            put(Handler="functions.seats.handle"),
            "SeatsFunction: there is no handler functions.seats.handle",
            id="a handler renamed",
        ),
        pytest.param(
            ("RolloverSweepFunction", "Properties"),
            put(Handler="functions.rollovers.sweep"),
            "RolloverSweepFunction: there is no handler functions.rollovers.sweep",
            id="a module renamed",
        ),
        pytest.param(
            SWEEP_EVENT,
            put(ScheduleExpression="rate(1 minutes)"),
            "ChargesSweepFunctionEveryQuarterHour: EventBridge takes rate(1 minute), not rate(1 minutes).",
            id="rate(1 minutes)",
        ),
        pytest.param(
            SWEEP_EVENT,
            put(Input="{time: now}"),
            "ChargesSweepFunctionEveryQuarterHour: Expecting property name enclosed in double quotes",
            id="an input that is not JSON",
        ),
        pytest.param(
            ROLLOVERS,
            put_filters('{"body": {"kind": ["subscriptions"]}}'),
            "RolloverWork: its pattern does not match the sample subscription",
            id="a filter that lets nothing through",
        ),
        pytest.param(
            CHARGES,
            put_filters('{"body": {"kind": ["invoice", "refund"]}}'),
            "ChargesWork: its pattern does not match the sample checkout",
            id="a filter that lets only what the sample happens to hold through",
        ),
        pytest.param(
            ROLLOVERS,
            put_filters('{"body": {"kind": "subscription"}}'),
            "RolloverWork: its pattern is none",
            id="a filter of a bare word",
        ),
        pytest.param(
            ROLLOVERS,
            put_filters('{"body": {"kind": ["subscription"]}}', '{"body": '),
            "RolloverWork: its pattern is none",
            id="a second filter that is not JSON",
        ),
    ],
)
def test_a_seeded_fault_is_complained_of(place, change, complaint):
    found = complaints(seeded(place, change))
    assert any(each.startswith(complaint) for each in found), found
    assert {each.partition(":")[0] for each in found} == {complaint.partition(":")[0]}, "and of nothing else"


@pytest.mark.parametrize(
    ("place", "change", "complaint"),
    [
        pytest.param(
            actions("RolloverWorkFunction"),
            lambda named: named.remove("dynamodb:DeleteItem"),
            "RolloverWorkFunction: it uses dynamodb:DeleteItem on BillingTable, which its policy does not name",
            id="a right removed",
        ),
        pytest.param(
            actions("RefundsFunction"),
            lambda named: named.append("dynamodb:DeleteItem"),
            "RefundsFunction: its policy names dynamodb:DeleteItem on BillingTable, which it never uses",
            id="a right too many",
        ),
        pytest.param(
            actions("ChargesWorkFunction")[:-2],
            lambda statements: statements.pop(),
            "ChargesWorkFunction: it uses sqs:ReceiveMessage on ChargeQueue, which its policy does not name",
            id="a queue that its worker may not read",
        ),
    ],
)
def test_a_seeded_fault_of_the_rights_is_complained_of(place, change, complaint, used):
    assert complaint in list(right_complaints(seeded(place, change), used))


def test_filters_that_let_all_of_the_work_through_between_them_are_no_fault():
    of_each = [json.dumps({"body": {"kind": [kind]}}) for kind in swept_into("ChargeQueue")]
    assert len(of_each) > 1
    for patterns in (of_each, ['{"body": {"kind": [{"exists": true}]}}']):
        assert complaints(seeded(CHARGES, put_filters(*patterns))) == []


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
    document = seeded(("RolloverSweepFunction", "Properties", "Events"), put(Told=event))
    found = list(pattern_complaints(document))
    assert [complaint in each for each in found] == ([True] if complaint else [])
