//! Representatives, teams and queues in the original's terms.

use protocol::{Queue, Timestamp};
use sea_orm::{ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QueryOrder};
use store::tables::{login, team, user};

use crate::{api::LOGIN_MS, desk::session_start, organisation::Organisation};

/// The longest name in a `queue_id`, in bytes.
const MAX_QUEUE_NAME: usize = 256;

/// A queue as `queue_id` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueId {
    General,
    Rep(i32),
    RepName(String),
    Team(i32),
    /// By a team's code name: Deskside has no issues, so each team stands for one.
    Issue(String),
}

/// The team or technician of a queue.
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
        let (kind, name) = text.split_once(':').filter(|(_, name)| name.len() <= MAX_QUEUE_NAME)?;
        match kind {
            "general" => Some(Self::General),
            "rep" => name.parse().ok().map(Self::Rep),
            "team" => name.parse().ok().map(Self::Team),
            "rep_username" if !name.is_empty() => Some(Self::RepName(name.to_lowercase())),
            "issue" if !name.is_empty() => Some(Self::Issue(name.to_owned())),
            _ => None,
        }
    }

    /// The technician or team; `None` when there is none, or the account is disabled.
    pub async fn find(&self, db: &DatabaseConnection) -> Result<Option<Place>, DbErr> {
        let working = user::Entity::find().filter(user::Column::Disabled.eq(false));
        Ok(match self {
            Self::General => Some(Place::General),
            Self::Rep(id) => working.filter(user::Column::Id.eq(*id)).one(db).await?.map(Place::Rep),
            Self::RepName(name) => working.filter(user::Column::Login.eq(name.as_str())).one(db).await?.map(Place::Rep),
            Self::Team(id) => team::Entity::find_by_id(*id).one(db).await?.map(Place::Team),
            Self::Issue(code) => {
                let named = team::Entity::find().filter(team::Column::CodeName.eq(code.as_str()));
                named.one(db).await?.map(Place::Team)
            }
        })
    }
}

impl std::fmt::Display for QueueId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::General => f.write_str("general"),
            Self::Rep(id) => write!(f, "rep:{id}"),
            Self::RepName(name) => write!(f, "rep_username:{name}"),
            Self::Team(id) => write!(f, "team:{id}"),
            Self::Issue(code) => write!(f, "issue:{code}"),
        }
    }
}

impl Place {
    /// Whether a technician of the queue is available.
    pub async fn available(&self, db: &DatabaseConnection, organisation: &Organisation) -> Result<bool, DbErr> {
        let reps = logged_in(db, organisation).await?;
        Ok(reps.iter().any(|r| match self {
            Self::General => true,
            Self::Rep(rep) => r.id == rep.id,
            Self::Team(team) => r.team == Some(team.id),
        }))
    }

    /// The same for a ticket import.
    pub fn import_place(&self) -> session_start::Place {
        match (self, self.queue()) {
            (Self::Rep(rep), _) => session_start::Place::With(store::people::as_ref(rep)),
            (_, queue) => session_start::Place::In(queue.unwrap_or(Queue::General)),
        }
    }

    /// The session queue; `None` for a technician's own.
    pub fn queue(&self) -> Option<Queue> {
        match self {
            Self::General => Some(Queue::General),
            Self::Team(team) => Some(Queue::Team { team: team.name.clone() }),
            Self::Rep(_) => None,
        }
    }
}

/// The technicians with an open console.
pub async fn logged_in(db: &DatabaseConnection, organisation: &Organisation) -> Result<Vec<user::Model>, DbErr> {
    user::Entity::find()
        .filter(user::Column::Disabled.eq(false))
        .filter(user::Column::Id.is_in(organisation.online()))
        .order_by_asc(user::Column::Id)
        .all(db)
        .await
}

/// Since when a technician has been signed in, by their latest sign-in.
pub async fn signed_in_since(db: &DatabaseConnection, rep: i32) -> Result<Timestamp, DbErr> {
    let newest = login::Entity::find().filter(login::Column::User.eq(rep)).order_by_desc(login::Column::Until);
    let until = newest.one(db).await?.map_or(0, |l| l.until.cast_unsigned());
    Ok(Timestamp(until.saturating_sub(LOGIN_MS)))
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
