//! The command lines of `simulate call` and `simulate post-call`.

use clap::Args;

use crate::cli::Target;

/// A customer who calls.
#[derive(Debug, Clone, Args)]
pub(crate) struct Call {
    /// The customer's number; may be anything that a telephone network shows, such as "anonymous"
    #[arg(long, default_value = "+14155550142")]
    pub(crate) from: String,
    /// The organization's number [default: that of the first organization]
    #[arg(long)]
    pub(crate) to: Option<String>,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// A call that is over.
#[derive(Debug, Clone, Args)]
pub(crate) struct PostCall {
    /// The customer's number
    #[arg(long, default_value = "+14155550142")]
    pub(crate) from: String,
    /// The organization's number [default: that of the first organization]
    #[arg(long)]
    pub(crate) to: Option<String>,
    /// The call's conversation id; the same again is a repeated delivery [default: a new one]
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// What was said, "customer: text" or "agent: text"; may be repeated [default: a short call]
    #[arg(long = "turn", value_name = "WHO: TEXT")]
    pub(crate) turns: Vec<String>,
    /// Send the call's sound instead of its transcript
    #[arg(long, conflicts_with_all = ["turns", "failure"])]
    pub(crate) audio: bool,
    /// A call of ours that nobody took: busy, no-answer, unknown
    #[arg(long, value_name = "REASON", conflicts_with = "turns")]
    pub(crate) failure: Option<String>,
    #[command(flatten)]
    pub(crate) target: Target,
}
