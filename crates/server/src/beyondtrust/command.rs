//! The Command API: one action a request, answered in XML.

pub mod sessions;

use axum::{extract::State, response::Response};
use protocol::{Phase, Presence, Role};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::{
    API_VERSION, answer, appliance,
    asked::Asked,
    denied, error, people,
    xml::{Element, element, text},
};
use crate::{
    accounts::{Caller, Scope},
    api::ApiError,
    app::{self, Shared},
    staff,
    store::tables::{login, team, user},
};

/// Why an action brings an `<error>`.
pub enum Failed {
    /// In the words that the client shows.
    Words(String),
    Server(ApiError),
}

impl<E: Into<ApiError>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::Server(error.into())
    }
}

fn words<T>(words: impl Into<String>) -> Result<T, Failed> {
    Err(Failed::Words(words.into()))
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

    /// Whether it changes something.
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

/// Answers an action.
pub async fn command(State(app): State<Shared>, asked: Asked) -> Result<Response, ApiError> {
    let namespace = app.settings().beyondtrust.command_namespace;
    let Some(caller) = asked.caller(&app).await? else {
        // Whoever sent a name and a password reads XML; whoever sent a token, JSON.
        let by_name = asked.has("username") || asked.has("password");
        return Ok(if by_name { error(&namespace, "Login failed") } else { denied() });
    };
    let Some(name) = asked.get("action") else { return Ok(error(&namespace, "The parameter action is missing.")) };
    let Some(action) = Action::of(name) else { return Ok(error(&namespace, "Invalid action")) };
    let needed = if action.writes() { Scope::SessionsWrite } else { Scope::SessionsRead };
    if !caller.may(needed) {
        return Ok(error(&namespace, "The API account does not have permission to perform this action."));
    }
    match act(&app, &caller, action, &asked).await {
        Ok(root) => Ok(answer(root.document(&namespace))),
        Err(Failed::Words(words)) => Ok(error(&namespace, &words)),
        Err(Failed::Server(error)) => Err(error),
    }
}

async fn act(app: &Shared, caller: &Caller, action: Action, asked: &Asked) -> Result<Element, Failed> {
    match action {
        Action::GenerateSessionKey => sessions::generate(app, caller, asked).await,
        Action::GetApiInfo => Ok(info(app, caller)),
        Action::CheckHealth => Ok(health(app)),
        Action::GetLoggedInReps => reps(app).await,
        Action::GetSupportTeams => teams(app, asked.get("showmembers") == Some("1")).await,
        Action::GetSessionAttributes => sessions::attributes(app, asked).await,
        Action::SetSessionAttributes => sessions::set_attributes(app, caller, asked).await,
        Action::JoinSession => sessions::join(app, caller, asked).await,
        Action::LeaveSession => sessions::leave(app, caller, asked).await,
        Action::TransferSession => sessions::transfer(app, caller, asked).await,
        Action::TerminateSession => sessions::terminate(app, caller, asked).await,
        Action::GetConnectedClientList => client_list(app, asked).await,
        Action::GetConnectedClients => clients(app, asked).await,
    }
}

/// What an account may do, in the original's words: `perm_command`, then flags.
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

fn info(app: &Shared, caller: &Caller) -> Element {
    let given = permissions(&caller.scopes);
    let given = given.into_iter().map(|(name, value)| text("permission", value).with("name", name));
    element("api_information")
        .child(text("api_version", API_VERSION))
        .child(text("company_name", app.settings().organisation))
        .child(text("timestamp", app::now().0 / 1_000))
        .child(element("permissions").children(given))
}

fn health(app: &Shared) -> Element {
    let version = format!("24.1.1 (Deskside {})", env!("CARGO_PKG_VERSION"));
    element("health_check")
        .child(text("appliance", app.config.domain()).with("id", appliance(app)))
        .child(text("version", version))
        .child(text("success", 1))
        .child(text("failover_role", "none"))
}

/// A time in text, as reports write it.
pub fn iso(ms: u64) -> String {
    let at = jiff::Timestamp::from_millisecond(ms.cast_signed()).unwrap_or_default();
    at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

async fn reps(app: &Shared) -> Result<Element, Failed> {
    let busy = staff::busy(app).await;
    let mut list = element("logged_in_reps");
    for rep in people::logged_in(app).await? {
        let latest = login::Entity::find()
            .filter(login::Column::User.eq(rep.id))
            .order_by_desc(login::Column::Until)
            .one(&app.db)
            .await?;
        let since = latest.map_or(0, |l| l.until.cast_unsigned().saturating_sub(crate::api::LOGIN_MS));
        let link = format!("<a href=\"{}/\">{}</a>", app.config.public_url, crate::mail::escape(&rep.name));
        list = list.child(
            element("rep")
                .with("id", rep.id)
                .child(text("display_name", &rep.name))
                .child(text("public_display_name", &rep.name))
                .child(text("private_display_name", &rep.name))
                .child(text("username", &rep.login))
                .child(text("type", "Normal"))
                .child(text("direct_link", link))
                .child(text("logged_in_since", iso(since)))
                .child(text("presentation_count", 0))
                .child(text("support_session_count", busy.get(&rep.id).copied().unwrap_or(0)))
                .child(text("showing_on_rep_list", 0)),
        );
    }
    Ok(list)
}

async fn teams(app: &Shared, with_members: bool) -> Result<Element, Failed> {
    let users = user::Entity::find().filter(user::Column::Disabled.eq(false)).order_by_asc(user::Column::Id);
    let users = users.all(&app.db).await?;
    let mut list = element("support_teams");
    for team in team::Entity::find().order_by_asc(team::Column::Id).all(&app.db).await? {
        let mut shown = element("support_team").with("id", team.id).child(text("name", &team.name));
        if with_members {
            let members = users.iter().filter(|u| u.team == team.name).map(|u| {
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

/// The kinds of clients that there can be.
const KINDS: [&str; 4] = ["representative", "support_customer", "presentation_attendee", "push_agent"];

/// A client that is connected.
struct Connected {
    kind: &'static str,
    id: String,
    shown: Element,
}

fn kinds(asked: &Asked) -> Result<Vec<&'static str>, Failed> {
    let wanted = asked.get("type").unwrap_or("all");
    let mut kinds = Vec::new();
    for name in wanted.split(',').map(str::trim) {
        match KINDS.iter().find(|kind| **kind == name) {
            Some(kind) => kinds.push(*kind),
            None if name == "all" => kinds.extend(KINDS),
            None => return words(format!("Invalid client type: {name}")),
        }
    }
    Ok(kinds)
}

async fn connected(app: &Shared, with_connections: bool) -> Result<Vec<Connected>, Failed> {
    let mut clients = Vec::new();
    let common = |shown: Element, since: u64, platform: (&str, &str)| {
        let shown = shown
            .child(text("hostname", "Unknown"))
            .child(text("platform", platform.1).with("id", platform.0))
            .child(text("timezone_offset", 0))
            .child(text("connected_since", since));
        if with_connections { shown.child(element("client_connections")) } else { shown }
    };
    for rep in people::logged_in(app).await? {
        let shown = element("connected_representative")
            .with("id", rep.id)
            .child(text("username", &rep.login))
            .child(text("display_name", &rep.name));
        let shown = common(shown, app::now().0 / 1_000, ("web", "Web"));
        clients.push(Connected { kind: "representative", id: rep.id.to_string(), shown });
    }
    for live in app.hub.all() {
        let here = |p: &&protocol::Participant| p.role == Role::Customer && p.presence == Presence::Here;
        let customer = live.ask(|s| match s.phase() {
            Phase::Ended { .. } => None,
            _ => s.participants().iter().find(here).cloned(),
        });
        let Some(customer) = customer.await else { continue };
        let entries = live.entries().await;
        let since = entries.iter().find(
            |e| matches!(&e.event, protocol::Event::Joined { id, .. } | protocol::Event::Returned { id, .. } if *id == customer.id),
        );
        let platform = match customer.client {
            protocol::Client::Program => ("linux-64", "Linux® (x64)"),
            protocol::Client::WindowsProgram | protocol::Client::WindowsAdministrator => {
                ("windows-64", "Windows® (x64)")
            }
            protocol::Client::Browser | protocol::Client::Console => ("web", "Web"),
        };
        let shown = element("connected_support_customer")
            .with("id", &live.id)
            .child(text("display_name", &customer.name))
            .child(text("lsid", &live.id));
        let shown = common(shown, since.map_or(0, |e| e.at.0 / 1_000), platform);
        clients.push(Connected { kind: "support_customer", id: live.id.to_string(), shown });
    }
    Ok(clients)
}

async fn client_list(app: &Shared, asked: &Asked) -> Result<Element, Failed> {
    let kinds = kinds(asked)?;
    let clients = connected(app, false).await?;
    let counts = kinds.iter().map(|kind| {
        let count = clients.iter().filter(|c| c.kind == *kind).count();
        text("count", count).with("type", kind)
    });
    let summary = element("appliance_summary").with("id", appliance(app)).children(counts);
    let list = element("connected_client_list").child(element("connected_client_summary").child(summary));
    if asked.get("summary_only") == Some("1") {
        return Ok(list);
    }
    let shown = clients.iter().filter(|c| kinds.contains(&c.kind));
    Ok(list.children(shown.map(|c| element("connected_client").with("type", c.kind).with("id", &c.id))))
}

async fn clients(app: &Shared, asked: &Asked) -> Result<Element, Failed> {
    let kinds = kinds(asked)?;
    let ids: Option<Vec<&str>> = asked.get("id").map(|ids| ids.split(',').map(str::trim).collect());
    if ids.as_ref().is_some_and(|ids| ids.len() > 100) {
        return words("At most 100 ids may be given.");
    }
    let clients = connected(app, asked.get("include_connections") == Some("1")).await?;
    let wanted = clients.into_iter().filter(|c| kinds.contains(&c.kind));
    let wanted = wanted.filter(|c| ids.as_ref().is_none_or(|ids| ids.contains(&c.id.as_str())));
    Ok(element("connected_clients").children(wanted.map(|c| c.shown)))
}
