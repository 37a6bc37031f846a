//! What can go wrong between us and the tables. "Not found" is no error: it is `None`.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use std::error::Error;

/// A failed operation on the tables.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Others kept changing the same records; trying again later makes sense.
    #[error("the record is being changed by others")]
    Conflict,
    /// The table takes no more for now; trying again later makes sense.
    #[error("the table is throttled")]
    Throttled(#[source] Box<dyn Error + Send + Sync>),
    /// The table could not be reached or failed.
    #[error("the table is unavailable")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// A record is not what this version writes.
    #[error("a record cannot be read")]
    Corrupt(#[source] Box<dyn Error + Send + Sync>),
    /// More events than one transaction holds.
    #[error("too many events for one append")]
    TooLarge,
}

impl StoreError {
    /// A record that should be there, or should be otherwise.
    pub fn corrupt(message: &'static str) -> Self {
        Self::Corrupt(message.into())
    }
}

impl<E, R> From<SdkError<E, R>> for StoreError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    fn from(error: SdkError<E, R>) -> Self {
        let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
        match code {
            Some("TransactionConflictException" | "TransactionInProgressException") => Self::Conflict,
            Some("ProvisionedThroughputExceededException" | "ThrottlingException" | "RequestLimitExceeded") => {
                Self::Throttled(Box::new(error))
            }
            _ => Self::Unavailable(Box::new(error)),
        }
    }
}

impl From<serde_dynamo::Error> for StoreError {
    fn from(error: serde_dynamo::Error) -> Self {
        Self::Corrupt(Box::new(error))
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::Corrupt(Box::new(error))
    }
}
