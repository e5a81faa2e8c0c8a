//! The Reporting API: reports in XML, and the recordings.

mod archives;
mod teams;
mod which;

use std::{collections::HashMap, sync::Arc};

use archive::Archive;
use axum::{extract::State, response::Response};
use live_sessions::SessionRegistry;
use platform::{clock, identity::Identity};
use protocol::SessionId;
use sea_orm::{DatabaseConnection, EntityTrait};
use store::{
    tables::{team, user},
    teams::TeamNames,
};

use super::{
    answer, denied, downloads, error,
    report::{self, Downloadable, Source},
    request_params::{Authentication, RequestParams},
    xml::{Element, element, text},
};

use crate::{
    accounts::{Caller, Scope},
    api::ApiError,
    config::PublicUrl,
    state::service_group,
};
use which::{Found, Wanted, find, wanted};

/// Every report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Report {
    Sessions(SessionReport),
    File(RecordingKind),
    Team,
    Syslog,
    Endpoints,
    /// A report on something that Deskside does not have, with its error.
    Empty(&'static str),
}

/// The reports that list or count sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SessionReport {
    Session,
    Listing,
    Summary,
    CustomerSurvey,
    RepSurvey,
}

/// The reports that are a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RecordingKind {
    Screen,
    Shell,
}

/// The product that a report belongs to, which determines its XML namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Product {
    Support,
    Access,
}

/// The reports by name.
const REPORTS: [(&str, Report, Product); 24] = {
    use {Product::*, RecordingKind::*, Report::*, SessionReport::*};
    [
        ("SupportSession", Sessions(Session), Support),
        ("AccessSession", Sessions(Session), Access),
        ("SupportSessionListing", Sessions(Listing), Support),
        ("AccessSessionListing", Sessions(Listing), Access),
        ("SupportSessionSummary", Sessions(Summary), Support),
        ("AccessSessionSummary", Sessions(Summary), Access),
        ("SupportSessionRecording", File(Screen), Support),
        ("AccessSessionRecording", File(Screen), Access),
        ("CommandShellRecording", File(Shell), Support),
        ("SupportTeam", Team, Support),
        ("Team", Team, Access),
        ("SupportCustExitSurvey", Sessions(CustomerSurvey), Support),
        ("SupportRepExitSurvey", Sessions(RepSurvey), Support),
        ("Syslog", Syslog, Access),
        ("EndpointLicenseUsage", Endpoints, Access),
        (
            "VaultAccountActivity",
            Empty("No vault account activity matching your chosen criteria is available."),
            Access,
        ),
        (
            "LicenseUsage",
            Empty("No License Usage report information matching your chosen criteria is available."),
            Support,
        ),
        ("JumpItem", Empty("No Jump Item report information matching your chosen criteria is available."), Support),
        ("PresentationSession", Empty(NO_PRESENTATION), Support),
        ("PresentationSessionListing", Empty(NO_PRESENTATION), Support),
        ("PresentationSessionRecording", Empty(NO_RECORDING), Support),
        ("ShowMyScreenRecording", Empty(NO_RECORDING), Support),
        ("ArchiveListing", Empty(NO_ARCHIVE), Support),
        ("Archive", Empty(NO_ARCHIVE), Support),
    ]
};
const NO_PRESENTATION: &str = "No Presentation report information matching your chosen criteria is available.";
const NO_RECORDING: &str = "No recording was found for the given search criteria.";
const NO_ARCHIVE: &str = "No archives found for the given search criteria.";

service_group! {
    /// What the reports need.
    pub struct ReportServices {
        db: DatabaseConnection,
        identity: Arc<Identity>,
        public_url: PublicUrl,
        sessions: Arc<SessionRegistry>,
        archive: Arc<Archive>,
    }
}

/// Generates a report.
pub async fn reporting(
    State(authentication): State<Authentication>,
    State(services): State<ReportServices>,
    params: RequestParams,
) -> Result<Response, ApiError> {
    let compat = authentication.settings.get().beyondtrust;
    let name = params.get("generate_report");
    let named = name.and_then(|name| REPORTS.iter().find(|(known, ..)| *known == name));
    let product = named.map_or(Product::Support, |(.., product)| *product);
    let namespace = match product {
        Product::Support => compat.reporting_namespace,
        Product::Access => compat.access_namespace,
    };
    let Some(caller) = params.caller(&authentication).await? else {
        let by_name = params.has("username") || params.has("password");
        return Ok(if by_name { error(&namespace, "Login failed") } else { denied() });
    };
    let kind = match (name, named) {
        (None, _) => return Ok(error(&namespace, "The parameter generate_report is missing.")),
        (Some(_), None) => return Ok(error(&namespace, "Invalid report type")),
        (Some(_), Some((_, kind, _))) => *kind,
    };
    if !caller.may(Scope::EvidenceRead) {
        return Ok(error(&namespace, "The API account does not have permission to view this report."));
    }
    let reported = match kind {
        Report::Empty(message) => Err(message.to_owned()),
        Report::Syslog => return archives::syslog(&services.db, &services.public_url).await,
        Report::Endpoints => return archives::endpoints(),
        Report::File(kind) => match file(&services, &caller, kind, &params).await? {
            Ok(response) => return Ok(response),
            Err(message) => Err(message.to_owned()),
        },
        Report::Team => teams::teams(&services, &caller, product, &params).await?,
        Report::Sessions(kind) => match wanted(&params) {
            Ok(wanted) => Ok(sessions(&services, &caller, (kind, product), &wanted, &params).await?),
            Err(message) => Err(message),
        },
    };
    Ok(match reported {
        Ok(root) => answer(root.document(&namespace)),
        Err(message) => error(&namespace, &message),
    })
}

