"""The checks. Each takes a Project and returns what is wrong, one sentence per problem.

A check works on the translated template wherever the transform could lose what the source says.
"""

import json
import re

from cfnlint.api import lint
from cfnlint.config import ManualArgs

from project import FUNCTION, Project, as_list, pascal, text

# --- What is allowed, and why ------------------------------------------------------------------------------------------

MANAGED_POLICIES = {
    "service-role/AWSLambdaBasicExecutionRole": "writes the function's own log",
    "AWSXrayWriteOnlyAccess": "sends traces; X-Ray has no resources to name",
    "service-role/AWSLambdaDynamoDBExecutionRole": "lets Lambda itself read the stream",
    "service-role/AmazonAPIGatewayPushToCloudWatchLogs": "lets API Gateway write access logs",
}
# Action that may have Resource '*': reason. Each must carry a Condition.
ANY_RESOURCE = {"ses:SendEmail": "identities of the sandbox include the recipient; the Condition pins the sender"}
# Action that may have a wildcard inside an ARN: how the ARN must end.
PART_OF_ARN = {"execute-api:ManageConnections": "/*/@connections/*"}
WRITES = re.compile(r"dynamodb:(Put|Update|Delete|BatchWrite|TransactWrite|PartiQL)")
READ_ONLY_ON_CORE = {"fanout": "a writer on the stream it reads feeds itself for ever"}
WITHOUT_RIGHTS = {"console": "serves embedded pages to anybody"}
RESERVED = {"live-stream": "open streams must not starve the rest", "webhooks": "must always find room"}
# A buffered REST or WebSocket integration is cut after this.
INTEGRATION_SECONDS = 29

METRICS = {
    ("AWS/Lambda", ("FunctionName",)): {"Invocations", "Errors", "Throttles", "Duration", "ConcurrentExecutions", "IteratorAge"},
    ("AWS/SQS", ("QueueName",)): {"ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"},
    ("AWS/ApiGateway", ("ApiName", "Stage")): {"Count", "4XXError", "5XXError", "Latency", "IntegrationLatency"},
    ("AWS/ApiGateway", ("ApiId", "Stage")): {
        "ConnectCount", "MessageCount", "ClientError", "IntegrationError", "ExecutionError", "IntegrationLatency",
    },
}  # fmt: skip
ALARMS = {
    ("Errors", "WebhooksFunction"),
    ("Throttles", "WebhooksFunction"),
    ("IteratorAge", "FanoutFunction"),
    ("ApproximateNumberOfMessagesVisible", "FanoutDeadLetters"),
    ("5XXError", "AWS::StackName"),
}


# --- The linters -------------------------------------------------------------------------------------------------------


def _lint(template: dict) -> list[str]:
    found = lint(json.dumps(template), config=ManualArgs(regions=["us-east-1"]))
    return [f"{match.rule.id} {match.message} at {'/'.join(str(part) for part in match.path or [])}" for match in found]


def source_lints(project: Project) -> list[str]:
    """cfn-lint on the SAM template: knows the properties of SAM resources, but not what becomes of them."""
    return _lint(project.template)


def translation_lints(project: Project) -> list[str]:
    """The SAM transform accepts the template, and cfn-lint finds nothing in what CloudFormation would receive."""
    try:
        return _lint(project.cloudformation())
    except Exception as error:  # the translator has several, and each is a finding
        return [f"the transform refuses it: {getattr(error, 'message', error)}"]


# --- Routes ------------------------------------------------------------------------------------------------------------


def streaming_routes(project: Project) -> list[str]:
    """A streaming route is translated to STREAM with the streaming URI, lives as long as its function, and its function
    has no buffered route: one binary speaks one mode. Any other spelling silently buffers."""
    problems = []
    paths = {}
    for api in project.translated("AWS::ApiGateway::RestApi").values():
        paths |= api["Properties"]["Body"]["paths"]
    shared = project.template["Globals"]["Function"]
    for name, function in project.resources(FUNCTION).items():
        properties = function["Properties"]
        timeout = properties.get("Timeout", shared["Timeout"])
        routes = [it["Properties"] for it in properties.get("Events", {}).values() if it["Type"] == "Api"]
        streams = timeout > INTEGRATION_SECONDS or any("ResponseTransferMode" in route for route in routes)
        for route in routes if streams else []:
            where = f"{route['Method']} {route['Path']} of {name}"
            integration = paths[route["Path"]][route["Method"].lower()]["x-amazon-apigateway-integration"]
            if integration.get("responseTransferMode") != "STREAM":
                problems.append(f"{where} is buffered: say ResponseTransferMode: RESPONSE_STREAM")
            uri = text(integration["uri"])
            if "/2021-11-15/functions/" not in uri or "/response-streaming-invocations" not in uri:
                problems.append(f"{where} does not call the streaming URI")
            if integration.get("timeoutInMillis") != timeout * 1000:
                problems.append(
                    f"{where} has TimeoutInMillis {integration.get('timeoutInMillis')}, its function {timeout} s"
                )
    return problems


