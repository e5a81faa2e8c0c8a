//! Ended sessions: full-text search, and reports for heads of support.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Query, State},
    http::header,
    response::{IntoResponse, Response},
};
use protocol::Timestamp;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait};
use serde::{Deserialize, Serialize};
use store::{tables::session_history, teams::TeamNames, transcript_fts::Search};
use ts_rs::TS;

use super::{ApiError, Result, SignedIn};

use crate::access_scope;

/// How many sessions a search returns, and how many places within them.
const MAX_SESSIONS: u64 = 100;
const MAX_PLACES: u64 = 400;
/// How many sessions a report counts at most.
const MAX_COUNTED: u64 = 200_000;

/// A search in the session index.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchQuery {
    #[serde(default)]
    q: String,
}

/// An ended session.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct PastSession {
    pub session: String,
    pub incident: i32,
    pub number: String,
    pub subject: String,
    pub customer: String,
    pub technician: String,
    pub team: String,
    pub started: Timestamp,
    pub ended: Timestamp,
    pub ending: String,
    pub rating: Option<i32>,
    pub recorded: bool,
    pub held: bool,
    /// Where the search text was found.
    pub places: Vec<Place>,
}

/// A place in a session.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct Place {
    #[ts(type = "number")]
    pub at: i64,
    pub who: String,
    /// The surrounding text; matches are between U+0001 and U+0002.
    pub text: String,
}

/// The ended sessions that the user may see, the newest first; with a search text, those that contain it.
pub async fn search(
    State(db): State<DatabaseConnection>,
    me: SignedIn,
    Query(query): Query<SearchQuery>,
) -> Result<Json<Vec<PastSession>>> {
    let mut places: BTreeMap<String, Vec<Place>> = BTreeMap::new();
    let mut found = session_history::Entity::find()
        .filter(access_scope::past(&me.0))
        .order_by_desc(session_history::Column::Ended)
        .limit(MAX_SESSIONS);
    if query.q.chars().count() > 200 {
        return Err(ApiError::bad("A search has at most 200 characters."));
    }
    if let Some(search) = Search::new(&query.q) {
        let visible = session_history::Entity::find()
            .select_only()
            .column(session_history::Column::Session)
            .filter(access_scope::past(&me.0));
        let visible = visible.build(db.get_database_backend());
        for line in search.find(&db, &visible, MAX_PLACES).await? {
            let place = Place { at: line.at, who: line.who, text: search.excerpt(&line.shown) };
            places.entry(line.session).or_default().push(place);
        }
        found = found.filter(session_history::Column::Session.is_in(places.keys().cloned()));
    }
    let time = |at: i64| Timestamp(at.cast_unsigned());
    let names = TeamNames::load(&db).await?;
    let rows = found.all(&db).await?.into_iter().map(|row| PastSession {
        places: places.remove(&row.session).unwrap_or_default(),
        session: row.session,
        incident: row.incident,
        number: row.number,
        subject: row.subject,
        customer: row.customer,
        technician: row.owner_name,
        team: names.of(row.team).to_owned(),
        started: time(row.started),
        ended: time(row.ended),
        ending: row.ending,
        rating: row.rating,
        recorded: row.recording_bytes.is_some(),
        held: row.held,
    });
    Ok(Json(rows.collect()))
}

/// The period of a report, in milliseconds since 1970. Days begin `offset` minutes before those of UTC.
#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Period {
    from: i64,
    until: i64,
    #[serde(default)]
    offset: i64,
}

/// Figures of a group of sessions.
#[derive(Clone, Debug, Default, Serialize, TS)]
#[ts(export)]
pub struct Count {
    pub name: String,
    pub sessions: u32,
    /// Sessions that a customer joined.
    pub joined: u32,
    /// From the key to the customer's arrival, on average, in milliseconds.
    #[ts(type = "number")]
    pub wait: i64,
    /// From the customer's arrival to the end, on average, in milliseconds.
    #[ts(type = "number")]
    pub handling: i64,
    pub transfers: i32,
    pub holds: i32,
    pub files: i32,
    pub rated: u32,
    /// The average rating; 0 without ratings.
    pub rating: f64,
}

/// The figures of a period, in total and by group.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct Report {
    pub total: Count,
    pub days: Vec<Count>,
    pub technicians: Vec<Count>,
    pub teams: Vec<Count>,
    pub kinds: Vec<Count>,
    pub endings: Vec<Count>,
}

