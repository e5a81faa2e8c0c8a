//! Technicians and teams, for the console, the REST API and BeyondTrust's API.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
};

use live_sessions::{ActError, SessionRegistry, rules::Rules};
use platform::clock;
use protocol::{Phase, Presence, Queue, Timestamp};
use sea_orm::{ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, TransactionTrait, sea_query::Expr};
use session::{Actor, Command};
use store::{
    people,
    secrets::Secrets,
    setting::{self, Current},
    settings::Settings,
    tables::{incident, message_template, session_history, team, user},
};

use crate::{
    access_scope,
    mailbox::Mailbox,
    sign_in::{Directory, OpenId},
};

/// A technician counts as online for this long after the last request; an open console sends one every few seconds.
const SEEN_MS: u64 = 40_000;

/// People and teams, and every setting that refers to teams.
pub struct Organisation {
    pub db: DatabaseConnection,
    pub secrets: Arc<Secrets>,
    pub sessions: Arc<SessionRegistry>,
    /// Write-locked while a team is renamed or deleted, read-locked while the rules for a team are looked up.
    pub teams: Arc<tokio::sync::RwLock<()>>,
    pub settings: Arc<Current<Settings>>,
    pub rules: Arc<Current<Rules>>,
    pub mailbox: Arc<Current<Mailbox>>,
    pub openid: Arc<Current<OpenId>>,
    pub directory: Arc<Current<Directory>>,
    /// The time of each technician's last request.
    pub seen: Mutex<HashMap<i32, Timestamp>>,
}

impl Organisation {
    /// The accounts whose console is open.
    pub fn online(&self) -> Vec<i32> {
        let now = clock::now();
        let seen = self.seen.lock().expect("lock is not poisoned");
        seen.iter().filter(|(_, at)| now.since(**at) < SEEN_MS).map(|(id, _)| *id).collect()
    }

    /// How many sessions with a customer each technician is in, counting those that `asker` may see; another system
    /// sees all.
    pub async fn busy(&self, asker: Option<&user::Model>) -> Result<HashMap<i32, u32>, DbErr> {
        let mut busy: HashMap<i32, u32> = HashMap::new();
        for live in self.sessions.all() {
            if let Some(asker) = asker
                && !access_scope::reaches(&self.db, asker, &live.entries().await).await?
            {
                continue;
            }
            let present = |p: &&protocol::Participant| p.presence == Presence::Here;
            let helping = live.read(|s| match s.phase() {
                Phase::Active => s.participants().iter().filter(present).filter_map(|p| p.user).collect(),
                Phase::Waiting | Phase::Held | Phase::Ended { .. } => Vec::new(),
            });
            for user in helping.await {
                *busy.entry(user).or_default() += 1;
            }
        }
        Ok(busy)
    }

    /// Renames a team in its people, its incidents, and every rule and setting.
    pub async fn rename(&self, from: &str, to: &str) -> anyhow::Result<()> {
        if from == to || from.is_empty() {
            return Ok(());
        }
        // Readers of a team's rules see either the old name everywhere, or the new one.
        let _exclusive = self.teams.write().await;
        let (mut rules, mut settings, mut mailbox) = (self.rules.get(), self.settings.get(), self.mailbox.get());
        let (mut openid, mut directory) = (self.openid.get(), self.directory.get());
        let policies = rules.policies.iter_mut().map(|p| &mut p.team);
        let retention = settings.retention.iter_mut().map(|r| &mut r.team);
        let groups = openid.groups.iter_mut().chain(&mut directory.groups).map(|g| &mut g.team);
        let teams = policies.chain(retention).chain(groups).chain([&mut mailbox.team]);
        teams.filter(|team| *team == from).for_each(|team| to.clone_into(team));
        // The rules first, so that a new session always has a policy.
        setting::save(&self.db, &self.secrets, &rules).await?;
        setting::save(&self.db, &self.secrets, &settings).await?;
        setting::save(&self.db, &self.secrets, &mailbox).await?;
        setting::save(&self.db, &self.secrets, &openid).await?;
        setting::save(&self.db, &self.secrets, &directory).await?;
        self.rules.replace(rules);
        self.settings.replace(settings);
        self.mailbox.replace(mailbox);
        self.openid.replace(openid);
        self.directory.replace(directory);
        self.reassign(from, to).await?;
        self.move_queue(from, &Queue::Team { team: to.to_owned() }).await
    }

    /// Moves sessions that wait in a team's queue, or were taken from it, to another queue. Later attempts to use the
    /// old queue fail with “no such team”.
    async fn move_queue(&self, team: &str, to: &Queue) -> anyhow::Result<()> {
        let mut done = Ok(());
        for live in self.sessions.all_with_new().await {
            let from = Queue::Team { team: team.to_owned() };
            let moved = live.act(&Actor::Server, Command::MoveQueue { from, to: to.clone() }).await;
            // If one session fails to store it, the others still can. A session that has just ended refuses it.
            done = done.and(match moved {
                Ok(_) | Err(ActError::Refused(_)) => Ok(()),
                Err(error) => Err(error),
            });
        }
        Ok(done?)
    }

    /// Moves sessions out of queues whose team is gone: the server stopped before they were moved.
    pub async fn catch_up(&self) -> anyhow::Result<()> {
        for live in self.sessions.all() {
            let teams = live.read(|s| s.teams().map(str::to_owned).collect::<BTreeSet<_>>()).await;
            for team in teams {
                if !people::is_team(&self.db, &team).await? {
                    self.move_queue(&team, &Queue::General).await?;
                }
            }
        }
        Ok(())
    }