def buffered_timeouts(project: Project) -> list[str]:
    """A function whose answer is buffered by an API ends before the API gives up, so that it answers itself."""
    problems = []
    shared = project.template["Globals"]["Function"]["Timeout"]
    sockets = text(project.resources("AWS::Serverless::WebSocketApi"))
    for name, function in project.resources(FUNCTION).items():
        properties = function["Properties"]
        events = properties.get("Events", {}).values()
        buffered = (
            f'"{name}.Arn"' in sockets
            or f'"{name}", "Arn"' in sockets
            or any(it["Type"] == "Api" and "ResponseTransferMode" not in it["Properties"] for it in events)
        )
        timeout = properties.get("Timeout", shared)
        if buffered and timeout > INTEGRATION_SECONDS:
            problems.append(f"{name} may run {timeout} s, but its API gives up after {INTEGRATION_SECONDS} s")
    return problems


# --- The template and the folders --------------------------------------------------------------------------------------


def layout(project: Project) -> list[str]:
    """One name everywhere: functions/<name> = crate = Binary = <Name>Function = events/<name>/ = tests/it/<name>.rs."""
    problems = []
    functions = project.functions()
    for logical_id, binary in functions.items():
        if logical_id != f"{pascal(binary)}Function":
            problems.append(f"{logical_id} runs {binary}, so its name is {pascal(binary)}Function")
        if project.packages.get(binary) != binary:
            problems.append(f"{logical_id}: functions/{binary} is not a crate named {binary}")
        if not any(re.fullmatch(rf"events/{binary}/[^/]+\.json", file) for file in project.files):
            problems.append(f"{logical_id}: events/{binary} holds no sample event")
        test = f"tests/it/{binary.replace('-', '_')}.rs"
        if test not in project.files:
            problems.append(f"{logical_id}: there is no {test}")
    for folder in ("functions", "events"):
        names = {file.split("/")[1] for file in project.files if re.match(rf"{folder}/[^/]+/", file)}
        problems += [
            f"{folder}/{name} belongs to no function of the template"
            for name in sorted(names - set(functions.values()))
        ]
    return problems


# --- Rights ------------------------------------------------------------------------------------------------------------


def _statements(project: Project):
    """Each statement of each role that allows something: name of the role and the statement."""
    for name, role in project.translated("AWS::IAM::Role").items():
        for policy in role["Properties"].get("Policies", []):
            for statement in as_list(policy["PolicyDocument"]["Statement"]):
                if statement["Effect"] == "Allow":
                    yield name, statement


def least_privilege(project: Project) -> list[str]:
    """No wildcard action; no wildcard resource and no managed policy but those listed above with their reason."""
    problems = []
    for name, role in project.translated("AWS::IAM::Role").items():
        for arn in as_list(role["Properties"].get("ManagedPolicyArns", [])):
            policy = re.sub(r'.*:policy/|"}$', "", text(arn))
            if policy not in MANAGED_POLICIES:
                problems.append(f"{name} has the managed policy {policy}")
    for name, statement in _statements(project):
        if "Action" not in statement or "Resource" not in statement:
            problems.append(f"{name} allows by exclusion")
            continue
        for action in as_list(statement["Action"]):
            if "*" in action:
                problems.append(f"{name} may {action}")
            for resource in as_list(statement["Resource"]):
                arn = re.sub(r'^{"Fn::Sub": "|"}$', "", text(resource))
                if arn == "*":
                    if action not in ANY_RESOURCE or "Condition" not in statement:
                        problems.append(f"{name} may {action} on every resource")
                elif "*" in arn:
                    end = PART_OF_ARN.get(action)
                    if not end or not arn.endswith(end) or "*" in arn.removesuffix(end):
                        problems.append(f"{name} may {action} on {arn}")
    return problems


