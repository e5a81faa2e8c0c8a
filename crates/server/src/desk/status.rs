//! Where an incident stands and how urgent it is, in words that the API and the database share.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use ts_rs::TS;

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Status {
    New,
    InProgress,
    Waiting,
    Resolved,
}

/// How urgent an incident is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Priority {
    Low,
    Normal,
    High,
    Urgent,
}

/// The word of an enum, as the database keeps it.
pub fn word<T: Serialize>(value: T) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The enum of a word that the database has.
pub fn from_word<T: DeserializeOwned>(word: &str) -> anyhow::Result<T> {
    Ok(serde_json::from_value(word.into())?)
}