    /// Reassigns people, incidents, ended sessions and message templates from one team to another in one transaction.
    /// Retention rules refer to the team of ended sessions.
    async fn reassign(&self, from: &str, to: &str) -> Result<(), DbErr> {
        let transaction = self.db.begin().await?;
        let people = user::Entity::update_many().col_expr(user::Column::Team, Expr::value(to));
        people.filter(user::Column::Team.eq(from)).exec(&transaction).await?;
        let incidents = incident::Entity::update_many().col_expr(incident::Column::Team, Expr::value(to));
        incidents.filter(incident::Column::Team.eq(from)).exec(&transaction).await?;
        let sessions = session_history::Entity::update_many().col_expr(session_history::Column::Team, Expr::value(to));
        sessions.filter(session_history::Column::Team.eq(from)).exec(&transaction).await?;
        let templates =
            message_template::Entity::update_many().col_expr(message_template::Column::Team, Expr::value(to));
        templates.filter(message_template::Column::Team.eq(from)).exec(&transaction).await?;
        transaction.commit().await
    }

    /// Removes a team, unless a rule or setting refers to it. Its people, incidents and ended sessions then have no
    /// team, and the sessions in its queue move to the general one.
    pub async fn remove(&self, team: &team::Model) -> Result<(), TeamStays> {
        let _exclusive = self.teams.write().await;
        let policy = self.rules.get().policies.into_iter().find(|p| p.team == team.name).map(|p| p.name);
        if let Some(policy) = policy {
            return Err(TeamStays::Needed(format!("The policy “{policy}”")));
        }
        if self.settings.get().retention.iter().any(|r| r.team == team.name) {
            return Err(TeamStays::Needed("A retention rule".into()));
        }
        if self.mailbox.get().team == team.name {
            return Err(TeamStays::Needed("The mailbox".into()));
        }
        self.reassign(&team.name, "").await.map_err(anyhow::Error::from)?;
        team::Entity::delete_by_id(team.id).exec(&self.db).await.map_err(anyhow::Error::from)?;
        Ok(self.move_queue(&team.name, &Queue::General).await?)
    }
}

/// Why a team is not removed.
#[derive(Debug, thiserror::Error)]
pub enum TeamStays {
    #[error("{0} refers to this team. Change or remove it first.")]
    Needed(String),
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

#[cfg(test)]
mod tests {
    use protocol::SessionId;

    use protocol::UserRef;
    use sea_orm::{ActiveModelTrait, ActiveValue::Set};

    use super::*;
    use crate::{
        state::AppState,
        world::{self, World},
    };

    fn team(name: &str) -> Queue {
        Queue::Team { team: name.into() }
    }

    /// The session that waits for team A.
    fn queued(world: &World) -> std::sync::Arc<live_sessions::LiveSession> {
        world.app.sessions.get(&SessionId::try_from(world.session("Q")).unwrap()).unwrap()
    }

    async fn team_a(app: &AppState) -> team::Model {
        team::Entity::find().filter(team::Column::Name.eq("A")).one(&app.db).await.unwrap().unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn sessions_in_a_queue_follow_their_team() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let template = world::template("queues").await;
        let owner = Actor::Technician(UserRef { id: 6, name: "owner".into() });
        let take = || Command::Take { team: "A".into() };
        let expel = || Command::Expel { user: 6, queue: Queue::General };
        // Whether the session waits in the queue, or was taken from it and returns.
        for taken in [false, true] {
            let world = World::from_template(&template, "queues-renamed").await;
            let (app, live) = (&world.app, queued(&world));
            if taken {
                live.act(&owner, take()).await.unwrap();
            }
            let before = live.entries().await.len();
            app.organisation.rename("B", "C").await.unwrap();
            assert_eq!(live.entries().await.len(), before, "another team was renamed");
            let mut row: team::ActiveModel = team_a(app).await.into();
            row.name = Set("New".into());
            row.update(&app.db).await.unwrap();
            app.organisation.rename("A", "New").await.unwrap();
            if taken {
                live.act(&Actor::Server, expel()).await.unwrap();
            }
            assert_eq!(live.now().queue(), &team("New"), "{taken}");
            let late = Command::Enqueue { queue: team("A"), note: String::new() };
            let system = Actor::System(UserRef { id: 0, name: "Desk".into() });
            let refused = live.act(&system, late).await;
            assert!(matches!(refused, Err(ActError::NoTeam)), "the old queue is refused: {refused:?}");
            live.act(&owner, Command::Take { team: "New".into() }).await.unwrap();

            let world = World::from_template(&template, "queues-removed").await;
            let (app, live) = (&world.app, queued(&world));
            if taken {
                live.act(&owner, take()).await.unwrap();
            }
            app.organisation.remove(&team_a(app).await).await.unwrap();
            if taken {
                live.act(&Actor::Server, expel()).await.unwrap();
            }
            assert_eq!(live.now().queue(), &Queue::General, "{taken}");
        }
        // The server stopped after the team was removed and before its sessions were moved.
        let world = World::from_template(&template, "queues-stopped").await;
        world.app.organisation.reassign("A", "").await.unwrap();
        team::Entity::delete_by_id(team_a(&world.app).await.id).exec(&world.app.db).await.unwrap();
        let world = world.restarted().await;
        assert_eq!(queued(&world).now().queue(), &team("A"));
        world.app.organisation.catch_up().await.unwrap();
        assert_eq!(queued(&world).now().queue(), &Queue::General);
        drop(world);
        let _ = std::fs::remove_dir_all(&template);
    }
}