def core_readers(project: Project) -> list[str]:
    """The functions listed above write nothing to the core table."""
    roles = {f"{pascal(binary)}FunctionRole": reason for binary, reason in READ_ONLY_ON_CORE.items()}
    return [
        f"{name} may {action} on CoreTable: {roles[name]}"
        for name, statement in _statements(project)
        if name in roles and "CoreTable" in text(statement["Resource"])
        for action in as_list(statement["Action"])
        if WRITES.match(action)
    ]


def without_rights(project: Project) -> list[str]:
    """The functions listed above have no rights but their own log and traces."""
    roles = {f"{pascal(binary)}FunctionRole": reason for binary, reason in WITHOUT_RIGHTS.items()}
    return [f"{name} has rights: {roles[name]}" for name, _ in _statements(project) if name in roles]


# --- Limits and logs ---------------------------------------------------------------------------------------------------


def reserved_concurrency(project: Project) -> list[str]:
    """The functions listed above have concurrency of their own."""
    functions = project.translated("AWS::Lambda::Function")
    return [
        f"{pascal(binary)}Function has no ReservedConcurrentExecutions: {reason}"
        for binary, reason in RESERVED.items()
        if "ReservedConcurrentExecutions"
        not in functions.get(f"{pascal(binary)}Function", {"Properties": {}})["Properties"]
    ]


def log_retention(project: Project) -> list[str]:
    """Every function logs to a log group of this stack, and every log group forgets."""
    groups = project.translated("AWS::Logs::LogGroup")
    problems = [
        f"{name} keeps its lines for ever" for name, it in groups.items() if "RetentionInDays" not in it["Properties"]
    ]
    users = {}
    for name, function in project.translated("AWS::Lambda::Function").items():
        group = function["Properties"].get("LoggingConfig", {}).get("LogGroup", {}).get("Ref")
        if group not in groups:
            problems.append(f"{name} does not log to a log group of this stack")
        elif group in users:
            problems.append(f"{name} logs to {group}, the log of {users[group]}")
        users[group] = name
    return problems


# --- Watching ----------------------------------------------------------------------------------------------------------


def _metric_problem(cfn: dict, namespace: str, metric: str, dimensions: dict) -> str | None:
    """Why CloudWatch would never have this metric: its name, or what a dimension points at."""
    if metric not in METRICS.get((namespace, tuple(sorted(dimensions))), set()):
        return f"{namespace} {metric} by {', '.join(sorted(dimensions))} is no known metric"
    kinds = {name: it["Type"] for name, it in cfn["Resources"].items()}
    titles = [
        it["Properties"]["Body"]["info"]["title"]
        for it in cfn["Resources"].values()
        if it["Type"] == "AWS::ApiGateway::RestApi"
    ]
    for dimension, value in dimensions.items():
        known = {
            "FunctionName": lambda: kinds.get(value.get("Ref")) == "AWS::Lambda::Function",
            "ApiId": lambda: kinds.get(value.get("Ref")) == "AWS::ApiGatewayV2::Api",
            "Stage": lambda: value == {"Ref": "Stage"},
            # A REST API is known to CloudWatch by its name, and the transform names it.
            "ApiName": lambda: value in titles,
            "QueueName": lambda: kinds.get(value.get("Fn::GetAtt", [""])[0]) == "AWS::SQS::Queue"
            and value["Fn::GetAtt"][1] == "QueueName",
        }[dimension]
        if not isinstance(value, dict) or not known():
            return f"{metric}: {dimension} {text(value)} is not of this stack"
    return None


def _target(dimensions: dict) -> str:
    value = next(dimensions[name] for name in ("FunctionName", "QueueName", "ApiName", "ApiId") if name in dimensions)
    return value.get("Ref") or value["Fn::GetAtt"][0]


def alarms(project: Project) -> list[str]:
    """Every alarm watches a metric that exists, of a resource of this stack, and tells the topic; none is missing."""
    cfn = project.cloudformation()
    problems, seen = [], set()
    for name, alarm in project.translated("AWS::CloudWatch::Alarm").items():
        properties = alarm["Properties"]
        dimensions = {it["Name"]: it["Value"] for it in properties.get("Dimensions", [])}
        problem = _metric_problem(cfn, properties["Namespace"], properties["MetricName"], dimensions)
        if problem:
            problems.append(f"{name}: {problem}")
        else:
            seen.add((properties["MetricName"], _target(dimensions)))
        if "AlarmTopicArn" not in text(properties.get("AlarmActions", "")):
            problems.append(f"{name} tells nobody")
    return problems + [f"nothing watches {metric} of {target}" for metric, target in sorted(ALARMS - seen)]


