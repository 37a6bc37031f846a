"""Planted defects: each damages a copy of the project, and the check it names must say so in these words.

A gate that reads the wrong key passes everything. These prove that it does not.
"""

import json
from dataclasses import dataclass
from typing import Callable

import checks
from project import Project


@dataclass
class Defect:
    """What is planted, which check must find it, and a part of the sentence it must say."""

    name: str
    check: Callable[[Project], list[str]]
    plant: Callable[[Project], None]
    says: str


def function(project: Project, name: str) -> dict:
    """The properties of one function of the template."""
    return project.template["Resources"][f"{name}Function"]["Properties"]


def resource(project: Project, name: str) -> dict:
    """The properties of any resource of the template."""
    return project.template["Resources"][name]["Properties"]


def statements(project: Project, name: str) -> list[dict]:
    """The policy statements of one function."""
    return function(project, name)["Policies"][0]["Statement"]


def route(project: Project) -> dict:
    """The properties of a streaming route."""
    return function(project, "LiveStream")["Events"]["Conversation"]["Properties"]


def stream(project: Project) -> dict:
    """The properties of fan-out's stream."""
    return function(project, "Fanout")["Events"]["ConversationEvents"]["Properties"]


def queue(project: Project) -> dict:
    """The properties of the reply queue."""
    return resource(project, "ReplyQueue")


def jobs(project: Project) -> dict:
    """The properties of the reply queue's consumption."""
    return function(project, "Replies")["Events"]["Jobs"]["Properties"]


def pipe(project: Project) -> dict:
    """The properties of the pipe to the reply queue."""
    return resource(project, "ReplyPipe")


def pipe_statements(project: Project) -> list[dict]:
    """The policy statements of the pipe's role."""
    return resource(project, "ReplyPipeRole")["Policies"][0]["PolicyDocument"]["Statement"]


def pipe_filter(project: Project) -> dict:
    """The pipe's one filter."""
    return pipe(project)["SourceParameters"]["FilterCriteria"]["Filters"][0]


def discard(project: Project, start: str) -> None:
    """Removes the files whose path begins so."""
    project.files = {file for file in project.files if not file.startswith(start)}


def complete(project: Project) -> None:
    """Adds the sample events and tests that are missing, so that a defect can take them away."""
    for binary in project.functions().values():
        project.files |= {f"events/{binary}/planted.json", f"tests/it/{binary.replace('-', '_')}.rs"}


def replace_widgets(project: Project, old: str, new: str) -> None:
    """Changes the text of the dashboard."""
    dashboard = resource(project, "Dashboard")
    assert old in dashboard["DashboardBody"]["Fn::Sub"], old
    dashboard["DashboardBody"]["Fn::Sub"] = dashboard["DashboardBody"]["Fn::Sub"].replace(old, new)


def replace_example(project: Project, old: str, new: str) -> None:
    """Changes the text of .env.example."""
    assert old in project.env_example, old
    project.env_example = project.env_example.replace(old, new)


def add_console(project: Project) -> None:
    """A console with one right."""
    project.template["Resources"]["ConsoleFunction"] = {
        "Type": "AWS::Serverless::Function",
        "Metadata": {"BuildMethod": "rust-cargolambda", "BuildProperties": {"Binary": "console"}},
        "Properties": {
            "Policies": [
                {
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Action": "dynamodb:GetItem",
                            "Resource": {"Fn::GetAtt": ["CoreTable", "Arn"]},
                        }
                    ]
                }
            ]
        },
    }


def allow(name: str, **statement) -> Callable[[Project], None]:
    """One more statement for a function."""
    return lambda project: statements(project, name).append({"Effect": "Allow"} | statement)


CORE = {"Fn::GetAtt": ["CoreTable", "Arn"]}

