use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::{DeadLetterPolicy, Deduplication, Fifo, Mode, Template};

const TEMPLATE: &str = include_str!("../../../template.yaml");

const SMALL: &str = r"
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: {Type: String, Default: v1}
  Big: {Type: String, Default: 'yes'}
Conditions:
  IsBig: !Equals [!Ref Big, 'yes']
  IsSmall: !Not [Condition: IsBig]
Globals:
  Function: {MemorySize: 256, Timeout: 10, Environment: {Variables: {A: global, B: !Sub '${Stage}-b'}}}
Resources:
  RestApi: {Type: AWS::Serverless::Api, Properties: {StageName: !Ref Stage}}
  OneFunction:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: rust-cargolambda, BuildProperties: {Binary: one}}
    Properties:
      MemorySize: !If [IsBig, 1024, 128]
      Environment: {Variables: {A: own, C: !If [IsSmall, x, !Ref AWS::NoValue]}}
      Events:
        Get: {Type: Api, Properties: {RestApiId: !Ref RestApi, Path: /x, Method: get}}
";

fn parse(text: &str) -> Result<Template, super::TemplateError> {
    Template::parse(text, &BTreeMap::new())
}

#[test]
fn the_real_template_is_understood() {
    let template = parse(TEMPLATE).unwrap();
    assert_eq!(template.stage, "v1");
    assert_eq!(template.cors.allow_origin, "*");
    assert_eq!(template.binary_media_types, ["application/pdf", "multipart/form-data"]);
    let websocket = template.websocket.as_ref().unwrap();
    assert_eq!(websocket.selection, "$request.body.action");
    assert_eq!(websocket.routes["$connect"], "websocket");

    let auth = template.functions.iter().find(|function| function.binary == "auth").unwrap();
    assert_eq!(auth.memory_mb, 1024);
    assert_eq!(auth.environment["CORE_TABLE"], "CoreTable");
    assert_eq!(auth.environment["SECRETS_ID"], "Secrets");
    assert_eq!(auth.environment["WEBSOCKET_ENDPOINT"], "https://WebSocketApi.execute-api.us-east-1.amazonaws.com/v1");

    let stream = |route: &&super::Route| route.path.ends_with("/stream");
    let route = template.routes.iter().find(stream).unwrap();
    assert_eq!(route.mode, Mode::Streaming);
    assert_eq!(route.timeout, Duration::from_millis(900_000));
    let health = template.routes.iter().find(|route| route.path == "/health").unwrap();
    assert_eq!((health.mode, health.timeout), (Mode::Buffered, Duration::from_secs(29)));
}

#[test]
fn the_real_tables_and_mappings() {
    let template = parse(TEMPLATE).unwrap();
    let core = template.tables.iter().find(|table| table.name == "CoreTable").unwrap();
    assert!(core.streamed);
    assert_eq!(core.ttl_attribute.as_deref(), Some("ttl"));
    assert_eq!(core.create["GlobalSecondaryIndexes"][0]["IndexName"], "gsi1");
    assert_eq!(core.create["StreamSpecification"]["StreamEnabled"], true);
    assert_eq!(core.create["SSESpecification"], json!(null));

    let mapping = template.stream_mappings.first().unwrap();
    assert_eq!((mapping.function.as_str(), mapping.table.as_str()), ("fanout", "CoreTable"));
    assert_eq!(mapping.batch_size, 100);
    assert!(mapping.report_partial && mapping.bisect);
    assert_eq!(mapping.max_attempts, Some(5));
    assert_eq!(mapping.max_age, Some(Duration::from_secs(300)));
    assert_eq!(mapping.dead_letters.as_deref(), Some("FanoutDeadLetters"));
    assert_eq!(mapping.filters.len(), 2);
}

#[test]
fn the_real_queues_and_pipes() {
    let template = parse(TEMPLATE).unwrap();
    let queue = template.queues.iter().find(|queue| queue.name == "ReplyQueue").unwrap();
    assert_eq!(queue.fifo, Some(Fifo { deduplication: Deduplication::Group }));
    assert_eq!(queue.visibility, Duration::from_secs(360));
    let policy = DeadLetterPolicy { queue: "ReplyDeadLetters".to_owned(), max_receives: 3 };
    assert_eq!(queue.dead_letters, Some(policy));
    let plain = template.queues.iter().find(|queue| queue.name == "FanoutDeadLetters").unwrap();
    assert_eq!((plain.fifo, plain.retention), (None, Duration::from_secs(1_209_600)));

    let [chat, replies] = template.pipes.as_slice() else { panic!("{:?}", template.pipes) };
    assert_eq!((replies.table.as_str(), replies.queue.as_str()), ("CoreTable", "ReplyQueue"));
    assert_eq!(
        (replies.group.as_str(), replies.deduplication.as_str()),
        ("/dynamodb/NewImage/follow_up/S", "/eventID")
    );
    assert_eq!((chat.table.as_str(), chat.queue.as_str()), ("EphemeralTable", "ChatQueue"));
    assert_eq!((chat.group.as_str(), chat.deduplication.as_str()), ("/dynamodb/NewImage/asked/S", "/eventID"));
    for pipe in [replies, chat] {
        assert_eq!((pipe.batch_size, pipe.filters.len()), (10, 1));
    }

    let [chat, replies] = template.queue_mappings.as_slice() else { panic!("{:?}", template.queue_mappings) };
    assert_eq!((replies.function.as_str(), replies.queue.as_str()), ("replies", "ReplyQueue"));
    assert_eq!((replies.batch_size, replies.report_partial, replies.max_concurrency), (1, true, Some(20)));
    assert_eq!((chat.function.as_str(), chat.queue.as_str()), ("chat", "ChatQueue"));
    assert_eq!((chat.batch_size, chat.report_partial, chat.max_concurrency), (1, true, Some(50)));

    let [schedule] = template.schedules.as_slice() else { panic!("{:?}", template.schedules) };
    assert_eq!((schedule.function.as_str(), schedule.name.as_str()), ("replies", "RepliesFunctionSweep"));
    assert_eq!(schedule.period, Duration::from_secs(60));
}