def _resolved(value: str) -> dict | str:
    """`${Name}` and `${Name.Attribute}` of a Sub as Ref and GetAtt; anything else as it is."""
    found = re.fullmatch(r"\$\{([^}]+)\}", value)
    if not found:
        return value
    name, dot, attribute = found[1].partition(".")
    return {"Fn::GetAtt": [name, attribute]} if dot else {"Ref": name}


def dashboard(project: Project) -> list[str]:
    """The dashboard is valid JSON, shows metrics that exist, and shows the errors of every function."""
    cfn = project.cloudformation()
    problems, errors = [], set()
    bodies = [
        it["Properties"]["DashboardBody"]["Fn::Sub"] for it in project.translated("AWS::CloudWatch::Dashboard").values()
    ]
    if not bodies:
        return ["there is no dashboard"]
    for body in bodies:
        try:
            widgets = json.loads(body)["widgets"]
        except ValueError as error:
            problems.append(f"the dashboard is not JSON: {error}")
            continue
        for metric in (metric for widget in widgets for metric in widget["properties"]["metrics"]):
            namespace, name, *rest = [part for part in metric if isinstance(part, str)]
            dimensions = dict(zip(rest[::2], map(_resolved, rest[1::2]), strict=True))
            if problem := _metric_problem(cfn, namespace, name, dimensions):
                problems.append(problem)
            elif name == "Errors":
                errors.add(_target(dimensions))
    return problems + [
        f"the dashboard does not show errors of {name}" for name in sorted(set(project.functions()) - errors)
    ]


# --- The environment ---------------------------------------------------------------------------------------------------


def environment(project: Project) -> list[str]:
    """.env.example tells of every variable, and only of those that something sets or reads."""
    problems = []
    functions = project.functions()
    variables = project.variables()
    groups = {
        group: {it.name: it for it in variables if it.group == group}
        for group in ("Functions", "Secrets", "Knobs", "Local")
    }
    problems += [f"{it.name} stands in no known group" for it in variables if it.group not in groups]
    names = [it.name for it in variables]
    problems += [f"{name} is told twice" for name in sorted({name for name in names if names.count(name) > 1})]
    for it in variables:
        unknown = set(it.readers) - set(functions.values()) - {"every function", "local"}
        if not it.readers or unknown:
            problems.append(f"{it.name} is read by {', '.join(sorted(unknown)) or 'nobody'}")

    declared = {}
    for name, function in project.translated("AWS::Lambda::Function").items():
        for variable in function["Properties"].get("Environment", {}).get("Variables", {}):
            declared.setdefault(variable, set()).add(functions[name])
    for variable, holders in sorted(declared.items()):
        told = groups["Functions"].get(variable)
        readers = ["every function"] if holders == set(functions.values()) else sorted(holders)
        if not told:
            problems.append(f"{variable} is not in .env.example")
        elif sorted(told.readers) != readers:
            problems.append(
                f"{variable} is set for {', '.join(readers)}, but .env.example says {', '.join(told.readers)}"
            )
    problems += [
        f"{name} is in .env.example, but no function has it"
        for name in sorted(set(groups["Functions"]) - set(declared))
    ]

    secrets = set()
    for secret in project.resources("AWS::SecretsManager::Secret").values():
        made = secret["Properties"]["GenerateSecretString"]
        secrets |= {made["GenerateStringKey"], *json.loads(made["SecretStringTemplate"])}
    problems += [
        f"secret {name} is in one of template.yaml and .env.example only"
        for name in sorted(secrets ^ set(groups["Secrets"]))
    ]
    may = {
        name.removesuffix("Role")
        for name, it in _statements(project)
        if "secretsmanager:GetSecretValue" in as_list(it["Action"])
    }
    holders = {functions[name] for name in may if name in functions}
    for it in groups["Secrets"].values():
        readers = set(it.readers) - {"local"}
        problems += [f"{reader} reads {it.name} without the right to" for reader in sorted(readers - holders)]

    for group in ("Knobs", "Local"):
        problems += [
            f"{name} is in .env.example, but no code reads it"
            for name in groups[group]
            if f'"{name}"' not in project.rust
        ]
    return problems


ALL = [
    source_lints,
    translation_lints,
    streaming_routes,
    buffered_timeouts,
    layout,
    least_privilege,
    core_readers,
    without_rights,
    reserved_concurrency,
    log_retention,
    alarms,
    dashboard,
    environment,
]
