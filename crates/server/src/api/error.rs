//! Errors as responses: a status and a sentence for a person.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use live_sessions::{ActError, JobError, NoRoom};
use platform::passwords::PasswordError;
use sea_orm::SqlErr;
use serde::Serialize;
use ts_rs::TS;

use protocol::RefusalReason;

use crate::{access_scope::Denied, account_changes::NotChanged, organisation::TeamStays, sign_in::NotAsked};

/// What every handler returns.
pub type Result<T> = std::result::Result<T, ApiError>;

/// A refusal or a failure.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    message: String,
    code: Option<ProblemCode>,
}

/// What a page can do about a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum ProblemCode {
    /// Ask the user to confirm their identity by `POST /api/me/confirm`, then repeat the request.
    Confirm,
}

/// The body of an error response.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct Problem {
    /// One sentence for a person.
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub code: Option<ProblemCode>,
}

impl ApiError {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), code: None }
    }

    /// The request is not valid.
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    /// It does not exist, or the user may not know of it.
    pub fn missing(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("There is no such {what}."))
    }

    /// Not signed in.
    pub fn signed_out() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Please sign in.")
    }

    /// Wrong user name or password; the message does not say which.
    pub fn wrong_password() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "The user name or the password is not right.")
    }

    /// The password is right, and a code is needed as well (RFC 6585, 428).
    pub fn second_factor() -> Self {
        Self::new(StatusCode::PRECONDITION_REQUIRED, "Please enter the code that your authenticator app shows.")
    }

    /// The code is wrong, expired or used.
    pub fn wrong_code() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "The code is not right, or it was used already. Please wait for the next one.",
        )
    }

    /// Signed in, but the identity was not confirmed recently.
    pub fn unconfirmed() -> Self {
        let message = "Please confirm your identity: this changes how people sign in.";
        Self { code: Some(ProblemCode::Confirm), ..Self::new(StatusCode::FORBIDDEN, message) }
    }

    /// A passkey that is not valid here.
    pub fn unknown_passkey(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, message)
    }

    /// Signed in, but not allowed.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// The request conflicts with the current state.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// The file was uploaded in parts, so the page has to send its checksum.
    pub fn sum_needed() -> Self {
        Self::new(StatusCode::PRECONDITION_REQUIRED, "This file was uploaded in parts: its checksum is needed.")
    }

    /// Too many guesses.
    pub fn too_many() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "Too many attempts. Please wait a minute and try again.")
    }

    /// Too many requests at once from one network.
    pub fn too_many_at_once() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "There are too many requests from your network at once. Please try again in a few seconds.",
        )
    }

    /// The server is at its limit.
    pub fn busy() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "The server is busy. Please try again in a few seconds.")
    }

    /// The request is too large.
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    /// The server's disk is nearly full.
    pub fn full() -> Self {
        Self::new(StatusCode::INSUFFICIENT_STORAGE, "The server's disk is nearly full.")
    }

    /// Another server refused or failed.
    pub fn upstream(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, message)
    }
}

impl ApiError {
    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The sentence for a person.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl From<platform::throttle::TooMany> for ApiError {
    fn from(_: platform::throttle::TooMany) -> Self {
        Self::too_many()
    }
}

impl From<PasswordError> for ApiError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => Self::busy(),
            PasswordError::Hash(_) | PasswordError::Broken(_) => anyhow::Error::from(error).into(),
        }
    }
}

impl From<NotAsked> for ApiError {
    fn from(error: NotAsked) -> Self {
        match error {
            NotAsked::Busy => Self::busy(),
            // Details are for administrators, who can test the directory in the settings; anybody can see this message.
            NotAsked::Unreachable(why) => {
                tracing::error!(%why, "directory not reachable");
                Self::upstream("Your organisation's directory cannot be reached at the moment. Please try again later.")
            }
        }
    }
}

impl From<sea_orm::DbErr> for ApiError {
    fn from(error: sea_orm::DbErr) -> Self {
        match error.sql_err() {
            // The foreign keys are those to teams.
            Some(SqlErr::ForeignKeyConstraintViolation(_)) => {
                Self::conflict("This team has just been removed. Please choose another one.")
            }
            _ => anyhow::Error::from(error).into(),
        }
    }
}

