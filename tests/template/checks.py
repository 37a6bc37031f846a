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
    "service-role/AWSLambdaSQSQueueExecutionRole": "lets Lambda itself take jobs from the queue",
    "service-role/AmazonAPIGatewayPushToCloudWatchLogs": "lets API Gateway write access logs",
}
# Action that may have Resource '*': reason. Each must carry a Condition.
ANY_RESOURCE = {
    "ses:SendEmail": "identities of the sandbox include the recipient; the Condition pins the sender",
    "bedrock:InvokeModelWithResponseStream": "an inference profile chooses the region; the Condition pins the profile",
}
# What asks Amazon Bedrock: the variable that names its model, the right, and the condition that both hang on.
BEDROCK = ("BEDROCK_MODEL_ID", "bedrock:InvokeModelWithResponseStream", "HasBedrock")
# Functions that are told of it and ask no model.
ASKS_NO_MODEL = {"websocket": "refuses questions while there is none, and hands them on"}
# Action that may have a wildcard inside an ARN: how the ARN must end.
PART_OF_ARN = {"execute-api:ManageConnections": "/*/@connections/*"}
WRITES = re.compile(r"dynamodb:(Put|Update|Delete|BatchWrite|TransactWrite|PartiQL)")
READ_ONLY_ON_CORE = {"fanout": "a writer on the stream it reads feeds itself for ever"}
# Functions that append to the log, and what the one transaction of `store::append` may hold: a lease goes with its control.
APPENDERS = ["admin", "human-control", "replies", "webhooks"]
APPEND = {"CoreTable": ["GetItem", "PutItem", "Query", "UpdateItem", "DeleteItem"], "EphemeralTable": ["PutItem"]}
# Who posts to connections forgets those that are gone: `store::connections`.
FORGET = {"EphemeralTable": ["Query", "DeleteItem", "BatchWriteItem"]}
WITHOUT_RIGHTS = {"console": "serves embedded pages to anybody"}
# Functions that ask the model or end exchanges, and what the transactions of `store::exchanges` need on which table.
ASK = {"CoreTable": ["GetItem", "PutItem", "UpdateItem"], "EphemeralTable": ["GetItem", "PutItem", "DeleteItem"]}
END = {"CoreTable": ["GetItem", "PutItem", "UpdateItem"], "EphemeralTable": ["PutItem", "UpdateItem"]}
EXCHANGES = {"llm-stream": [ASK, END], "websocket": [ASK], "chat": [END], "replies": [END]}
RESERVED = {
    "live-stream": "open streams must not starve the rest",
    "webhooks": "must always find room",
    "llm-stream": "answers must not starve the rest",
}
SCHEDULED = {"replies": "nobody else ends abandoned takeovers and answers, and sends messages whose sender died"}
# Functions with a queue that need not know which attempt is the last.
SWEPT = {"chat": "the sweep ends an exchange that nobody answers"}
# Pipe: the name in shared/store/src/keys.rs of the attribute that marks what it takes, and groups it.
MARKS = {"ReplyPipe": "FOLLOW_UP", "ChatPipe": "ASKED"}
# What the role of a pipe from a table's stream to a queue may do, and on what.
PIPE_READS = {"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"}
PIPE_WRITES = {"sqs:SendMessage"}
# Lambda's advice: a message stays hidden for six times as long as its function may run. Once is enough where the function
# claims what it does: what a dead one held is to come again soon.
VISIBILITY_FACTOR = 6
CLAIMING = {"chat"}
# More readers of one DynamoDB stream are throttled.
STREAM_READERS = 2
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
# Namespace and dimension of what our own code measures: `runtime::metrics`.
OWN_METRICS = ("Switchboard", "Function")
ALARMS = {
    ("Errors", "WebhooksFunction"),
    ("Throttles", "WebhooksFunction"),
    ("IteratorAge", "FanoutFunction"),
    ("ApproximateNumberOfMessagesVisible", "FanoutDeadLetters"),
    ("Errors", "LlmStreamFunction"),
    ("Throttles", "LlmStreamFunction"),
    ("ApproximateNumberOfMessagesVisible", "ReplyDeadLetters"),
    ("ApproximateNumberOfMessagesVisible", "ChatDeadLetters"),
    ("ApproximateAgeOfOldestMessage", "ReplyQueue"),
    ("ApproximateAgeOfOldestMessage", "ChatQueue"),
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


# --- Queues, pipes, schedules ------------------------------------------------------------------------------------------


def _names(reference) -> str:
    """The logical id that a Ref or GetAtt names."""
    if not isinstance(reference, dict):
        return text(reference)
    return reference.get("Ref") or reference.get("Fn::GetAtt", [""])[0]


def _own_events(project: Project, kind: str):
    """Each event of one kind: name of the function, its properties, those of the event."""
    for name, function in project.resources(FUNCTION).items():
        for event in function["Properties"].get("Events", {}).values():
            if event["Type"] == kind:
                yield name, function["Properties"], event["Properties"]


def queues(project: Project) -> list[str]:
    """A queue that a function takes jobs from gives each job again until it is a dead letter, and never while it is being
    done; jobs of one conversation stay in order; the function knows which attempt is the last, or need not."""
    problems = []
    all_queues = project.resources("AWS::SQS::Queue")
    shared = project.template["Globals"]["Function"]
    for name, function, event in _own_events(project, "SQS"):
        queue = _names(event["Queue"])
        properties = all_queues.get(queue, {}).get("Properties", {})
        timeout = function.get("Timeout", shared["Timeout"])
        if not properties.get("FifoQueue"):
            problems.append(f"{queue} keeps no order")
        visibility = properties.get("VisibilityTimeout", 30)
        factor = 1 if project.functions()[name] in CLAIMING else VISIBILITY_FACTOR
        if visibility < factor * timeout:
            problems.append(f"{queue} hides a job for {visibility} s, but {name} may run {timeout} s")
        if "ReportBatchItemFailures" not in event.get("FunctionResponseTypes", []):
            problems.append(f"{name} cannot give back a single job of {queue}")
        if event.get("BatchSize") != 1 and properties.get("FifoQueue"):
            problems.append(f"{name} takes several jobs of {queue} at once: one that fails holds back the others")
        redrive = properties.get("RedrivePolicy", {})
        letters = _names(redrive.get("deadLetterTargetArn"))
        target = all_queues.get(letters, {}).get("Properties")
        if target is None:
            problems.append(f"{queue} has no dead-letter queue: a job that fails blocks its conversation")
            continue
        if bool(target.get("FifoQueue")) != bool(properties.get("FifoQueue")):
            problems.append(f"{letters} is not of the kind of {queue}")
        if target.get("MessageRetentionPeriod", 0) <= properties.get("MessageRetentionPeriod", 345600):
            problems.append(f"{letters} forgets as early as {queue}")
        told = function.get("Environment", {}).get("Variables", {}).get("REPLY_ATTEMPTS")
        if (told is not None or project.functions()[name] not in SWEPT) and told != str(redrive.get("maxReceiveCount")):
            problems.append(f"{queue} gives up after {redrive.get('maxReceiveCount')} attempts, {name} is told {told}")
    return problems + [
        f"{name} is readable to whoever has the disk"
        for name, it in all_queues.items()
        if not it["Properties"].get("SqsManagedSseEnabled")
    ]


def pipes(project: Project) -> list[str]:
    """A pipe takes from a table's stream what the code marks, groups it by conversation, finds repeats by the record's
    id, goes on after a failure, and its role may do that and nothing more."""
    problems = []
    for name, pipe in project.resources("AWS::Pipes::Pipe").items():
        mark = re.search(rf'pub const {MARKS.get(name)}: &str = "(\w+)";', project.rust)
        if not mark:
            problems.append(f"{name}: shared/store/src/keys.rs has no {MARKS.get(name, 'mark for it')}")
            continue
        properties = pipe["Properties"]
        source, target = properties["Source"], properties["Target"]
        parameters = properties.get("SourceParameters", {})
        patterns = [json.loads(it["Pattern"]) for it in parameters.get("FilterCriteria", {}).get("Filters", [])]
        if not patterns:
            problems.append(f"{name} moves every record")
        for pattern in patterns:
            image = pattern.get("dynamodb", {}).get("NewImage", {})
            if set(image) != {mark[1]} or pattern.get("eventName") != ["INSERT"]:
                problems.append(f"{name} looks for {', '.join(image) or 'nothing'}, the store marks {mark[1]}")
        stream = parameters.get("DynamoDBStreamParameters", {})
        if stream.get("OnPartialBatchItemFailure") != "AUTOMATIC_BISECT":
            problems.append(f"{name} gives up a whole batch for one record")
        if stream.get("StartingPosition") != "TRIM_HORIZON":
            problems.append(f"{name} misses what is written while it is being made")
        sqs = properties.get("TargetParameters", {}).get("SqsQueueParameters", {})
        if sqs.get("MessageGroupId") != f"$.dynamodb.NewImage.{mark[1]}.S":
            problems.append(f"{name} groups by {sqs.get('MessageGroupId')}")
        if sqs.get("MessageDeduplicationId") != "$.eventID":
            problems.append(f"{name} finds repeats by {sqs.get('MessageDeduplicationId')}")
        problems += _pipe_rights(project, name, _names(properties["RoleArn"]), {text(source): PIPE_READS, text(target): PIPE_WRITES})
    return problems


def _pipe_rights(project: Project, name: str, role: str, wanted: dict[str, set]) -> list[str]:
    """The pipe's role is for pipes of this account, and allows what is wanted: actions by resource."""
    problems = []
    trust = project.translated("AWS::IAM::Role")[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    for statement in as_list(trust):
        if statement.get("Principal") != {"Service": "pipes.amazonaws.com"}:
            problems.append(f"{role} can be taken by {text(statement.get('Principal'))}")
        if "aws:SourceAccount" not in text(statement.get("Condition", {})):
            problems.append(f"{role} can be taken by pipes of other accounts")
    has: dict[str, set] = {}
    for owner, statement in _statements(project):
        if owner == role:
            for resource in as_list(statement["Resource"]):
                has.setdefault(text(resource), set()).update(as_list(statement["Action"]))
    for resource in sorted(wanted.keys() | has.keys()):
        for action in sorted(has.get(resource, set()) - wanted.get(resource, set())):
            problems.append(f"{role} may {action} on {resource}, which {name} does not need")
        for action in sorted(wanted.get(resource, set()) - has.get(resource, set())):
            problems.append(f"{name} needs {action} on {resource}")
    return problems


def stream_readers(project: Project) -> list[str]:
    """No table's stream has more readers than DynamoDB serves."""
    readers: dict[str, list[str]] = {}
    for name, _, event in _own_events(project, "DynamoDB"):
        readers.setdefault(text(event["Stream"]), []).append(name)
    for name, pipe in project.resources("AWS::Pipes::Pipe").items():
        readers.setdefault(text(pipe["Properties"]["Source"]), []).append(name)
    return [
        f"{stream} has {len(names)} readers, {', '.join(names)}: {STREAM_READERS} are served"
        for stream, names in readers.items()
        if len(names) > STREAM_READERS
    ]


def schedules(project: Project) -> list[str]:
    """The functions listed above run every minute, by a rule that is on and may invoke them."""
    problems = []
    rules = project.translated("AWS::Events::Rule")
    permissions = project.translated("AWS::Lambda::Permission").values()
    for binary, reason in SCHEDULED.items():
        function = f"{pascal(binary)}Function"
        own = [
            (name, it["Properties"])
            for name, it in rules.items()
            if any(_names(target["Arn"]) == function for target in it["Properties"].get("Targets", []))
        ]
        if not own:
            problems.append(f"{function} has no schedule: {reason}")
        for name, rule in own:
            if rule.get("ScheduleExpression") != "rate(1 minute)":
                problems.append(f"{function} runs at {rule.get('ScheduleExpression')}, not every minute")
            if rule.get("State", "ENABLED") != "ENABLED":
                problems.append(f"the schedule of {function} is off")
            allowed = any(
                it["Properties"]["Principal"] == "events.amazonaws.com"
                and _names(it["Properties"].get("SourceArn")) == name
                and _names(it["Properties"]["FunctionName"]) == function
                for it in permissions
            )
            if not allowed:
                problems.append(f"{name} may not invoke {function}")
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


def _all_statements(project: Project):
    """Each statement of each role that allows something: name of the role, its condition or "", and the statement."""
    for name, role in project.translated("AWS::IAM::Role").items():
        for policy in role["Properties"].get("Policies", []):
            for it in as_list(policy["PolicyDocument"]["Statement"]):
                condition, *branches = it.get("Fn::If", ["", it])
                for statement in branches:
                    if statement.get("Effect") == "Allow":
                        yield name, condition, statement


def _statements(project: Project):
    """Each statement of each role that allows something, on whatever condition: name of the role and the statement."""
    for name, _, statement in _all_statements(project):
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


def _missing(project: Project, binary: str, needed: dict[str, list[str]], what: str) -> list[str]:
    """Actions, by table, that a function needs and may not. DynamoDB refuses a transaction as a whole."""
    role = f"{pascal(binary)}FunctionRole"
    has = {(table, action) for name, it in _statements(project) for table in needed
           if name == role and f'["{table}", "Arn"]' in text(it["Resource"]) for action in as_list(it["Action"])}  # fmt: skip
    return [
        f"{pascal(binary)}Function may not dynamodb:{action} on {table}, which {what} can need"
        for table, actions in needed.items()
        for action in actions
        if (table, f"dynamodb:{action}") not in has
    ]


def appenders(project: Project) -> list[str]:
    """The functions listed above may do all that an append can need."""
    return [problem for binary in APPENDERS for problem in _missing(project, binary, APPEND, "an append")]


def pushers(project: Project) -> list[str]:
    """A function that may post to connections may also forget one that is gone."""
    may = {name for name, it in _statements(project) if "execute-api:ManageConnections" in as_list(it["Action"])}
    return [
        problem
        for logical_id, binary in project.functions().items()
        if f"{logical_id}Role" in may
        for problem in _missing(project, binary, FORGET, "forgetting a connection")
    ]


def exchanges(project: Project) -> list[str]:
    """The functions listed above may do all that asking the model, or ending an answer, can need."""
    return [
        problem
        for binary, transactions in EXCHANGES.items()
        for needed in transactions
        for problem in _missing(project, binary, needed, "asking" if needed is ASK else "ending an answer")
    ]


def bedrock(project: Project) -> list[str]:
    """Functions that are told of Bedrock's model may call it, and nobody may while there is none."""
    variable, right, wanted = BEDROCK
    problems, may = [], set()
    for name, condition, statement in _all_statements(project):
        if right in as_list(statement["Action"]):
            may.add(name.removesuffix("Role"))
            if condition != wanted:
                problems.append(f"{name} may {right} without {wanted}")
            if "BedrockModelId" not in text(statement):
                problems.append(f"{name} may {right} with any model")
    told = {
        name
        for name, it in project.translated("AWS::Lambda::Function").items()
        if variable in it["Properties"].get("Environment", {}).get("Variables", {})
    }
    silent = {f"{pascal(binary)}Function" for binary in ASKS_NO_MODEL}
    problems += [f"{name} is told of {variable}, but may not {right}" for name in sorted(told - may - silent)]
    problems += [f"{name} may {right}, but asks no model" for name in sorted(may & silent)]
    return problems + [f"{name} may {right}, but is not told of {variable}" for name in sorted(may - told)]


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
            if namespace == OWN_METRICS[0]:
                if f'"{name}"' not in project.rust:
                    problems.append(f"no code measures {name}")
                if list(dimensions) != [OWN_METRICS[1]] or dimensions[OWN_METRICS[1]] not in project.functions().values():
                    problems.append(f"{name}: {text(dimensions)} is no function")
            elif problem := _metric_problem(cfn, namespace, name, dimensions):
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
    # What runtime::environment and the functions ask for by name, some of it only in tests of the reader itself.
    asked = re.findall(r'environment\s*\.(?:text|required|secret|number|seconds|flag)\("([A-Z][A-Z0-9_]+)"', project.rust)
    asked += re.findall(r'self\s*\.(?:text|required|secret|number|seconds|flag)\("([A-Z][A-Z0-9_]+)"', project.rust)
    problems += [f"{name} is read, but not in .env.example" for name in sorted(set(asked) - set(names))]
    return problems


ALL = [
    source_lints,
    translation_lints,
    streaming_routes,
    buffered_timeouts,
    queues,
    pipes,
    stream_readers,
    schedules,
    layout,
    least_privilege,
    core_readers,
    appenders,
    exchanges,
    pushers,
    bedrock,
    without_rights,
    reserved_concurrency,
    log_retention,
    alarms,
    dashboard,
    environment,
]
