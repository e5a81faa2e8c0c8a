//! Who is available, and changes of teams, for the console, the REST API and BeyondTrust's API.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
};

use live_sessions::{ActError, SessionRegistry, rules::Rules};
use platform::clock;
use protocol::{Phase, Presence, Queue, Timestamp};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, TransactionTrait,
    sea_query::Expr,
};
use session::{Actor, Command};
use store::{
    setting::Current,
    settings::Settings,
    tables::{incident, message_template, session_history, team, user},
    teams::{self, TeamId},
};

use crate::{
    access_scope,
    mailbox::Mailbox,
    sign_in::{Directory, OpenId},
};

/// A technician counts as online for this long after the last request; an open console sends one every few seconds.
const SEEN_MS: u64 = 40_000;

/// People and teams, and every setting that may refer to a team.
pub struct Organisation {
    pub db: DatabaseConnection,
    pub sessions: Arc<SessionRegistry>,
    /// Write-locked while a team is changed or removed or a setting is saved, read-locked while a team's name goes into a
    /// session's queue.
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

    /// Changes the row of a team. Sessions in its queue, which name it, follow a new name.
    pub async fn change_team(&self, team: TeamId, row: team::ActiveModel) -> anyhow::Result<team::Model> {
        let _exclusive = self.teams.write().await;
        let before = teams::name(&self.db, Some(team)).await?;
        let after = row.update(&self.db).await?;
        if after.name != before {
            self.move_queue(&before, &Queue::Team { team: after.name.clone() }).await?;
        }
        Ok(after)
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
                if !teams::exists(&self.db, &team).await? {
                    self.move_queue(&team, &Queue::General).await?;
                }
            }
        }
        Ok(())
    }

    /// Removes a team, unless a rule or setting refers to it. Its people, incidents, ended sessions and message templates
    /// then have no team, and the sessions in its queue move to the general one.
    pub async fn remove_team(&self, team: TeamId) -> Result<(), TeamStays> {
        // Whoever saves a setting takes this lock too, so that none begins to refer to the team meanwhile.
        let _exclusive = self.teams.write().await;
        if let Some(user) = self.user_of(team) {
            return Err(TeamStays::Needed(user));
        }
        let name = teams::name(&self.db, Some(team)).await.map_err(anyhow::Error::from)?;
        self.remove_row(team).await.map_err(anyhow::Error::from)?;
        Ok(self.move_queue(&name, &Queue::General).await?)
    }

    /// The rule or setting that refers to a team.
    fn user_of(&self, team: TeamId) -> Option<String> {
        let is = |other: Option<TeamId>| other == Some(team);
        if let Some(policy) = self.rules.get().policies.into_iter().find(|p| is(p.team)) {
            return Some(format!("The policy “{}”", policy.name));
        }
        if self.settings.get().retention.iter().any(|r| is(r.team)) {
            return Some("A retention rule".into());
        }
        if is(self.mailbox.get().team) {
            return Some("The mailbox".into());
        }
        let groups = [self.openid.get().groups, self.directory.get().groups].concat();
        let group = groups.into_iter().find(|g| is(g.team))?;
        Some(format!("The rule for the group “{}”", group.group))
    }

    /// Removes the row of a team, and every reference to it from other rows.
    async fn remove_row(&self, team: TeamId) -> Result<(), DbErr> {
        let transaction = self.db.begin().await?;
        macro_rules! forget_in {
            ($($entity:ident),*) => {
                $(
                    let rows = $entity::Entity::update_many()
                        .col_expr($entity::Column::Team, Expr::value(None::<TeamId>))
                        .filter($entity::Column::Team.eq(team));
                    rows.exec(&transaction).await?;
                )*
            };
        }
        forget_in!(user, incident, session_history, message_template);
        team::Entity::delete_by_id(team).exec(&transaction).await?;
        transaction.commit().await
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
    use live_sessions::rules::SessionPolicy;
    use protocol::{SessionId, UserRef};
    use sea_orm::{ActiveValue::Set, PaginatorTrait};
    use store::settings::RetentionRule;

    use super::*;
    use crate::{
        sign_in::GroupRule,
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

    async fn named(app: &AppState, name: &str) -> team::Model {
        teams::named(&app.db, name).await.unwrap().unwrap()
    }

    async fn rename(app: &AppState, from: &str, to: &str) {
        let before = named(app, from).await;
        let row = team::ActiveModel { name: Set(to.into()), ..before.clone().into() };
        app.organisation.change_team(before.id, row).await.unwrap();
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
            rename(app, "B", "C").await;
            assert_eq!(live.entries().await.len(), before, "another team was renamed");
            rename(app, "A", "New").await;
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
            app.organisation.remove_team(named(app, "A").await.id).await.unwrap();
            if taken {
                live.act(&Actor::Server, expel()).await.unwrap();
            }
            assert_eq!(live.now().queue(), &Queue::General, "{taken}");
        }
        // The server stopped after the team was removed and before its sessions were moved.
        let world = World::from_template(&template, "queues-stopped").await;
        world.app.organisation.remove_row(named(&world.app, "A").await.id).await.unwrap();
        let world = world.restarted().await;
        assert_eq!(queued(&world).now().queue(), &team("A"));
        world.app.organisation.catch_up().await.unwrap();
        assert_eq!(queued(&world).now().queue(), &Queue::General);
        drop(world);
        let _ = std::fs::remove_dir_all(&template);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn rows_that_referred_to_a_removed_team_have_none() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let template = world::template("teams-rows").await;
        let world = World::from_template(&template, "teams-rows-removed").await;
        let app = &world.app;
        let counts = async || {
            macro_rules! count_in {
                ($($entity:ident),*) => {
                    [$({
                        let rows = $entity::Entity::find().filter($entity::Column::Team.is_not_null());
                        rows.count(&app.db).await.unwrap()
                    }),*]
                };
            }
            count_in!(user, incident, session_history, message_template)
        };
        assert_eq!(counts().await, [5, 1, 1, 1]);
        app.organisation.remove_team(named(app, "A").await.id).await.unwrap();
        assert_eq!(counts().await, [2, 0, 0, 1], "those of team B remain");
        app.organisation.remove_team(named(app, "B").await.id).await.unwrap();
        assert_eq!(counts().await, [0; 4]);
        drop(world);
        let _ = std::fs::remove_dir_all(&template);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_team_that_a_setting_refers_to_is_not_removed() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let template = world::template("teams-settings").await;
        let world = World::from_template(&template, "teams-settings-kept").await;
        let app = &world.app;
        let organisation = &app.organisation;
        let before = named(app, "A").await;
        let team = Some(before.id);
        let needed = async |expected: &str| {
            let refused = organisation.remove_team(before.id).await;
            assert!(matches!(&refused, Err(TeamStays::Needed(user)) if user == expected), "{expected}: {refused:?}");
            assert_eq!(named(app, "A").await, before);
        };
        let (rules, settings) = (organisation.rules.get(), organisation.settings.get());
        let policies = rules.policies.iter().cloned().map(|policy| SessionPolicy { team, ..policy }).collect();
        organisation.rules.replace(Rules { policies, ..rules.clone() });
        needed(&format!("The policy “{}”", rules.policies[0].name)).await;
        organisation.rules.replace(rules);
        let retention = vec![RetentionRule { team, kind: String::new(), days: 9 }];
        organisation.settings.replace(Settings { retention, ..settings.clone() });
        needed("A retention rule").await;
        organisation.settings.replace(settings);
        organisation.mailbox.replace(Mailbox { team, ..Mailbox::default() });
        needed("The mailbox").await;
        organisation.mailbox.replace(Mailbox::default());
        let groups = || vec![GroupRule { group: "desk".into(), team, administrator: false, role: 0 }];
        organisation.openid.replace(OpenId { groups: groups(), ..OpenId::default() });
        needed("The rule for the group “desk”").await;
        organisation.openid.replace(OpenId::default());
        organisation.directory.replace(Directory { groups: groups(), ..Directory::default() });
        needed("The rule for the group “desk”").await;
        organisation.directory.replace(Directory::default());
        organisation.remove_team(before.id).await.unwrap();
        drop(world);
        let _ = std::fs::remove_dir_all(&template);
    }
}
