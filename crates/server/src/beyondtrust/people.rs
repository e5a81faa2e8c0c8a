//! Representatives, teams and queues, by the names that the original gives them.

use protocol::{Presence, Queue, UserRef};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder};

use crate::{
    app::{self, Shared},
    store::tables::{team, user},
};

/// Who was not heard of for so long is not logged in: open consoles ask every few seconds.
const SEEN_MS: u64 = 40_000;

/// A queue, as `queue_id` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueId {
    General,
    Rep(i32),
    RepName(String),
    Team(i32),
    /// By a team's code name: Deskside has no issues, each of its teams takes what is sent to it.
    Issue(String),
}

/// Where a queue leads.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    General,
    Rep(user::Model),
    Team(team::Model),
}

impl QueueId {
    /// Reads `general`, `rep:2`, `team:1`, `rep_username:tom` or `issue:support`.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "general" {
            return Some(Self::General);
        }
        let (kind, name) = text.split_once(':')?;
        match kind {
            "general" => Some(Self::General),
            "rep" => name.parse().ok().map(Self::Rep),
            "team" => name.parse().ok().map(Self::Team),
            "rep_username" if !name.is_empty() => Some(Self::RepName(name.to_lowercase())),
            "issue" if !name.is_empty() => Some(Self::Issue(name.to_owned())),
            _ => None,
        }
    }

    /// The technician or team by that name; `None` when there is none, or the technician has left.
    pub async fn find(&self, app: &Shared) -> Result<Option<Place>, DbErr> {
        let working = user::Entity::find().filter(user::Column::Disabled.eq(false));
        Ok(match self {
            Self::General => Some(Place::General),
            Self::Rep(id) => working.filter(user::Column::Id.eq(*id)).one(&app.db).await?.map(Place::Rep),
            Self::RepName(name) => {
                working.filter(user::Column::Login.eq(name.as_str())).one(&app.db).await?.map(Place::Rep)
            }
            Self::Team(id) => team::Entity::find_by_id(*id).one(&app.db).await?.map(Place::Team),
            Self::Issue(code) => {
                let named = team::Entity::find().filter(team::Column::CodeName.eq(code.as_str()));
                named.one(&app.db).await?.map(Place::Team)
            }
        })
    }
}

impl Place {
    /// Whether somebody is there to help.
    pub async fn available(&self, app: &Shared) -> Result<bool, DbErr> {
        let reps = logged_in(app).await?;
        Ok(reps.iter().any(|r| match self {
            Self::General => true,
            Self::Rep(rep) => r.id == rep.id,
            Self::Team(team) => r.team == team.name,
        }))
    }

    /// The queue as sessions know it; a technician's own is nobody else's.
    pub fn queue(&self) -> Option<Queue> {
        match self {
            Self::General => Some(Queue::General),
            Self::Team(team) => Some(Queue::Team { team: team.name.clone() }),
            Self::Rep(_) => None,
        }
    }
}

/// A technician as sessions name them.
pub fn as_ref(user: &user::Model) -> UserRef {
    UserRef { id: user.id, name: user.name.clone() }
}

/// The technicians whose console is open.
pub async fn logged_in(app: &Shared) -> Result<Vec<user::Model>, DbErr> {
    let seen = app.seen.lock().expect("nobody panics while holding who was seen").clone();
    let now = app::now();
    let here = seen.iter().filter(|(_, at)| now.since(**at) < SEEN_MS).map(|(id, _)| *id);
    user::Entity::find()
        .filter(user::Column::Disabled.eq(false))
        .filter(user::Column::Id.is_in(here))
        .order_by_asc(user::Column::Id)
        .all(&app.db)
        .await
}

/// How many sessions a technician is in.
pub async fn sessions_of(app: &Shared, user: i32) -> u32 {
    let mut count = 0;
    for live in app.hub.all() {
        let here = |p: &protocol::Participant| p.user == Some(user) && p.presence == Presence::Here;
        count += u32::from(live.ask(|s| s.participants().iter().any(here)).await);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_named_in_five_ways() {
        let table = [
            ("general", Some(QueueId::General)),
            ("rep:2", Some(QueueId::Rep(2))),
            ("team:17", Some(QueueId::Team(17))),
            ("rep_username:Tom", Some(QueueId::RepName("tom".into()))),
            ("issue:it_support", Some(QueueId::Issue("it_support".into()))),
            ("", None),
            ("rep:", None),
            ("rep:x", None),
            ("team:99999999999", None),
            ("rep_username:", None),
            ("embassy:1", None),
        ];
        for (text, queue) in table {
            assert_eq!(QueueId::parse(text), queue, "{text}");
        }
    }
}
