"""template.yaml as CloudFormation sees it: expanded by AWS's own translator, the API's routes spelled one by one.

``python -m infra.local.deploy_template`` prints it, for cfn-lint: a linter sees more of it than of the short form.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra.local import template

os.environ.setdefault("AWS_DEFAULT_REGION", "eu-central-1")  # boto3 wants one, even where nothing is called

from samtranslator.translator.transform import transform

BUCKET = "prorata-packages"
Document = dict[str, Any]


def expand(document: Document) -> Document:
    """Plain CloudFormation out of our template; the packages lie in ``BUCKET`` under their logical ids.

    The translator writes the HTTP API as one OpenAPI body, which linters do not look
    into and ministack passes over. It is spelled as what API Gateway makes of it.
    """
    packaged: Document = json.loads(json.dumps(document))
    packaged["Globals"]["Function"].pop("CodeUri", None)
    for name, resource in packaged["Resources"].items():
        if package := _PACKAGES.get(resource["Type"]):
            resource["Properties"][package] = {"Bucket": BUCKET, "Key": f"{name}.zip"}
    expanded: Document = transform(packaged, {}, _NoManagedPolicies())
    for name, api in of_type(expanded, "AWS::ApiGatewayV2::Api").items():
        expanded["Resources"] |= _spell_out(name, api)
    return expanded


def of_type(document: Document, kind: str) -> dict[str, Document]:
    """The properties of all resources of a type, by their logical ids."""
    return {name: it.get("Properties", {}) for name, it in document["Resources"].items() if it["Type"] == kind}


def rights(role: Document, document: Document) -> Iterator[tuple[str, str]]:
    """All that the own policies of a role allow: ``("dynamodb:Query", "BillingTable/index/GSI1")``.

    A resource bears its logical id, a parameter of SSM its name.
    """
    for policy in role["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            assert statement["Effect"] == "Allow"
            for action in _listed(statement["Action"]):
                for resource in _listed(statement["Resource"]):
                    yield action, _named(resource, document)


def _listed(one_or_more: Any) -> list[Any]:
    return one_or_more if isinstance(one_or_more, list) else [one_or_more]


def _named(resource: Any, document: Document) -> str:
    match resource:
        case {"Fn::GetAtt": [name, "Arn"]}:
            return str(name)
        case {"Fn::Sub": text} if parameter := re.search(r":parameter\${(\w+)}$", text):
            return str(document["Parameters"][parameter[1]]["Default"])
        case {"Fn::Sub": text}:
            return re.sub(r"\${(\w+)\.Arn}", r"\1", text)  # an index of a table, files of a bucket
    raise ValueError(f"A policy names {resource}, of which nothing is known here.")


_PACKAGES = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}


class _NoManagedPolicies:
    """The template names none by its short name, so AWS need not be asked for their list."""

    def load(self) -> dict[str, str]:
        """None."""
        return {}


def _spell_out(api: str, properties: Document) -> Document:
    """The integrations, routes and authorizers that an API's OpenAPI body stands for; the body goes."""
    body = properties.pop("Body")
    properties.pop("FailOnWarnings", None)
    properties |= {"Name": {"Ref": "AWS::StackName"}, "ProtocolType": "HTTP"}
    schemes = body.get("components", {}).get("securitySchemes", {})
    found = {f"{api}Authorizer{name}": _authorizer(api, name, scheme) for name, scheme in schemes.items()}
    operations = [(method, path, it) for path, methods in body["paths"].items() for method, it in methods.items()]
    for number, (method, path, operation) in enumerate(operations, 1):
        integration = f"{api}Integration{number}"
        found[integration] = _integration(api, operation["x-amazon-apigateway-integration"])
        found[f"{api}Route{number}"] = _route(api, f"{method.upper()} {path}", integration, operation)
    return found


def _authorizer(api: str, name: str, scheme: Document) -> Document:
    said = scheme["x-amazon-apigateway-authorizer"]
    assert said["type"] == "jwt", f"authorizer {name} is a {said['type']}, of which nothing is known here"
    return _of_the_api(
        "Authorizer",
        ApiId={"Ref": api},
        Name=name,
        AuthorizerType="JWT",
        IdentitySource=[said["identitySource"]],
        JwtConfiguration={key.capitalize(): value for key, value in said["jwtConfiguration"].items()},
    )


def _integration(api: str, said: Document) -> Document:
    return _of_the_api(
        "Integration",
        ApiId={"Ref": api},
        IntegrationType=said["type"].upper(),
        IntegrationMethod=said["httpMethod"],
        IntegrationUri=said["uri"],
        PayloadFormatVersion=said["payloadFormatVersion"],
    )


def _route(api: str, key: str, integration: str, operation: Document) -> Document:
    names = [name for needed in operation.get("security", ()) for name in needed if name != "NONE"]
    token = {"AuthorizationType": "JWT", "AuthorizerId": {"Ref": f"{api}Authorizer{names[0]}"}} if names else {}
    target = {"Fn::Sub": f"integrations/${{{integration}}}"}
    return _of_the_api("Route", ApiId={"Ref": api}, RouteKey=key, Target=target, **token)


def _of_the_api(kind: str, **properties: Any) -> Document:
    return {"Type": f"AWS::ApiGatewayV2::{kind}", "Properties": properties}


def main(path: Path = template.TEMPLATE) -> None:
    """Print the expanded template."""
    print(json.dumps(expand(template.load(path)), indent=1))


if __name__ == "__main__":
    main()
