//! Technicians and their teams, as the console, the REST API and other systems' APIs all know them.

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

/// Who was not heard of for so long is not online: open consoles ask every few seconds.
const SEEN_MS: u64 = 40_000;

/// People and teams, and every setting that names them.
pub struct Organisation {
    pub db: DatabaseConnection,
    pub secrets: Arc<Secrets>,
    pub sessions: Arc<SessionRegistry>,
    /// Held while a team gets another name or goes, and, to read, while the rules for a team are looked up.
    pub teams: Arc<tokio::sync::RwLock<()>>,
    pub settings: Arc<Current<Settings>>,
    pub rules: Arc<Current<Rules>>,
    pub mailbox: Arc<Current<Mailbox>>,
    pub openid: Arc<Current<OpenId>>,
    pub directory: Arc<Current<Directory>>,
    /// When each technician was heard of for the last time.
    pub seen: Mutex<HashMap<i32, Timestamp>>,
}

impl Organisation {
    /// The accounts whose console is open.
    pub fn online(&self) -> Vec<i32> {
        let now = clock::now();
        let seen = self.seen.lock().expect("nobody panics while holding who was seen");
        seen.iter().filter(|(_, at)| now.since(**at) < SEEN_MS).map(|(id, _)| *id).collect()
    }

    /// In how many sessions with a customer each technician is, of those that somebody may see; another system sees all.
    pub async fn busy(&self, asker: Option<&user::Model>) -> Result<HashMap<i32, u32>, DbErr> {
        let mut busy: HashMap<i32, u32> = HashMap::new();
        for live in self.sessions.all() {
            if let Some(asker) = asker
                && !access_scope::reaches(&self.db, asker, &live.entries().await).await?
            {
                continue;
            }
            let here = |p: &&protocol::Participant| p.presence == Presence::Here;
            let helping = live.read(|s| match s.phase() {
                Phase::Active => s.participants().iter().filter(here).filter_map(|p| p.user).collect(),
                _ => Vec::new(),
            });
            for user in helping.await {
                *busy.entry(user).or_default() += 1;
            }
        }
        Ok(busy)
    }

    /// A team has another name: its people, its incidents, and every rule for it go along.
    pub async fn rename(&self, from: &str, to: &str) -> anyhow::Result<()> {
        if from == to || from.is_empty() {
            return Ok(());
        }
        // Whoever judges by a team's rules sees both of before, or both of after.
        let _alone = self.teams.write().await;
        let (mut rules, mut settings, mut mailbox) = (self.rules.get(), self.settings.get(), self.mailbox.get());
        let (mut openid, mut directory) = (self.openid.get(), self.directory.get());
        let policies = rules.policies.iter_mut().map(|p| &mut p.team);
        let kept = settings.retention.iter_mut().map(|r| &mut r.team);
        let groups = openid.groups.iter_mut().chain(&mut directory.groups).map(|g| &mut g.team);
        let teams = policies.chain(kept).chain(groups).chain([&mut mailbox.team]);
        teams.filter(|team| *team == from).for_each(|team| to.clone_into(team));
        // The rules first: at no moment is a session made that no policy is for.
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
        self.belong_to(from, to).await?;
        self.move_queue(from, &Queue::Team { team: to.to_owned() }).await
    }

    /// What waits in the queue of a team, or was taken from there, belongs to another queue. Whoever wants to put something more
    /// into the old one is told that there is no such team.
    async fn move_queue(&self, team: &str, to: &Queue) -> anyhow::Result<()> {
        let mut done = Ok(());
        for live in self.sessions.all_with_new().await {
            let from = Queue::Team { team: team.to_owned() };
            let moved = live.act(&Actor::Server, Command::MoveQueue { from, to: to.clone() }).await;
            // Where one session cannot store it, the others still can; what has just ended waits for nobody.
            done = done.and(match moved {
                Ok(_) | Err(ActError::Refused(_)) => Ok(()),
                Err(error) => Err(error),
            });
        }
        Ok(done?)
    }