/// (text of the real template to replace, replacement, what the error must contain)
const WRONG_PIPELINE: &[(&str, &str, &[&str])] = &[
    ("DeduplicationScope: messageGroup", "ContentBasedDeduplication: true", &["ReplyQueue", "ContentBased"]),
    ("DeduplicationScope: messageGroup", "DeduplicationScope: queue", &["FifoThroughputLimit", "messageGroup"]),
    ("DeduplicationScope: messageGroup", "DeduplicationScope: group", &["DeduplicationScope"]),
    ("      FifoQueue: true\n", "", &["ReplyQueue", "FIFO"]),
    ("{FifoQueue: true, MessageR", "{MessageR", &["ReplyQueue.Properties.RedrivePolicy", "same kind"]),
    ("maxReceiveCount: 3", "maxReceiveCount: 0", &["maxReceiveCount", "1 to 1000"]),
    ("!GetAtt ReplyDeadLetters.Arn, max", "!GetAtt ReplyQueue.Arn, max", &["RedrivePolicy", "another"]),
    ("VisibilityTimeout: 360", "VisibilityTimeout: 59", &["VisibilityTimeout", "replies"]),
    ("AUTOMATIC_BISECT", "REPORT", &["OnPartialBatchItemFailure", "AUTOMATIC_BISECT"]),
    ("$.dynamodb.NewImage.follow_up.S", "dynamodb.NewImage.follow_up.S", &["MessageGroupId", "$."]),
    ("MessageDeduplicationId: $.eventID", "InputTemplate: x", &["InputTemplate"]),
    ("      Target: !GetAtt ReplyQueue.Arn\n", "      Target: !GetAtt FanoutDeadLetters.Arn\n", &["ReplyPipe", "FIFO"]),
    ("            BatchSize: 1\n", "            BatchSize: 11\n", &["Jobs.Properties.BatchSize", "1 to 10"]),
    ("            BatchSize: 1\n", "            FilterCriteria: {}\n", &["Jobs.Properties.FilterCriteria"]),
    ("Queue: !GetAtt ReplyQueue.Arn", "Queue: !Ref ReplyQueue", &["Jobs.Properties.Queue", "Arn"]),
    ("MaximumConcurrency: !Ref ReplyConcurrency", "MaximumConcurrency: 1", &["MaximumConcurrency", "2 to 1000"]),
    ("rate(1 minute)", "cron(0 * * * ? *)", &["Sweep.Properties.Schedule", "rate"]),
];

#[test]
fn a_pipeline_that_is_not_understood_is_named() {
    for (text, replacement, expected) in WRONG_PIPELINE {
        assert!(TEMPLATE.contains(text), "{text}");
        let error = parse(&TEMPLATE.replacen(text, replacement, 1)).unwrap_err().to_string();
        for part in *expected {
            assert!(error.contains(part), "{error:?} does not name {part:?}");
        }
    }
}

#[test]
fn queues_have_urls_and_names() {
    for (value, expected) in [
        ("!Ref Q", "http://localhost/queue/Q"),
        ("!GetAtt Q.QueueUrl", "http://localhost/queue/Q"),
        ("!GetAtt Q.QueueName", "Q"),
        ("!GetAtt Q.Arn", "arn:aws:sqs:us-east-1:000000000000:Q"),
    ] {
        let text =
            SMALL.replace("!Sub '${Stage}-b'", value).replace("Resources:", "Resources:\n  Q: {Type: AWS::SQS::Queue}");
        assert_eq!(parse(&text).unwrap().functions[0].environment["B"], expected);
    }
}

