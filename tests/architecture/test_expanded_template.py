"""The template as CloudFormation sees it: nothing of it got lost when it was expanded."""

import pytest

from infra.local import deploy_template, template

PRORATA = template.read()


@pytest.fixture(scope="module")
def resources():
    return deploy_template.expand(template.load())["Resources"]


def of_type(resources, kind):
    return [resource["Properties"] for resource in resources.values() if resource["Type"] == kind]


def test_every_route_keeps_its_authorizer(resources):
    routes = {
        each["RouteKey"]: each.get("AuthorizationType") for each in of_type(resources, "AWS::ApiGatewayV2::Route")
    }
    assert routes == {
        f"{route.method} {route.path}": "JWT" if route.needs_token else None for route in PRORATA.routes
    }


def test_every_function_schedule_and_queue_is_there(resources):
    assert len(of_type(resources, "AWS::Lambda::Function")) == len(PRORATA.functions)
    assert len(of_type(resources, "AWS::Scheduler::Schedule")) == len(PRORATA.schedules)
    assert len(of_type(resources, "AWS::SQS::Queue")) == len(PRORATA.queues)
    assert len(of_type(resources, "AWS::Lambda::EventSourceMapping")) == len(PRORATA.mappings)
