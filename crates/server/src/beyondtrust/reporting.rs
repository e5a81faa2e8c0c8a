//! The Reporting API: what was, in XML, and the recordings themselves.

use std::collections::HashMap;

use axum::{extract::State, response::Response};
use protocol::{Entry, SessionId, Timestamp};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, Order, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr};
use session::Session;

use super::{
    answer,
    asked::Asked,
    denied, downloads, error,
    report::{self, Kept, Source},
    xml::{Element, element, text},
};
use crate::{
    accounts::{Caller, Scope},
    api::ApiError,
    app::{self, Shared},
    store::tables::{event_row, past, team, user},
};

/// How many sessions one report holds at most.
const MOST: usize = 10_000;

/// Every report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Report {
    Session,
    Listing,
    Summary,
    Recording,
    Shell,
    Team,
    CustomerSurvey,
    RepSurvey,
}

impl Report {
    /// The report by its name, and whether that is one of the `Access…` names.
    fn of(name: &str) -> Option<(Self, bool)> {
        Some(match name {
            "SupportSession" => (Self::Session, false),
            "AccessSession" => (Self::Session, true),
            "SupportSessionListing" => (Self::Listing, false),
            "AccessSessionListing" => (Self::Listing, true),
            "SupportSessionSummary" => (Self::Summary, false),
            "AccessSessionSummary" => (Self::Summary, true),
            "SupportSessionRecording" => (Self::Recording, false),
            "AccessSessionRecording" => (Self::Recording, true),
            "CommandShellRecording" => (Self::Shell, false),
            "SupportTeam" => (Self::Team, false),
            "Team" => (Self::Team, true),
            "SupportCustExitSurvey" => (Self::CustomerSurvey, false),
            "SupportRepExitSurvey" => (Self::RepSurvey, false),
            _ => return None,
        })
    }
}

/// A session with what its report is made from.
struct Found {
    id: SessionId,
    lseq: i64,
    entries: Vec<Entry>,
    session: Session,
}

/// Answers a report.
pub async fn reporting(State(app): State<Shared>, asked: Asked) -> Result<Response, ApiError> {
    let dialect = app.settings().beyondtrust;
    let named = asked.get("generate_report").map(|name| (name, Report::of(name)));
    let access = matches!(named, Some((_, Some((_, true)))));
    let namespace = if access { dialect.access_namespace } else { dialect.reporting_namespace };
    let Some(caller) = asked.caller(&app).await? else {
        let by_name = asked.has("username") || asked.has("password");
        return Ok(if by_name { error(&namespace, "Login failed") } else { denied() });
    };
    let kind = match named {
        None => return Ok(error(&namespace, "The parameter generate_report is missing.")),
        Some((_, None)) => return Ok(error(&namespace, "Invalid report type")),
        Some((_, Some((kind, _)))) => kind,
    };
    if !caller.may(Scope::EvidenceRead) {
        return Ok(error(&namespace, "The API account does not have permission to view this report."));
    }
    let root = match kind {
        Report::Recording | Report::Shell => {
            return Ok(match file(&app, &caller, kind, &asked).await? {
                Ok(response) => response,
                Err(words) => error(&namespace, words),
            });
        }
        Report::Team => teams(&app, &asked).await?,
        _ => match wanted(&asked) {
            Ok(wanted) => sessions(&app, kind, access, &wanted, &asked).await?,
            Err(words) => return Ok(error(&namespace, &words)),
        },
    };
    Ok(answer(root.document(&namespace)))
}

/// Which sessions a report is about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    These(Vec<SessionId>),
    /// Begun in this time, be they over or not; in milliseconds, without the end.
    Begun(u64, u64),
    /// Ended in this time.
    Ended(u64, u64),
}

/// Midnight of a day, `YYYY-MM-DD`, in UTC.
fn day(text: &str) -> Option<u64> {
    let date: jiff::civil::Date = text.parse().ok()?;
    let at = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    u64::try_from(at.as_millisecond()).ok()
}