#[test]
fn globals_conditions_and_no_value() {
    let template = parse(SMALL).unwrap();
    let function = template.functions.first().unwrap();
    assert_eq!(function.memory_mb, 1024);
    assert_eq!(function.timeout, Duration::from_secs(10));
    let expected = [("A", "own"), ("B", "v1-b")];
    assert_eq!(function.environment, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    assert_eq!(template.routes.first().unwrap().method, "GET");
}

#[test]
fn overrides_replace_declared_variables_only() {
    let overrides = BTreeMap::from([("A".to_owned(), "mine".to_owned()), ("Z".to_owned(), "no".to_owned())]);
    let mut template = Template::parse(SMALL, &overrides).unwrap();
    assert_eq!(template.functions[0].environment["A"], "mine");
    assert!(!template.functions[0].environment.contains_key("Z"));
    template.override_environment(&BTreeMap::from([("B".to_owned(), "late".to_owned())]));
    assert_eq!(template.functions[0].environment["B"], "late");
    assert!(template.declares("B") && !template.declares("Z"));
}

/// (text to replace, replacement, what the error must contain)
const WRONG: &[(&str, &str, &[&str])] = &[
    ("Type: Api,", "Type: SNS,", &["Resources.OneFunction.Properties.Events.Get.Type", "SNS"]),
    ("Method: get", "Method: get, ResponseTransferMode: STREAM", &["ResponseTransferMode", "RESPONSE_STREAM"]),
    ("Method: get", "Method: get, Auth: {Authorizer: X}", &["Events.Get.Properties.Auth"]),
    ("Method: get", "Method: fetch", &["Method", "FETCH"]),
    ("Path: /x", "Path: x", &["Path", "slash"]),
    ("MemorySize: !If [IsBig", "MemorySize: !If [IsHuge", &["OneFunction.Properties.MemorySize", "IsHuge"]),
    ("!Sub '${Stage}-b'", "!Sub '${Nothing}-b'", &["Environment.Variables.B", "Nothing"]),
    ("!Sub '${Stage}-b'", "!Sub '${Stage'", &["Environment.Variables.B", "${"]),
    ("!Sub '${Stage}-b'", "!GetAtt RestApi.RootResourceId", &["Environment.Variables.B", "RootResourceId"]),
    ("!Sub '${Stage}-b'", "[1]", &["Environment.Variables.B", "string"]),
    ("AWS::Serverless::Api,", "AWS::Serverless::HttpApi,", &["Resources.RestApi.Type", "HttpApi"]),
    ("StageName: !Ref Stage", "StageName: !Ref Stage, Cors: {AllowOrigin: x}", &["Cors.AllowOrigin", "quotes"]),
    ("Binary: one", "Other: one", &["BuildProperties", "Binary"]),
    ("Condition: IsBig", "Condition: IsSmall", &["Conditions.IsSmall", "itself"]),
    ("Globals:", "Mappings: {}\nGlobals:", &["Mappings"]),
    ("  Function: {", "  Api: {}\n  Function: {", &["Globals.Api"]),
    ("Timeout: 10", "Timeout: -1", &["Timeout"]),
    ("Timeout: 10", "Timeout: 10, VpcConfig: {}", &["VpcConfig"]),
];

#[test]
fn what_is_not_understood_is_named() {
    for (text, replacement, expected) in WRONG {
        assert!(SMALL.contains(text), "{text}");
        let error = parse(&SMALL.replace(text, replacement)).unwrap_err().to_string();
        for part in *expected {
            assert!(error.contains(part), "{error:?} does not name {part:?}");
        }
    }
}

#[test]
fn resources_without_their_condition_are_left_out() {
    let text = SMALL.replace("  OneFunction:\n", "  OneFunction:\n    Condition: IsSmall\n");
    assert!(parse(&text).unwrap().functions.is_empty());
}

#[test]
fn a_mapping_of_a_table_without_stream_is_refused() {
    let text = TEMPLATE.replace("StreamSpecification: {StreamViewType: NEW_AND_OLD_IMAGES}\n", "\n");
    let error = parse(&text).unwrap_err().to_string();
    assert!(error.contains("CoreTable"), "{error}");
}

#[test]
fn a_wrong_filter_is_named() {
    let text = TEMPLATE.replace(r#"{"prefix":"M#"}"#, r#"{"wildcard":"M#*"}"#);
    let error = parse(&text).unwrap_err().to_string();
    assert!(error.contains("Filters.0.Pattern") && error.contains("wildcard"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_damaged_template_never_panics(line in 0..TEMPLATE.lines().count(), column in 0usize..120, insert in "[ -~]{0,3}") {
        let damaged: Vec<String> = TEMPLATE
            .lines()
            .enumerate()
            .map(|(number, text)| {
                if number != line {
                    return text.to_owned();
                }
                let column = column.min(text.len());
                let (before, after) = text.split_at_checked(column).unwrap_or((text, ""));
                format!("{before}{insert}{after}")
            })
            .collect();
        let _ = parse(&damaged.join("\n"));
    }

    #[test]
    fn any_substitution_without_placeholders_is_itself(text in "[ -#%-z|~]{0,30}") {
        let yaml = SMALL.replace("!Sub '${Stage}-b'", &format!("!Sub {}", json!(text)));
        let template = parse(&yaml).unwrap();
        prop_assert_eq!(&template.functions[0].environment["B"], &text);
    }
}