async fn users(db: &DatabaseConnection) -> Result<HashMap<i32, user::Model>, ApiError> {
    Ok(user::Entity::find().all(db).await?.into_iter().map(|u| (u.id, u)).collect())
}

async fn sessions(
    services: &ReportServices,
    caller: &Caller,
    (kind, product): (SessionReport, Product),
    wanted: &Wanted,
    params: &RequestParams,
) -> Result<Element, ApiError> {
    let ReportServices { db, identity, public_url, sessions, .. } = services;
    let users = users(db).await?;
    let found = find(db, sessions, wanted).await?;
    if kind == SessionReport::Summary {
        let teams = team::Entity::find().all(db).await?;
        return Ok(summaries(&found, &users, &teams, params));
    }
    let teams = TeamNames::load(db).await?;
    let mut list = Vec::new();
    let access = product == Product::Access;
    for Found { id, lseq, entries, session } in &found {
        let link = |kept: Downloadable, view: bool| downloads::link(identity, public_url, caller, id, kept, view);
        let source = Source {
            id,
            lseq: *lseq,
            entries,
            session,
            users: &users,
            teams: &teams,
            now: clock::now(),
            link: &link,
            access,
        };
        match kind {
            SessionReport::Session => list.push(source.session()),
            SessionReport::Listing => list.push(
                element("session_summary").with("lsid", id).with("has_recording", u8::from(report::recorded(entries))),
            ),
            SessionReport::CustomerSurvey => list.extend(report::customer_survey(&source)),
            // Technicians fill in no survey.
            SessionReport::RepSurvey | SessionReport::Summary => {}
        }
    }
    let root = match kind {
        SessionReport::Session => "session_list",
        SessionReport::Listing => "session_summary_list",
        SessionReport::CustomerSurvey | SessionReport::RepSurvey => "exit_survey_list",
        SessionReport::Summary => "summary_list",
    };
    Ok(element(root).children(list))
}

/// The number and duration of sessions of each technician or team.
fn summaries(
    found: &[Found],
    users: &HashMap<i32, user::Model>,
    teams: &[team::Model],
    params: &RequestParams,
) -> Element {
    let by_team = params.get("report_type") == Some("team");
    let only = params.get("id").filter(|id| *id != "all");
    let mut groups: std::collections::BTreeMap<i32, (String, u64, u64)> = std::collections::BTreeMap::new();
    for Found { entries, session, .. } in found {
        let Some(owner) = users.get(&session.owner().id) else { continue };
        let (id, name) = match teams.iter().find(|t| Some(t.id) == owner.team) {
            Some(team) if by_team => (team.id, team.name.clone()),
            // Technicians without a team are not counted.
            None if by_team => continue,
            _ => (owner.id, owner.name.clone()),
        };
        let start = report::began(entries).unwrap_or_default();
        let length = report::ended(entries).map_or(0, |end| end.since(start));
        let group = groups.entry(id).or_insert((name, 0, 0));
        group.1 += 1;
        group.2 += length;
    }
    let kind = if by_team { "team" } else { "rep" };
    let groups = groups.into_iter().filter(|(id, _)| only.is_none_or(|only| *only == id.to_string()));
    element("summary_list").children(groups.map(|(id, (name, count, length))| {
        element("summary")
            .with("type", kind)
            .with("id", id)
            .child(text("display_name", name))
            .child(text("total_sessions", count))
            .child(text("total_duration", report::duration(length)))
            .child(text("average_duration", report::duration(length.checked_div(count).unwrap_or_default())))
    }))
}

/// A recording, or why there is none.
async fn file(
    ReportServices { sessions, archive, .. }: &ReportServices,
    caller: &Caller,
    kind: RecordingKind,
    params: &RequestParams,
) -> Result<Result<Response, &'static str>, ApiError> {
    let id = params.get("lsid").and_then(|id| SessionId::try_from(id.to_ascii_lowercase()).ok());
    let Some(id) = id else { return Ok(Err("Invalid value for lsid")) };
    let Some(entries) = sessions.read(&id).await? else { return Ok(Err(NO_RECORDING)) };
    let kept = match kind {
        RecordingKind::Shell => match params.get("instance").unwrap_or("0").parse() {
            Ok(instance) => Downloadable::Shell(instance),
            Err(_) => return Ok(Err("Invalid value for instance")),
        },
        RecordingKind::Screen => Downloadable::Recording,
    };
    let exists = match kept {
        Downloadable::Shell(n) => report::shells(&entries).len() > n as usize,
        Downloadable::Chat | Downloadable::Recording => report::recorded(&entries),
    };
    if !exists {
        return Ok(Err(NO_RECORDING));
    }
    downloads::file(archive, &id, &entries, kept, false, &params.headers, caller.as_ref()).await.map(Ok)
}
