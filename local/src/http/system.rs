//! Clock, ids and tasks of the local cloud. Production code takes these from its state; here they are the machine's.

use std::future::Future;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use jiff::Timestamp;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Account of the local cloud, the one of the documentation's examples.
pub(crate) const ACCOUNT: &str = "123456789012";

/// Id of both APIs.
pub(crate) const API_ID: &str = "local";

#[expect(clippy::disallowed_methods, reason = "the local cloud lives on the machine's clock")]
pub(crate) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "ids of requests are random, as on AWS")]
pub(crate) fn uuid() -> Uuid {
    Uuid::new_v4()
}

#[expect(clippy::disallowed_methods, reason = "this process is a server that is never frozen")]
pub(crate) fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(task)
}

/// An id in the form of connections, messages and extended request ids: `Lw2pAcAsIAMCK5A=`.
pub(crate) fn short_id() -> String {
    let uuid = uuid();
    URL_SAFE.encode(uuid.as_bytes().first_chunk::<11>().unwrap_or(&[0; 11]))
}

/// An X-Ray trace header.
pub(crate) fn trace_id() -> String {
    let random = uuid().simple().to_string();
    format!("Root=1-{:08x}-{}", now_ms() / 1000, random.get(..24).unwrap_or(&random))
}

pub(crate) fn function_arn(logical_id: &str) -> String {
    format!("arn:aws:lambda:us-east-1:{ACCOUNT}:function:{logical_id}")
}

/// A time as `requestTime` has it: `20/Nov/2026:14:00:00 +0000`.
pub(crate) fn log_time(ms: u64) -> String {
    timestamp(ms).strftime("%d/%b/%Y:%H:%M:%S +0000").to_string()
}

/// A time as RFC 3339.
pub(crate) fn rfc3339(ms: u64) -> String {
    format!("{:.3}", timestamp(ms))
}

fn timestamp(ms: u64) -> Timestamp {
    i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_forms_of_aws() {
        assert_eq!(log_time(1_795_183_200_000), "20/Nov/2026:14:00:00 +0000");
        assert_eq!(rfc3339(1_795_183_200_123), "2026-11-20T14:00:00.123Z");
    }

    #[test]
    fn ids_have_the_forms_of_aws() {
        let id = short_id();
        assert!(id.len() == 16 && id.ends_with('='), "{id}");
        let trace = trace_id();
        assert!(trace.len() == 40 && trace.starts_with("Root=1-"), "{trace}");
    }
}
