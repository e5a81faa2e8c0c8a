//! The Command API: one action for each request, answered in XML.

mod clients;
pub mod sessions;

use std::sync::Arc;

use axum::{extract::State, response::Response};
use live_sessions::SessionRegistry;
use platform::{clock, identity::Identity};
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder};
use store::{
    setting::Current,
    settings::Settings,
    tables::{team, user},
};

use super::{
    API_VERSION, PRODUCT_VERSION, answer, appliance, denied, error, people,
    request_params::{Authentication, RequestParams},
    xml::{Element, element, text},
};

use crate::{
    accounts::{Caller, Scope},
    api::ApiError,
    config::PublicUrl,
    desk::ServiceDesk,
    organisation::Organisation,
    state::service_group,
};
pub use clients::{Connected, Who, connected};

/// Why an action fails.
pub enum Failed {
    /// An `<error>` that the client shows.
    Message(String),
    Server(ApiError),
}

impl<E: Into<ApiError>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::Server(error.into())
    }
}

fn failed<T>(message: impl Into<String>) -> Result<T, Failed> {
    Err(Failed::Message(message.into()))
}

/// Every action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    GenerateSessionKey,
    GetApiInfo,
    CheckHealth,
    GetLoggedInReps,
    GetSupportTeams,
    GetSessionAttributes,
    SetSessionAttributes,
    JoinSession,
    LeaveSession,
    TransferSession,
    TerminateSession,
    GetConnectedClientList,
    GetConnectedClients,
}

impl Action {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "generate_session_key" => Self::GenerateSessionKey,
            "get_api_info" => Self::GetApiInfo,
            "check_health" => Self::CheckHealth,
            "get_logged_in_reps" => Self::GetLoggedInReps,
            "get_support_teams" => Self::GetSupportTeams,
            "get_session_attributes" => Self::GetSessionAttributes,
            "set_session_attributes" => Self::SetSessionAttributes,
            "join_session" => Self::JoinSession,
            "leave_session" => Self::LeaveSession,
            "transfer_session" => Self::TransferSession,
            "terminate_session" => Self::TerminateSession,
            "get_connected_client_list" => Self::GetConnectedClientList,
            "get_connected_clients" => Self::GetConnectedClients,
            _ => return None,
        })
    }

    /// Whether the action changes something.
    fn writes(self) -> bool {
        matches!(
            self,
            Self::GenerateSessionKey
                | Self::SetSessionAttributes
                | Self::JoinSession
                | Self::LeaveSession
                | Self::TransferSession
                | Self::TerminateSession
        )
    }
}

service_group! {
    /// What the actions need.
    pub struct CommandServices {
        db: DatabaseConnection,
        identity: Arc<Identity>,
        public_url: PublicUrl,
        settings: Arc<Current<Settings>>,
        sessions: Arc<SessionRegistry>,
        desk: Arc<ServiceDesk>,
        organisation: Arc<Organisation>,
    }
}

/// Executes an action.
pub async fn command(
    State(authentication): State<Authentication>,
    State(services): State<CommandServices>,
    params: RequestParams,
) -> Result<Response, ApiError> {
    let namespace = services.settings.get().beyondtrust.command_namespace;
    let Some(caller) = params.caller(&authentication).await? else {
        // Clients that sent a name and a password expect XML, those with a token JSON.
        let by_name = params.has("username") || params.has("password");
        return Ok(if by_name { error(&namespace, "Login failed") } else { denied() });
    };
    let Some(name) = params.get("action") else { return Ok(error(&namespace, "The parameter action is missing.")) };
    let Some(action) = Action::of(name) else { return Ok(error(&namespace, "Invalid action")) };
    let needed = if action.writes() { Scope::SessionsWrite } else { Scope::SessionsRead };
    if !caller.may(needed) {
        return Ok(error(&namespace, "The API account does not have permission to perform this action."));
    }
    match act(&services, &caller, action, &params).await {
        Ok(root) => Ok(answer(root.document(&namespace))),
        Err(Failed::Message(message)) => Ok(error(&namespace, &message)),
        Err(Failed::Server(error)) => Err(error),
    }
}

async fn act(
    services: &CommandServices,
    caller: &Caller,
    action: Action,
    params: &RequestParams,
) -> Result<Element, Failed> {
    let CommandServices { db, identity, public_url, settings, sessions, organisation, .. } = services;
    match action {
        Action::GenerateSessionKey => sessions::generate(services, caller, params).await,
        Action::GetApiInfo => Ok(info(settings, caller)),
        Action::CheckHealth => Ok(health(identity, public_url)),
        Action::GetLoggedInReps => reps(db, public_url, organisation).await,
        Action::GetSupportTeams => teams(db, params.flag("showmembers")).await,
        Action::GetSessionAttributes => sessions::attributes(sessions, params).await,
        Action::SetSessionAttributes => sessions::set_attributes(sessions, caller, params).await,
        Action::JoinSession => sessions::join(db, sessions, caller, params).await,
        Action::LeaveSession => sessions::leave(db, sessions, caller, params).await,
        Action::TransferSession => sessions::transfer(db, sessions, caller, params).await,
        Action::TerminateSession => sessions::terminate(sessions, caller, params).await,
        Action::GetConnectedClientList => clients::list(services, params).await,
        Action::GetConnectedClients => clients::details(services, params).await,
    }
}

