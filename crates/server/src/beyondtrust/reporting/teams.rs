//! The report on the activity of teams.

use platform::clock;
use sea_orm::{EntityTrait, QueryOrder};
use store::{
    tables::{team, user},
    teams::TeamNames,
};

use super::{
    Product, ReportServices,
    which::{Found, Wanted, find, period},
};

use crate::{
    accounts::Caller,
    api::ApiError,
    beyondtrust::{
        downloads,
        report::{Downloadable, ReportEvent, Source},
        request_params::RequestParams,
        xml::{Element, element, text},
    },
};

const NOTHING: &str = "No Support Team report information matching your chosen criteria is available.";

/// The activity of each team's members, and what entered its queue. Teams without activity are omitted.
pub async fn teams(
    ReportServices { db, identity, public_url, sessions, .. }: &ReportServices,
    caller: &Caller,
    product: Product,
    params: &RequestParams,
) -> Result<Result<Element, String>, ApiError> {
    let (from, until) = match period(params) {
        Ok(period) => period.map_or((0, u64::MAX), |(_, from, until)| (from, until)),
        Err(message) => return Ok(Err(message)),
    };
    let users = super::users(db).await?;
    let team_names = TeamNames::load(db).await?;
    let wanted = params.get("team_id").filter(|id| *id != "all").map(str::to_owned);
    let teams = team::Entity::find().order_by_asc(team::Column::Id).all(db).await?;
    let teams = teams.into_iter().filter(|t| wanted.as_ref().is_none_or(|id| *id == t.id.to_string()));
    // Each team with its events.
    let mut activity: Vec<(team::Model, Vec<ReportEvent>)> = teams.map(|team| (team, Vec::new())).collect();
    for Found { id, lseq, entries, session } in &find(db, sessions, &Wanted::Touching(from, until)).await? {
        let link = |kept: Downloadable, view: bool| downloads::link(identity, public_url, caller, id, kept, view);
        let access = product == Product::Access;
        let source = Source {
            id,
            lseq: *lseq,
            entries,
            session,
            users: &users,
            teams: &team_names,
            now: clock::now(),
            link: &link,
            access,
        };
        for reported in source.details().into_iter().filter(|reported| (from..until).contains(&reported.at.0)) {
            let by = reported.by.and_then(|by| users.get(&session.participant(by)?.user?));
            let fits = |team: &team::Model| match (&reported.team, by) {
                (Some(queue), _) => *queue == team.name,
                (None, Some(user)) => user.team == Some(team.id),
                (None, None) => false,
            };
            if let Some((_, events)) = activity.iter_mut().find(|(team, _)| fits(team)) {
                events.push(reported);
            }
        }
    }
    activity.retain(|(_, events)| !events.is_empty());
    if activity.is_empty() {
        return Ok(Err(NOTHING.into()));
    }
    let mut people: Vec<&user::Model> = users.values().collect();
    people.sort_by_key(|user| user.id);
    Ok(Ok(element("team_activity_list").children(activity.into_iter().map(|(team, mut events)| {
        events.sort_by_key(|reported| reported.at);
        let members = people.iter().filter(|u| u.team == Some(team.id)).map(|u| {
            element("representative")
                .with("id", u.id)
                .child(text("username", &u.login))
                .child(text("display_name", &u.name))
        });
        element("team_activity")
            .with("id", team.id)
            .with("name", &team.name)
            .child(element("members").children(members))
            .child(element("events").children(events.into_iter().map(|reported| reported.element)))
    }))))
}
