//! Selects the sessions of a report.

use std::sync::Arc;

use live_sessions::SessionRegistry;
use protocol::{Entry, SessionId, Timestamp};
use sea_orm::{
    ColumnTrait, DatabaseConnection, EntityTrait, ExprTrait, Order, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};
use session::Session;
use store::tables::{event_row, session_history};

use crate::{
    api::ApiError,
    beyondtrust::{report, request_params::RequestParams},
};

/// The most sessions in a report.
const MAX_SESSIONS: usize = 10_000;

/// A session with the data of its report.
pub struct Found {
    pub id: SessionId,
    pub lseq: i64,
    pub entries: Vec<Entry>,
    pub session: Session,
}

/// A selection of sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    These(Vec<SessionId>),
    /// Begun in this period, running or ended; in milliseconds, excluding the end.
    Begun(u64, u64),
    /// Ended in this period.
    Ended(u64, u64),
    /// Running at some time in this period.
    Touching(u64, u64),
}

/// Midnight of a day, `YYYY-MM-DD`, in UTC.
fn day(text: &str) -> Option<u64> {
    let date: jiff::civil::Date = text.parse().ok()?;
    let at = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    u64::try_from(at.as_millisecond()).ok()
}

/// The sessions that a request selects.
pub fn wanted(params: &RequestParams) -> Result<Wanted, String> {
    if let Some(ids) = params.any(&["lsid", "lsids"]) {
        let ids = ids.split(',').map(|id| SessionId::try_from(id.trim().to_ascii_lowercase()));
        let mut ids = ids.collect::<Result<Vec<_>, _>>().map_err(|_| "Invalid value for lsid".to_owned())?;
        let mut seen = std::collections::HashSet::new();
        ids.retain(|id| seen.insert(id.clone()));
        return Ok(Wanted::These(ids));
    }
    match period(params)? {
        Some((Since::Begun, from, until)) => Ok(Wanted::Begun(from, until)),
        Some((Since::Ended, from, until)) => Ok(Wanted::Ended(from, until)),
        None => Err("One of start_date, start_time, end_date, end_time or lsid is needed.".into()),
    }
}

/// What a period refers to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Since {
    Begun,
    Ended,
}

/// The period in milliseconds, excluding the end; `None` when none is given.
pub fn period(params: &RequestParams) -> Result<Option<(Since, u64, u64)>, String> {
    const SECOND: u64 = 1_000;
    const DAY: u64 = 86_400 * SECOND;
    // The finer unit takes precedence.
    let forms = [
        ("start_time", SECOND, Since::Begun),
        ("start_date", DAY, Since::Begun),
        ("end_time", SECOND, Since::Ended),
        ("end_date", DAY, Since::Ended),
    ];
    let found = forms.iter().find_map(|(n, unit, since)| Some((*n, params.get(n)?, *unit, *since)));
    let Some((name, value, unit, since)) = found else { return Ok(None) };
    let bad = |name: &str| format!("Invalid value for {name}");
    let from = if unit == DAY { day(value) } else { value.parse::<u64>().ok().and_then(|s| s.checked_mul(SECOND)) };
    let from = from.ok_or_else(|| bad(name))?;
    let length = match params.get("duration") {
        None => return Err("The parameter duration is missing.".into()),
        Some(text) => text.parse::<u64>().map_err(|_| bad("duration"))?,
    };
    let until = match length {
        0 => u64::MAX,
        length => length.checked_mul(unit).and_then(|l| from.checked_add(l)).ok_or_else(|| bad("duration"))?,
    };
    Ok(Some((since, from, until)))
}

/// A time as the database stores it.
fn stored(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

/// Ended sessions with a customer, under a condition.
fn over(condition: sea_orm::Condition) -> sea_orm::Select<session_history::Entity> {
    session_history::Entity::find()
        .filter(session_history::Column::Joined.eq(true))
        .filter(condition)
        .limit(MAX_SESSIONS as u64)
}

/// When the customer joined, in the session index.
fn joined_at() -> sea_orm::sea_query::SimpleExpr {
    Expr::col(session_history::Column::Started).add(Expr::col(session_history::Column::Waited))
}

/// The selected sessions with their timelines.
pub async fn find(
    db: &DatabaseConnection,
    sessions: &Arc<SessionRegistry>,
    wanted: &Wanted,
) -> Result<Vec<Found>, ApiError> {
    // Ended sessions are in the session index; running ones and those being stored are in the registry.
    let during = |at: Option<Timestamp>, from: u64, until: u64| at.is_some_and(|at| (from..until).contains(&at.0));
    let mut ids: Vec<SessionId> = match wanted {
        Wanted::These(ids) => ids.clone(),
        Wanted::Begun(from, until) | Wanted::Ended(from, until) => {
            let begun = matches!(wanted, Wanted::Begun(..));
            let time = if begun { joined_at() } else { Expr::col(session_history::Column::Ended) };
            let within =
                sea_orm::Condition::all().add(time.clone().gte(stored(*from))).add(time.clone().lt(stored(*until)));
            let rows = over(within).order_by(time, Order::Asc).all(db).await?;
            let mut ids: Vec<SessionId> =
                rows.into_iter().filter_map(|r| SessionId::try_from(r.session).ok()).collect();
            for live in sessions.all() {
                let entries = live.entries().await;
                let began = report::began(&entries);
                let at = if begun { began } else { began.and(report::ended(&entries)) };
                if during(at, *from, *until) && !ids.contains(&live.id) {
                    ids.push(live.id.clone());
                }
            }
            ids
        }
        Wanted::Touching(from, until) => {
            let within = sea_orm::Condition::all()
                .add(joined_at().lt(stored(*until)))
                .add(Expr::col(session_history::Column::Ended).gte(stored(*from)));
            let rows = over(within).order_by(joined_at(), Order::Asc).all(db).await?;
            let mut ids: Vec<SessionId> =
                rows.into_iter().filter_map(|r| SessionId::try_from(r.session).ok()).collect();
            let live = sessions.all().into_iter().map(|live| live.id.clone());
            let live: Vec<_> = live.filter(|id| !ids.contains(id)).collect();
            ids.extend(live);
            ids
        }
    };
    ids.truncate(MAX_SESSIONS);
    let mut found = Vec::new();
    for id in ids {
        let Some(entries) = sessions.read(&id).await? else { continue };
        let first = event_row::Entity::find().filter(event_row::Column::Session.eq(id.as_str()));
        let first = first.order_by_asc(event_row::Column::Seq).limit(1).one(db).await?;
        let session = Session::after(id.clone(), sessions.services.policy.policy(), &entries);
        found.push(Found { lseq: first.map_or(0, |row| row.id), id, entries, session });
    }
    Ok(found)
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