/// The permissions of an account in the original's terms: `perm_command`, then flags.
pub fn permissions(scopes: &[Scope]) -> Vec<(&'static str, &'static str)> {
    let flag = |on: bool| if on { "1" } else { "0" };
    let command = match (scopes.contains(&Scope::SessionsWrite), scopes.contains(&Scope::SessionsRead)) {
        (true, _) => "full_access",
        (false, true) => "read_only",
        (false, false) => "deny",
    };
    vec![
        ("perm_command", command),
        ("perm_reporting_support", flag(scopes.contains(&Scope::EvidenceRead))),
        ("perm_reporting_presentation", "0"),
        ("perm_reporting_license", "0"),
        ("perm_reporting_archive", "0"),
        ("perm_real_time_state", "0"),
        ("perm_ecm", "0"),
        ("perm_backup", "0"),
        ("perm_scim", "0"),
        ("perm_configuration", flag(scopes.contains(&Scope::PeopleWrite) || scopes.contains(&Scope::PeopleRead))),
    ]
}

fn info(settings: &Current<Settings>, caller: &Caller) -> Element {
    let given = permissions(&caller.scopes);
    let given = given.into_iter().map(|(name, value)| text("permission", value).with("name", name));
    element("api_information")
        .child(text("api_version", API_VERSION))
        .child(text("company_name", settings.get().organisation))
        .child(text("timestamp", clock::now().0 / 1_000))
        .child(element("permissions").children(given))
}

fn health(identity: &Identity, public_url: &PublicUrl) -> Element {
    let version = format!("{PRODUCT_VERSION} (Deskside {})", env!("CARGO_PKG_VERSION"));
    element("health_check")
        .child(text("appliance", public_url.domain()).with("id", appliance(identity)))
        .child(text("version", version))
        .child(text("success", 1))
        .child(text("failover_role", "none"))
}

/// A time as reports write it.
pub fn iso(ms: u64) -> String {
    let at = jiff::Timestamp::from_millisecond(ms.cast_signed()).unwrap_or_default();
    at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

async fn reps(db: &DatabaseConnection, public_url: &PublicUrl, organisation: &Organisation) -> Result<Element, Failed> {
    let busy = organisation.busy(None).await?;
    let mut list = element("logged_in_reps");
    for rep in people::logged_in(db, organisation).await? {
        let since = people::signed_in_since(db, rep.id).await?;
        let link = format!("<a href=\"{}/\">{}</a>", public_url, crate::mail::escape(&rep.name));
        list = list.child(
            element("rep")
                .with("id", rep.id)
                .child(text("display_name", &rep.name))
                .child(text("public_display_name", &rep.name))
                .child(text("private_display_name", &rep.name))
                .child(text("username", &rep.login))
                .child(text("type", "Normal"))
                .child(text("direct_link", link))
                .child(text("logged_in_since", iso(since.0)))
                .child(text("presentation_count", 0))
                .child(text("support_session_count", busy.get(&rep.id).copied().unwrap_or(0)))
                .child(text("showing_on_rep_list", 0)),
        );
    }
    Ok(list)
}

async fn teams(db: &DatabaseConnection, with_members: bool) -> Result<Element, Failed> {
    let users = user::Entity::find().filter(user::Column::Disabled.eq(false)).order_by_asc(user::Column::Id);
    let users = users.all(db).await?;
    let mut list = element("support_teams");
    for team in team::Entity::find().order_by_asc(team::Column::Id).all(db).await? {
        let mut shown = element("support_team").with("id", team.id).child(text("name", &team.name));
        if with_members {
            let members = users.iter().filter(|u| u.team == Some(team.id)).map(|u| {
                element("representative")
                    .with("id", u.id)
                    .child(text("username", &u.login))
                    .child(text("display_name", &u.name))
                    .child(text("public_display_name", &u.name))
                    .child(text("private_display_name", &u.name))
            });
            shown = shown.child(element("members").children(members));
        }
        let issue = element("issue")
            .with("id", team.id)
            .child(text("code_name", &team.code_name))
            .child(text("title", &team.name));
        list = list.child(shown.child(element("issues").child(issue)));
    }
    Ok(list)
}