    /// What waits in a queue that is not there: the server stopped before its sessions heard of that.
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

    /// What is of one team is of another from now on, all at once: also what is over, which the rules of retention are for.
    async fn belong_to(&self, from: &str, to: &str) -> Result<(), DbErr> {
        let transaction = self.db.begin().await?;
        let people = user::Entity::update_many().col_expr(user::Column::Team, Expr::value(to));
        people.filter(user::Column::Team.eq(from)).exec(&transaction).await?;
        let incidents = incident::Entity::update_many().col_expr(incident::Column::Team, Expr::value(to));
        incidents.filter(incident::Column::Team.eq(from)).exec(&transaction).await?;
        let over = session_history::Entity::update_many().col_expr(session_history::Column::Team, Expr::value(to));
        over.filter(session_history::Column::Team.eq(from)).exec(&transaction).await?;
        let prepared =
            message_template::Entity::update_many().col_expr(message_template::Column::Team, Expr::value(to));
        prepared.filter(message_template::Column::Team.eq(from)).exec(&transaction).await?;
        transaction.commit().await
    }

    /// Removes a team: its people, its incidents and what is over belong to none, and what waits for it waits for anybody. One
    /// that a rule is for stays.
    pub async fn remove(&self, team: &team::Model) -> Result<(), TeamStays> {
        let _alone = self.teams.write().await;
        let policy = self.rules.get().policies.into_iter().find(|p| p.team == team.name).map(|p| p.name);
        if let Some(policy) = policy {
            return Err(TeamStays::Needed(format!("The policy “{policy}”")));
        }
        if self.settings.get().retention.iter().any(|r| r.team == team.name) {
            return Err(TeamStays::Needed("A rule of retention".into()));
        }
        if self.mailbox.get().team == team.name {
            return Err(TeamStays::Needed("The mailbox".into()));
        }
        self.belong_to(&team.name, "").await.map_err(anyhow::Error::from)?;
        team::Entity::delete_by_id(team.id).exec(&self.db).await.map_err(anyhow::Error::from)?;
        Ok(self.move_queue(&team.name, &Queue::General).await?)
    }
}

/// Why a team stays.
#[derive(Debug, thiserror::Error)]
pub enum TeamStays {
    #[error("{0} is for this team. Change or remove it first.")]
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
    async fn what_waits_for_a_team_goes_along_with_it() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let template = world::template("queues").await;
        let owner = Actor::Technician(UserRef { id: 6, name: "owner".into() });
        let take = || Command::Take { team: "A".into() };
        let expel = || Command::Expel { user: 6, queue: Queue::General };
        // Whether it waits there, or was taken from there and goes back.
        for taken in [false, true] {
            let world = World::again(&template, "queues-renamed").await;
            let (app, live) = (&world.app, queued(&world));
            if taken {
                live.act(&owner, take()).await.unwrap();
            }
            let before = live.entries().await.len();
            app.organisation.rename("B", "C").await.unwrap();
            assert_eq!(live.entries().await.len(), before, "another team's name");
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
            assert!(matches!(refused, Err(ActError::NoTeam)), "nothing comes behind: {refused:?}");
            live.act(&owner, Command::Take { team: "New".into() }).await.unwrap();

            let world = World::again(&template, "queues-removed").await;
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
        // The server stopped between the team's end and its sessions' hearing of it.
        let world = World::again(&template, "queues-stopped").await;
        world.app.organisation.belong_to("A", "").await.unwrap();
        team::Entity::delete_by_id(team_a(&world.app).await.id).exec(&world.app.db).await.unwrap();
        let world = world.restarted().await;
        assert_eq!(queued(&world).now().queue(), &team("A"));
        world.app.organisation.catch_up().await.unwrap();
        assert_eq!(queued(&world).now().queue(), &Queue::General);
        drop(world);
        let _ = std::fs::remove_dir_all(&template);
    }
}