fn wanted(asked: &Asked) -> Result<Wanted, String> {
    if let Some(ids) = asked.any(&["lsid", "lsids"]) {
        let ids = ids.split(',').map(|id| SessionId::try_from(id.trim().to_ascii_lowercase()));
        return Ok(Wanted::These(ids.collect::<Result<_, _>>().map_err(|_| "Invalid value for lsid".to_owned())?));
    }
    const SECOND: u64 = 1_000;
    const DAY: u64 = 86_400 * SECOND;
    // The finer one counts where both are given.
    let forms = [("start_time", SECOND), ("start_date", DAY), ("end_time", SECOND), ("end_date", DAY)];
    let Some((name, value, unit)) = forms.iter().find_map(|(n, u)| Some((*n, asked.get(n)?, *u))) else {
        return Err("One of start_date, start_time, end_date, end_time or lsid is needed.".into());
    };
    let bad = |name: &str| format!("Invalid value for {name}");
    let from = if unit == DAY { day(value) } else { value.parse::<u64>().ok().and_then(|s| s.checked_mul(SECOND)) };
    let from = from.ok_or_else(|| bad(name))?;
    let length = match asked.get("duration") {
        None => return Err("The parameter duration is missing.".into()),
        Some(text) => text.parse::<u64>().map_err(|_| bad("duration"))?,
    };
    let until = match length {
        0 => u64::MAX,
        length => length.checked_mul(unit).and_then(|l| from.checked_add(l)).ok_or_else(|| bad("duration"))?,
    };
    Ok(if name.starts_with("start") { Wanted::Begun(from, until) } else { Wanted::Ended(from, until) })
}

async fn find(app: &Shared, wanted: &Wanted) -> Result<Vec<Found>, ApiError> {
    // Sessions that are over stand in the catalogue; what goes on, or is being stored, is in the hub.
    let live = app.hub.all();
    let during = |at: Option<Timestamp>, from: u64, until: u64| at.is_some_and(|at| (from..until).contains(&at.0));
    let mut ids: Vec<SessionId> = match wanted {
        Wanted::These(ids) => ids.clone(),
        Wanted::Begun(from, until) | Wanted::Ended(from, until) => {
            let begun = matches!(wanted, Wanted::Begun(..));
            let time = if begun {
                Expr::col(past::Column::Started).add(Expr::col(past::Column::Waited))
            } else {
                Expr::col(past::Column::Ended)
            };
            let stored = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
            let rows = past::Entity::find()
                .filter(past::Column::Joined.eq(true))
                .filter(time.clone().gte(stored(*from)))
                .filter(time.clone().lt(stored(*until)))
                .order_by(time, Order::Asc)
                .limit(MOST as u64);
            let mut ids: Vec<SessionId> =
                rows.all(&app.db).await?.into_iter().filter_map(|r| SessionId::try_from(r.session).ok()).collect();
            for live in live {
                let entries = live.entries().await;
                let began = report::began(&entries);
                let at = if begun { began } else { report::ended(&entries).and(began).and(report::ended(&entries)) };
                if during(at, *from, *until) && !ids.contains(&live.id) {
                    ids.push(live.id.clone());
                }
            }
            ids
        }
    };
    ids.truncate(MOST);
    let mut found = Vec::new();
    for id in ids {
        let Some(entries) = app.hub.read(app, &id).await? else { continue };
        let first = event_row::Entity::find().filter(event_row::Column::Session.eq(id.as_str()));
        let first = first.order_by_asc(event_row::Column::Seq).limit(1).one(&app.db).await?;
        let session = Session::after(id.clone(), app.policy(), &entries);
        found.push(Found { lseq: first.map_or(0, |row| row.id), id, entries, session });
    }
    Ok(found)
}

async fn users(app: &Shared) -> Result<HashMap<i32, user::Model>, ApiError> {
    Ok(user::Entity::find().all(&app.db).await?.into_iter().map(|u| (u.id, u)).collect())
}