ALL = [
    Defect(
        "a SAM property that does not exist",
        checks.source_lints,
        lambda p: function(p, "Auth").update(Timeuot=5),
        "Timeuot",
    ),
    Defect(
        "a resource that does not exist",
        checks.translation_lints,
        lambda p: stream(p).update(Stream={"Fn::GetAtt": ["NoTable", "StreamArn"]}),
        "NoTable",
    ),
    Defect(
        "a number out of range",
        checks.translation_lints,
        lambda p: stream(p).update(ParallelizationFactor=50),
        "50",
    ),
    Defect(
        "a function that knows the API it hangs on",
        checks.translation_lints,
        lambda p: function(p, "Auth")["Environment"]["Variables"].update(BASE_URL={"Ref": "RestApi"}),
        "Circular",
    ),
    Defect(
        "an event without an API",
        checks.translation_lints,
        lambda p: route(p).update(RestApiId={"Ref": "NoApi"}),
        "the transform refuses it",
    ),
    Defect(
        "CloudFormation's spelling of streaming, which SAM ignores",
        checks.streaming_routes,
        lambda p: route(p).update(ResponseTransferMode="STREAM"),
        "GET /api/conversation/{conversation_id}/stream of LiveStreamFunction is buffered",
    ),
    Defect(
        "a buffered route beside a streaming one",
        checks.streaming_routes,
        lambda p: route(p).pop("ResponseTransferMode"),
        "does not call the streaming URI",
    ),
    Defect(
        "a stream that its API cuts early",
        checks.streaming_routes,
        lambda p: route(p).update(TimeoutInMillis=29000),
        "has TimeoutInMillis 29000, its function 900 s",
    ),
    Defect(
        "a buffered function that outlives its API",
        checks.buffered_timeouts,
        lambda p: function(p, "Snapshots").update(Timeout=60),
        "SnapshotsFunction may run 60 s",
    ),
    Defect(
        "a WebSocket function that outlives its API",
        checks.buffered_timeouts,
        lambda p: function(p, "Websocket").update(Timeout=60),
        "WebsocketFunction may run 60 s",
    ),
    Defect(
        "jobs without an order",
        checks.queues,
        lambda p: queue(p).pop("FifoQueue"),
        "ReplyQueue keeps no order",
    ),
    Defect(
        "a job that is given again while it is being done",
        checks.queues,
        lambda p: queue(p).update(VisibilityTimeout=90),
        "ReplyQueue hides a job for 90 s, but RepliesFunction may run 60 s",
    ),
    Defect(
        "a function that outgrows its queue",
        checks.queues,
        lambda p: function(p, "Replies").update(Timeout=120),
        "ReplyQueue hides a job for 360 s, but RepliesFunction may run 120 s",
    ),
    Defect(
        "a batch that fails as a whole",
        checks.queues,
        lambda p: jobs(p).pop("FunctionResponseTypes"),
        "cannot give back a single job",
    ),
    Defect(
        "several jobs at once",
        checks.queues,
        lambda p: jobs(p).update(BatchSize=10),
        "RepliesFunction takes several jobs of ReplyQueue",
    ),
    Defect(
        "a queue that never gives up",
        checks.queues,
        lambda p: queue(p).pop("RedrivePolicy"),
        "ReplyQueue has no dead-letter queue",
    ),
    Defect(
        "dead letters of another kind",
        checks.queues,
        lambda p: resource(p, "ReplyDeadLetters").pop("FifoQueue"),
        "ReplyDeadLetters is not of the kind",
    ),
    Defect(
        "dead letters that go before anybody looks",
        checks.queues,
        lambda p: resource(p, "ReplyDeadLetters").update(MessageRetentionPeriod=86400),
        "ReplyDeadLetters forgets as early",
    ),
    Defect(
        "a function that counts attempts in its own way",
        checks.queues,
        lambda p: queue(p)["RedrivePolicy"].update(maxReceiveCount=5),
        "gives up after 5 attempts, RepliesFunction is told 3",
    ),
    Defect(
        "a question that is given again while it is being answered",
        checks.queues,
        lambda p: resource(p, "ChatQueue").update(VisibilityTimeout=360),
        "ChatQueue hides a job for 360 s, but ChatFunction may run 900 s",
    ),
    Defect(
        "a queue in the clear",
        checks.queues,
        lambda p: queue(p).pop("SqsManagedSseEnabled"),
        "ReplyQueue is readable",
    ),
    Defect(
        "a pipe that looks for another mark than the store makes",
        checks.pipes,
        lambda p: pipe_filter(p).update(Pattern=pipe_filter(p)["Pattern"].replace("follow_up", "followup")),
        "ReplyPipe looks for followup, the store marks follow_up",
    ),
    Defect(
        "a pipe whose mark nobody knows",
        checks.pipes,
        lambda p: p.template["Resources"].update(AuditPipe=p.template["Resources"]["ReplyPipe"]),
        "AuditPipe: shared/store/src/keys.rs has no mark for it",
    ),
    Defect(
        "a pipe that looks for the mark of another",
        checks.pipes,
        lambda p: resource(p, "ChatPipe")["SourceParameters"]["FilterCriteria"].update(Filters=[pipe_filter(p)]),
        "ChatPipe looks for follow_up, the store marks asked",
    ),
    Defect(
        "a pipe for changes too",
        checks.pipes,
        lambda p: pipe_filter(p).update(Pattern=pipe_filter(p)["Pattern"].replace('"INSERT"', '"INSERT","MODIFY"')),
        "ReplyPipe looks for",
    ),
    Defect(
        "a pipe without a filter",
        checks.pipes,
        lambda p: pipe(p)["SourceParameters"].pop("FilterCriteria"),
        "ReplyPipe moves every record",
    ),
    Defect(
        "a pipe that one record stops",
        checks.pipes,
        lambda p: pipe(p)["SourceParameters"]["DynamoDBStreamParameters"].pop("OnPartialBatchItemFailure"),
        "ReplyPipe gives up a whole batch",
    ),
    Defect(
        "a pipe that begins too late",
        checks.pipes,
        lambda p: pipe(p)["SourceParameters"]["DynamoDBStreamParameters"].update(StartingPosition="LATEST"),
        "ReplyPipe misses what is written",
    ),
    Defect(
        "a pipe that mixes conversations",
        checks.pipes,
        lambda p: pipe(p)["TargetParameters"]["SqsQueueParameters"].update(MessageGroupId="all"),
        "ReplyPipe groups by all",
    ),
    Defect(
        "a pipe that finds no repeats",
        checks.pipes,
        lambda p: pipe(p)["TargetParameters"]["SqsQueueParameters"].pop("MessageDeduplicationId"),
        "ReplyPipe finds repeats by None",
    ),
    Defect(
        "a pipe with more rights than it needs",
        checks.pipes,
        lambda p: pipe_statements(p)[0]["Action"].append("dynamodb:GetItem"),
        "ReplyPipeRole may dynamodb:GetItem",
    ),
    Defect(
        "a pipe that may send to another queue",
        checks.pipes,
        lambda p: pipe_statements(p)[1].update(Resource={"Fn::GetAtt": ["ReplyDeadLetters", "Arn"]}),
        "ReplyPipeRole may sqs:SendMessage on",
    ),
    Defect(
        "a pipe that may not send",
        checks.pipes,
        lambda p: pipe_statements(p).pop(),
        "ReplyPipe needs sqs:SendMessage",
    ),
    Defect(
        "a pipe's role for everybody's pipes",
        checks.pipes,
        lambda p: resource(p, "ReplyPipeRole")["AssumeRolePolicyDocument"]["Statement"][0].pop("Condition"),
        "ReplyPipeRole can be taken by pipes of other accounts",
    ),
    Defect(
        "a pipe's role for functions",
        checks.pipes,
        lambda p: resource(p, "ReplyPipeRole")["AssumeRolePolicyDocument"]["Statement"][0].update(
            Principal={"Service": "lambda.amazonaws.com"}
        ),
        "ReplyPipeRole can be taken by {",
    ),
    Defect(
        "a third reader of the stream",
        checks.stream_readers,
        lambda p: p.template["Resources"].update(AuditPipe=p.template["Resources"]["ReplyPipe"]),
        "has 3 readers, FanoutFunction, ReplyPipe, AuditPipe",
    ),
    Defect(
        "nobody who sweeps",
        checks.schedules,
        lambda p: function(p, "Replies")["Events"].pop("Sweep"),
        "RepliesFunction has no schedule",
    ),
    Defect(
        "a sweep once an hour",
        checks.schedules,
        lambda p: function(p, "Replies")["Events"]["Sweep"]["Properties"].update(Schedule="rate(1 hour)"),
        "RepliesFunction runs at rate(1 hour)",
    ),
    Defect(
        "a sweep that is off",
        checks.schedules,
        lambda p: function(p, "Replies")["Events"]["Sweep"]["Properties"].update(Enabled=False),
        "the schedule of RepliesFunction is off",
    ),
    Defect(
        "a function under another name",
        checks.layout,
        lambda p: p.template["Resources"].update(SmsFunction=p.template["Resources"].pop("WebhooksFunction")),
        "SmsFunction runs webhooks",
    ),
    Defect(
        "a function without a crate",
        checks.layout,
        lambda p: p.packages.pop("fanout"),
        "functions/fanout is not a crate",
    ),
    Defect(
        "a function without sample events",
        checks.layout,
        lambda p: discard(p, "events/webhooks/"),
        "events/webhooks holds no sample",
    ),
    Defect(
        "a function without tests",
        checks.layout,
        lambda p: discard(p, "tests/it/live_stream.rs"),
        "there is no tests/it/live_stream.rs",
    ),
    Defect(
        "a folder without a function",
        checks.layout,
        lambda p: p.files.add("functions/extra/src/lib.rs"),
        "functions/extra belongs to no",
    ),
    Defect(
        "events without a function",
        checks.layout,
        lambda p: p.files.add("events/extra/a.json"),
        "events/extra belongs to no",
    ),
    Defect(
        "a wildcard action",
        checks.least_privilege,
        allow("Auth", Action="dynamodb:*", Resource=CORE),
        "AuthFunctionRole may dynamodb:*",
    ),
    Defect(
        "a wildcard resource",
        checks.least_privilege,
        allow("Auth", Action="dynamodb:GetItem", Resource="*"),
        "AuthFunctionRole may dynamodb:GetItem on every resource",
    ),
    Defect(
        "a sender that is not pinned",
        checks.least_privilege,
        lambda p: [it.pop("Condition", None) for it in statements(p, "Auth")],
        "may ses:SendEmail on every resource",
    ),
    Defect(
        "a wildcard inside an ARN",
        checks.least_privilege,
        allow("Auth", Action="dynamodb:GetItem", Resource={"Fn::Sub": "${CoreTable.Arn}/index/*"}),
        "/index/*",
    ),
    Defect(
        "the connections of every API",
        checks.least_privilege,
        allow("Auth", Action="execute-api:ManageConnections", Resource="arn:aws:execute-api:*:1:*/*/@connections/*"),
        "may execute-api:ManageConnections on",
    ),
    Defect(
        "rights by exclusion",
        checks.least_privilege,
        allow("Auth", NotAction="iam:PassRole", Resource=CORE),
        "allows by exclusion",
    ),
    Defect(
        "a managed policy",
        checks.least_privilege,
        lambda p: function(p, "Auth")["Policies"].append("arn:aws:iam::aws:policy/AdministratorAccess"),
        "has the managed policy AdministratorAccess",
    ),
    Defect(
        "fan-out that writes what it reads",
        checks.core_readers,
        allow("Fanout", Action=["dynamodb:UpdateItem"], Resource=[CORE]),
        "FanoutFunctionRole may dynamodb:UpdateItem on CoreTable",
    ),
    Defect(
        "an appender that may not remove a lease",
        checks.appenders,
        lambda p: statements(p, "Replies")[0]["Action"].remove("dynamodb:DeleteItem"),
        "RepliesFunction may not dynamodb:DeleteItem on CoreTable",
    ),
    Defect(
        "a socket that may not set points aside",
        checks.exchanges,
        lambda p: [
            it.update(Action="dynamodb:GetItem")
            for it in statements(p, "Websocket")
            if it["Action"] == "dynamodb:UpdateItem"
        ],
        "WebsocketFunction may not dynamodb:UpdateItem on CoreTable, which asking can need",
    ),
    Defect(
        "a maker that may not end its answer",
        checks.exchanges,
        lambda p: statements(p, "Chat")[0]["Action"].remove("dynamodb:PutItem"),
        "ChatFunction may not dynamodb:PutItem on CoreTable, which ending an answer can need",
    ),
    Defect(
        "a right to call Bedrock without a model there",
        checks.bedrock,
        lambda p: statements(p, "Replies").append(statements(p, "Replies").pop()["Fn::If"][1]),
        "RepliesFunctionRole may bedrock:InvokeModelWithResponseStream without HasBedrock",
    ),
    Defect(
        "a right to call any model of Bedrock",
        checks.bedrock,
        lambda p: statements(p, "Replies")[-1]["Fn::If"][1].pop("Condition"),
        "RepliesFunctionRole may bedrock:InvokeModelWithResponseStream with any model",
    ),
    Defect(
        "a function with a model of Bedrock that it may not call",
        checks.bedrock,
        lambda p: function(p, "Auth").setdefault("Environment", {})["Variables"].update(BEDROCK_MODEL_ID="m"),
        "AuthFunction is told of BEDROCK_MODEL_ID, but may not",
    ),
    Defect(
        "a function that may call Bedrock but has no model",
        checks.bedrock,
        lambda p: function(p, "Replies")["Environment"]["Variables"].pop("BEDROCK_MODEL_ID"),
        "RepliesFunction may bedrock:InvokeModelWithResponseStream, but is not told",
    ),
    Defect(
        "connections that cannot be forgotten",
        checks.pushers,
        lambda p: [
            it["Action"].remove("dynamodb:BatchWriteItem")
            for it in statements(p, "Chat")
            if "dynamodb:BatchWriteItem" in it.get("Action", [])
        ],
        "ChatFunction may not dynamodb:BatchWriteItem on EphemeralTable, which forgetting a connection can need",
    ),
    Defect("a console with rights", checks.without_rights, add_console, "ConsoleFunctionRole has rights"),
    Defect(
        "viewers without a limit",
        checks.reserved_concurrency,
        lambda p: function(p, "LiveStream").pop("ReservedConcurrentExecutions"),
        "LiveStreamFunction has no",
    ),
    Defect(
        "webhooks without a reserve",
        checks.reserved_concurrency,
        lambda p: function(p, "Webhooks").pop("ReservedConcurrentExecutions"),
        "WebhooksFunction has no",
    ),
    Defect(
        "answers without a limit",
        checks.reserved_concurrency,
        lambda p: function(p, "LlmStream").pop("ReservedConcurrentExecutions"),
        "LlmStreamFunction has no",
    ),
    Defect(
        "a log for ever",
        checks.log_retention,
        lambda p: resource(p, "AuthLog").pop("RetentionInDays"),
        "AuthLog keeps its lines for ever",
    ),
    Defect(
        "a function without a log group",
        checks.log_retention,
        lambda p: function(p, "Auth").pop("LoggingConfig"),
        "AuthFunction does not log to a log group",
    ),
    Defect(
        "two functions in one log",
        checks.log_retention,
        lambda p: function(p, "Auth").update(LoggingConfig={"LogGroup": {"Ref": "AdminLog"}}),
        "the log of",
    ),
    Defect(
        "an alarm on a metric that does not exist",
        checks.alarms,
        lambda p: resource(p, "WebhooksErrorsAlarm").update(MetricName="Error"),
        "AWS/Lambda Error by FunctionName is no known metric",
    ),
    Defect(
        "an alarm on another resource",
        checks.alarms,
        lambda p: resource(p, "WebhooksErrorsAlarm")["Dimensions"][0].update(Value={"Ref": "CoreTable"}),
        "is not of this stack",
    ),
    Defect(
        "an alarm on an API by another name",
        checks.alarms,
        lambda p: resource(p, "RestServerErrorsAlarm")["Dimensions"][0].update(Value={"Ref": "RestApi"}),
        "is not of this stack",
    ),
    Defect(
        "an alarm that tells nobody",
        checks.alarms,
        lambda p: resource(p, "FanoutLagAlarm").pop("AlarmActions"),
        "FanoutLagAlarm tells nobody",
    ),
    Defect(
        "a missing alarm",
        checks.alarms,
        lambda p: p.template["Resources"].pop("FanoutDeadLettersAlarm"),
        "nothing watches ApproximateNumberOfMessagesVisible of FanoutDeadLetters",
    ),
    Defect(
        "replies that wait unseen",
        checks.alarms,
        lambda p: p.template["Resources"].pop("ReplyQueueAgeAlarm"),
        "nothing watches ApproximateAgeOfOldestMessage of ReplyQueue",
    ),
    Defect(
        "a dashboard that is not JSON",
        checks.dashboard,
        lambda p: replace_widgets(p, '{"widgets":[', '{"widgets":'),
        "is not JSON",
    ),
    Defect(
        "a dashboard of a metric that does not exist",
        checks.dashboard,
        lambda p: replace_widgets(p, '"IteratorAge"', '"IteratorAges"'),
        "IteratorAges by FunctionName is no known metric",
    ),
    Defect(
        "a dashboard of a metric that nobody measures",
        checks.dashboard,
        lambda p: replace_widgets(p, '"FirstTokenTime"', '"FirstTokenDelay"'),
        "no code measures FirstTokenDelay",
    ),
    Defect(
        "a dashboard of a function's metric under another name",
        checks.dashboard,
        lambda p: replace_widgets(p, '"Function","llm-stream"', '"Function","LlmStream"'),
        "is no function",
    ),
    Defect(
        "a dashboard without a function",
        checks.dashboard,
        lambda p: replace_widgets(p, '["AWS/Lambda","Errors","FunctionName","${AuthFunction}"],', ""),
        "does not show errors of AuthFunction",
    ),
    Defect(
        "a variable that nobody tells of",
        checks.environment,
        lambda p: function(p, "Snapshots")["Environment"]["Variables"].update(NEW_ONE="1"),
        "NEW_ONE is not in .env.example",
    ),
    Defect(
        "a variable that nothing sets",
        checks.environment,
        lambda p: function(p, "Snapshots")["Environment"]["Variables"].pop("AGENT_NAME"),
        "AGENT_NAME is in .env.example, but no function has it",
    ),
    Defect(
        "a variable of one more function",
        checks.environment,
        lambda p: function(p, "Websocket")["Environment"]["Variables"].update(MAIL_FROM="a@example.com"),
        "MAIL_FROM is set for admin, auth, websocket",
    ),
    Defect(
        "a secret that nobody tells of",
        checks.environment,
        lambda p: resource(p, "Secrets")["GenerateSecretString"].update(
            SecretStringTemplate=json.dumps({"NEW_SECRET": ""})
        ),
        "secret NEW_SECRET is in one of",
    ),
    Defect(
        "a secret that a function may not read",
        checks.environment,
        lambda p: statements(p, "Webhooks").pop(),
        "webhooks reads TWILIO_AUTH_TOKEN without the right to",
    ),
    Defect(
        "a knob that no code reads",
        checks.environment,
        lambda p: replace_example(p, "STREAM_PING_SECONDS=", "STREAM_PONG_SECONDS="),
        "STREAM_PONG_SECONDS is in .env.example, but no code reads it",
    ),
    Defect(
        "a knob that nobody tells of",
        checks.environment,
        lambda p: replace_example(p, "#SENDS_PER_MINUTE=", "#"),
        "SENDS_PER_MINUTE is read, but not in .env.example",
    ),
    Defect(
        "a variable without its readers",
        checks.environment,
        lambda p: replace_example(p, "# Read by: snapshots.\n#AGENT_NAME", "#AGENT_NAME"),
        "AGENT_NAME is read by nobody",
    ),
    Defect(
        "a variable told twice",
        checks.environment,
        lambda p: replace_example(p, "\n#PORT=", "\n#PORT=1\n#PORT="),
        "PORT is told twice",
    ),
]