fn count(name: String, rows: &[&session_history::Model]) -> Count {
    let mean = |sum: i64, of: u32| if of == 0 { 0 } else { sum / i64::from(of) };
    let joined = rows.iter().filter(|r| r.joined).count() as u32;
    let rated: Vec<_> = rows.iter().filter_map(|r| r.rating).collect();
    Count {
        name,
        sessions: rows.len() as u32,
        joined,
        wait: mean(rows.iter().filter(|r| r.joined).map(|r| r.waited).sum(), joined),
        handling: mean(rows.iter().map(|r| r.handled).sum(), joined),
        transfers: rows.iter().map(|r| r.transfers).sum(),
        holds: rows.iter().map(|r| r.holds).sum(),
        files: rows.iter().map(|r| r.files).sum(),
        rated: rated.len() as u32,
        rating: if rated.is_empty() { 0.0 } else { f64::from(rated.iter().sum::<i32>()) / rated.len() as f64 },
    }
}

fn group_by(rows: &[session_history::Model], name: impl Fn(&session_history::Model) -> String) -> Vec<Count> {
    let mut groups: BTreeMap<String, Vec<&session_history::Model>> = BTreeMap::new();
    for row in rows {
        groups.entry(name(row)).or_default().push(row);
    }
    groups.into_iter().map(|(name, rows)| count(name, &rows)).collect()
}

fn day(row: &session_history::Model, offset: i64) -> String {
    let local = jiff::Timestamp::from_millisecond(row.started - offset * 60_000).unwrap_or_default();
    local.strftime("%Y-%m-%d").to_string()
}

async fn finished_in(db: &DatabaseConnection, me: &SignedIn, period: Period) -> Result<Vec<session_history::Model>> {
    if period.until <= period.from || !(-24 * 60..=24 * 60).contains(&period.offset) {
        return Err(ApiError::bad("The period must end after it begins, and days begin at most 24 hours from UTC's."));
    }
    let rows = session_history::Entity::find()
        .filter(access_scope::past(&me.0))
        .filter(session_history::Column::Started.gte(period.from))
        .filter(session_history::Column::Started.lt(period.until))
        .order_by_asc(session_history::Column::Started)
        .limit(MAX_COUNTED);
    Ok(rows.all(db).await?)
}

/// A report on the sessions that the user may see.
pub async fn report(
    State(db): State<DatabaseConnection>,
    me: SignedIn,
    Query(period): Query<Period>,
) -> Result<Json<Report>> {
    let rows = finished_in(&db, &me, period).await?;
    let names = TeamNames::load(&db).await?;
    let named = |name: &str| if name.is_empty() { "none".to_owned() } else { name.to_owned() };
    Ok(Json(Report {
        total: count("all".into(), &rows.iter().collect::<Vec<_>>()),
        days: group_by(&rows, |r| day(r, period.offset)),
        technicians: group_by(&rows, |r| r.owner_name.clone()),
        teams: group_by(&rows, |r| named(names.of(r.team))),
        kinds: group_by(&rows, |r| named(&r.kind)),
        endings: group_by(&rows, |r| r.ending.clone()),
    }))
}

/// The same sessions, one on each line, as CSV (RFC 4180).
pub async fn csv(State(db): State<DatabaseConnection>, me: SignedIn, Query(period): Query<Period>) -> Result<Response> {
    let rows = finished_in(&db, &me, period).await?;
    let names = TeamNames::load(&db).await?;
    let mut text = String::from(
        "session,day,incident,type,customer,technician,team,started,ended,ending,wait_seconds,handling_seconds,messages,files,transfers,holds,rating\r\n",
    );
    let utc = |at: i64| evidence::transcript::utc(Timestamp(at.cast_unsigned()));
    for r in &rows {
        let cells = [
            r.session.clone(),
            day(r, period.offset),
            r.number.clone(),
            r.kind.clone(),
            r.customer.clone(),
            r.owner_name.clone(),
            names.of(r.team).to_owned(),
            utc(r.started),
            utc(r.ended),
            r.ending.clone(),
            (r.waited / 1_000).to_string(),
            (r.handled / 1_000).to_string(),
            r.messages.to_string(),
            r.files.to_string(),
            r.transfers.to_string(),
            r.holds.to_string(),
            r.rating.map_or(String::new(), |n| n.to_string()),
        ];
        text.push_str(&cells.map(|c| cell(&c)).join(","));
        text.push_str("\r\n");
    }
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"sessions.csv\""),
    ];
    Ok((headers, text).into_response())
}

/// A CSV cell that no spreadsheet program takes for a formula.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_and_is_no_formula() {
        assert_eq!(cell("a,b"), "\"a,b\"");
        assert_eq!(cell("say \"hi\""), "\"say \"\"hi\"\"\"");
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!(cell("-5"), "-5");
    }
}