async fn sessions(
    app: &Shared,
    kind: Report,
    access: bool,
    wanted: &Wanted,
    asked: &Asked,
) -> Result<Element, ApiError> {
    let users = users(app).await?;
    let found = find(app, wanted).await?;
    if kind == Report::Summary {
        let teams = team::Entity::find().all(&app.db).await?;
        return Ok(summaries(&found, &users, &teams, asked));
    }
    let mut list = Vec::new();
    for Found { id, lseq, entries, session } in &found {
        let link = |kept: Kept, view: bool| downloads::link(app, id, kept, view);
        let source = Source { id, lseq: *lseq, entries, session, users: &users, now: app::now(), link: &link, access };
        match kind {
            Report::Session => list.push(source.session()),
            Report::Listing => list.push(
                element("session_summary").with("lsid", id).with("has_recording", u8::from(report::recorded(entries))),
            ),
            Report::CustomerSurvey => list.extend(report::customer_survey(&source)),
            // Technicians fill in no survey.
            _ => {}
        }
    }
    let root = match kind {
        Report::Session => "session_list",
        Report::Listing => "session_summary_list",
        _ => "exit_survey_list",
    };
    Ok(element(root).children(list))
}

/// How many sessions each technician or team had, and for how long.
fn summaries(found: &[Found], users: &HashMap<i32, user::Model>, teams: &[team::Model], asked: &Asked) -> Element {
    let by_team = asked.get("report_type") == Some("team");
    let only = asked.get("id").filter(|id| *id != "all");
    let mut groups: std::collections::BTreeMap<i32, (String, u64, u64)> = std::collections::BTreeMap::new();
    for Found { entries, session, .. } in found {
        let Some(owner) = users.get(&session.owner().id) else { continue };
        let (id, name) = match teams.iter().find(|t| t.name == owner.team) {
            Some(team) if by_team => (team.id, team.name.clone()),
            // Who is in no team counts for none.
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

/// Teams and who is in them.
async fn teams(app: &Shared, asked: &Asked) -> Result<Element, ApiError> {
    let users = user::Entity::find().order_by_asc(user::Column::Id).all(&app.db).await?;
    let wanted = asked.get("team_id").filter(|id| *id != "all").map(str::to_owned);
    let teams = team::Entity::find().order_by_asc(team::Column::Id).all(&app.db).await?;
    let teams = teams.into_iter().filter(|t| wanted.as_ref().is_none_or(|id| *id == t.id.to_string()));
    Ok(element("team_activity_list").children(teams.map(|team| {
        let members = users.iter().filter(|u| u.team == team.name).map(|u| {
            element("representative")
                .with("id", u.id)
                .child(text("username", &u.login))
                .child(text("display_name", &u.name))
        });
        element("team_activity")
            .with("id", team.id)
            .with("name", &team.name)
            .child(element("members").children(members))
            .child(element("events"))
    })))
}

/// A recording itself, or why there is none.
async fn file(
    app: &Shared,
    caller: &Caller,
    kind: Report,
    asked: &Asked,
) -> Result<Result<Response, &'static str>, ApiError> {
    const NONE: &str = "No recording was found for the given search criteria.";
    let id = asked.get("lsid").and_then(|id| SessionId::try_from(id.to_ascii_lowercase()).ok());
    let Some(id) = id else { return Ok(Err("Invalid value for lsid")) };
    let Some(entries) = app.hub.read(app, &id).await? else { return Ok(Err(NONE)) };
    let kept = match kind {
        Report::Shell => match asked.get("instance").unwrap_or("0").parse() {
            Ok(instance) => Kept::Shell(instance),
            Err(_) => return Ok(Err("Invalid value for instance")),
        },
        _ => Kept::Recording,
    };
    let exists = match kept {
        Kept::Shell(n) => report::shells(&entries).len() > n as usize,
        _ => report::recorded(&entries),
    };
    if !exists {
        return Ok(Err(NONE));
    }
    downloads::file(app, &id, &entries, kept, false, &asked.headers, caller.as_ref()).await.map(Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_at_midnight_utc() {
        assert_eq!(day("1970-01-02"), Some(86_400_000));
        assert_eq!(day("2024-12-03"), Some(1_733_184_000_000));
        for bad in ["", "2024-13-01", "yesterday", "1960-01-01"] {
            assert_eq!(day(bad), None, "{bad}");
        }
    }
}