impl From<anyhow::Error> for ApiError {
    fn from(error: anyhow::Error) -> Self {
        tracing::error!(%error, "request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "The server failed to do this. Its log says why.")
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::NoSession => Self::new(StatusCode::NOT_FOUND, denied.to_string()),
            Denied::OutOfReach
            | Denied::Watch
            | Denied::Export
            | Denied::Delete
            | Denied::OthersIncident
            | Denied::OthersSessions
            | Denied::OthersCustomer
            | Denied::Loosened => Self::forbidden(denied.to_string()),
            Denied::Store(error) => error.into(),
            Denied::Failed(error) => error.into(),
        }
    }
}

impl From<NotChanged> for ApiError {
    fn from(why: NotChanged) -> Self {
        match why {
            NotChanged::Missing => Self::missing("account"),
            NotChanged::Administrator => Self::forbidden(why.to_string()),
            NotChanged::OwnAccount | NotChanged::LastAdministrator => Self::conflict(why.to_string()),
            NotChanged::Store(error) => error.into(),
        }
    }
}

impl From<TeamStays> for ApiError {
    fn from(why: TeamStays) -> Self {
        match why {
            TeamStays::Needed(_) => Self::conflict(why.to_string()),
            TeamStays::Failed(error) => error.into(),
        }
    }
}

impl From<ActError> for ApiError {
    fn from(error: ActError) -> Self {
        match error {
            ActError::Refused(why @ RefusalReason::TooOften) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, sentence(&why.to_string()))
            }
            ActError::Refused(why) => Self::conflict(sentence(&why.to_string())),
            ActError::Disabled => Self::forbidden(sentence(&error.to_string())),
            ActError::NoTeam => Self::conflict(sentence(&error.to_string())),
            ActError::Store(error) => error.into(),
        }
    }
}

impl From<NoRoom> for ApiError {
    fn from(why: NoRoom) -> Self {
        match why {
            NoRoom::Disk(_) => Self::full(),
            NoRoom::Person | NoRoom::Session | NoRoom::Files => Self::too_large(sentence(&why.to_string())),
        }
    }
}

impl From<protocol::Fault> for ApiError {
    fn from(fault: protocol::Fault) -> Self {
        use protocol::Fault;
        let status = match &fault {
            Fault::NotAllowed | Fault::NoPermission => StatusCode::FORBIDDEN,
            Fault::NotFound | Fault::Empty => StatusCode::NOT_FOUND,
            Fault::Exists => StatusCode::CONFLICT,
            Fault::Full => StatusCode::INSUFFICIENT_STORAGE,
            Fault::Changed => StatusCode::PRECONDITION_FAILED,
            Fault::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Fault::BadName | Fault::WrongHash | Fault::Other { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, sentence(&fault.to_string()))
    }
}

impl From<JobError> for ApiError {
    fn from(error: JobError) -> Self {
        match error {
            JobError::Refused(why) => ActError::from(why).into(),
            JobError::Fault(fault) => fault.into(),
            // The page retries: the program may reconnect.
            JobError::Unreachable => Self::new(StatusCode::SERVICE_UNAVAILABLE, sentence(&error.to_string())),
            JobError::UnexpectedResponse => Self::new(StatusCode::BAD_GATEWAY, sentence(&error.to_string())),
            JobError::Act(error) => error.into(),
            JobError::Store(error) => anyhow::Error::from(error).into(),
        }
    }
}

/// An error text as a sentence.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(Problem { message: self.message, code: self.code })).into_response()
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::ConnectionTrait;

    use super::*;

    #[tokio::test]
    async fn a_team_that_was_removed_meanwhile_is_a_conflict() {
        let db = store::open_in_memory().await.unwrap();
        let late = "INSERT INTO canned (title, text, team) VALUES ('', '', 9)";
        let error = ApiError::from(db.execute_unprepared(late).await.unwrap_err());
        assert_eq!(error.status, StatusCode::CONFLICT, "{error:?}");
        let error = ApiError::from(db.execute_unprepared("DELETE FROM nothing").await.unwrap_err());
        assert_eq!(error.status, StatusCode::INTERNAL_SERVER_ERROR, "{error:?}");
    }
}
