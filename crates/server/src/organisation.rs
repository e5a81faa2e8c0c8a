//! Technicians and their teams, as the console, the REST API and other systems' APIs all know them.

use std::collections::{BTreeSet, HashMap};

use platform::clock;
use protocol::{Phase, Presence, Queue, UserRef};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait,
    QueryFilter, TransactionTrait, sea_query::Expr,
};
use session::{Actor, Command};
use store::{
    setting,
    tables::{incident, message_template, session_history, team, user},
};

use crate::{access_scope, app::Shared, live::ActError};

/// Who was not heard of for so long is not online: open consoles ask every few seconds.
const SEEN_MS: u64 = 40_000;

/// A technician as sessions name them.
pub fn as_ref(user: &user::Model) -> UserRef {
    UserRef { id: user.id, name: user.name.clone() }
}

/// The technician by that number, unless the account is disabled.
pub async fn technician(db: &DatabaseConnection, id: i32) -> Result<Option<UserRef>, DbErr> {
    let found = user::Entity::find_by_id(id).one(db).await?;
    Ok(found.filter(|u| !u.disabled).map(|u| as_ref(&u)))
}

/// Whether there is a team by that name.
pub async fn is_team(db: &impl ConnectionTrait, name: &str) -> Result<bool, DbErr> {
    Ok(team::Entity::find().filter(team::Column::Name.eq(name)).one(db).await?.is_some())
}

/// Whether nobody else is an administrator who can sign in: somebody must stay one.
pub async fn is_last_administrator(db: &DatabaseConnection, user: &user::Model) -> Result<bool, DbErr> {
    let others = user::Entity::find()
        .filter(user::Column::Administrator.eq(true))
        .filter(user::Column::Disabled.eq(false))
        .filter(user::Column::Id.ne(user.id));
    Ok(user.administrator && others.one(db).await?.is_none())
}

/// The accounts whose console is open.
pub fn online(app: &Shared) -> Vec<i32> {
    let now = clock::now();
    let seen = app.seen.lock().expect("nobody panics while holding who was seen");
    seen.iter().filter(|(_, at)| now.since(**at) < SEEN_MS).map(|(id, _)| *id).collect()
}

/// In how many sessions with a customer each technician is, of those that somebody may see; another system sees all.
pub async fn busy(app: &Shared, asker: Option<&user::Model>) -> Result<HashMap<i32, u32>, DbErr> {
    let mut busy: HashMap<i32, u32> = HashMap::new();
    for live in app.sessions.all() {
        if let Some(asker) = asker
            && !access_scope::reaches(app, asker, &live.entries().await).await?
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

/// The name that other systems write: lower-case letters, digits and underscores.
pub fn code_name(name: &str) -> String {
    let code: String = name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let code = code.trim_matches('_').chars().take(64).collect::<String>();
    if code.is_empty() { "team".into() } else { code }
}

/// Makes the team by that name, if it is missing. Nobody's team has no name.
pub async fn know(db: &DatabaseConnection, name: &str) -> Result<(), DbErr> {
    if name.is_empty() || is_team(db, name).await? {
        return Ok(());
    }
    let mut code = code_name(name);
    let mut n = 2;
    while team::Entity::find().filter(team::Column::CodeName.eq(code.as_str())).one(db).await?.is_some() {
        code = format!("{}_{n}", code_name(name));
        n += 1;
    }
    let row = team::ActiveModel {
        name: Set(name.to_owned()),
        code_name: Set(code),
        comments: Set(String::new()),
        ..Default::default()
    };
    row.insert(db).await?;
    Ok(())
}

/// Makes the teams that accounts name and that are missing: of installations from before there were any.
pub async fn fill(db: &DatabaseConnection) -> Result<(), DbErr> {
    for user in user::Entity::find().all(db).await? {
        know(db, &user.team).await?;
    }
    Ok(())
}

/// Why a team stays.
#[derive(Debug, thiserror::Error)]
pub enum TeamStays {
    #[error("{0} is for this team. Change or remove it first.")]
    Needed(String),
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

/// A team has another name: its people, its incidents, and every rule for it go along.
pub async fn rename(app: &Shared, from: &str, to: &str) -> anyhow::Result<()> {
    if from == to || from.is_empty() {
        return Ok(());
    }
    // Whoever judges by a team's rules sees both of before, or both of after.
    let _alone = app.teams.write().await;
    let (mut rules, mut settings, mut mailbox) = (app.rules(), app.settings(), app.mailbox());
    let (mut openid, mut directory) = (app.openid(), app.directory());
    let policies = rules.policies.iter_mut().map(|p| &mut p.team);
    let kept = settings.retention.iter_mut().map(|r| &mut r.team);
    let groups = openid.groups.iter_mut().chain(&mut directory.groups).map(|g| &mut g.team);
    let teams = policies.chain(kept).chain(groups).chain([&mut mailbox.team]);
    teams.filter(|team| *team == from).for_each(|team| to.clone_into(team));
    // The rules first: at no moment is a session made that no policy is for.
    setting::save(&app.db, &app.secrets, &rules).await?;
    setting::save(&app.db, &app.secrets, &settings).await?;
    setting::save(&app.db, &app.secrets, &mailbox).await?;
    setting::save(&app.db, &app.secrets, &openid).await?;
    setting::save(&app.db, &app.secrets, &directory).await?;
    *app.rules.write().expect("nobody panics while holding the rules") = rules;
    *app.settings.write().expect("nobody panics while holding the settings") = settings;
    *app.mailbox.write().expect("nobody panics while holding the mailbox") = mailbox;
    *app.openid.write().expect("nobody panics while holding the sign-in") = openid;
    *app.directory.write().expect("nobody panics while holding the directory") = directory;
    belong_to(app, from, to).await?;
    move_queue(app, from, &Queue::Team { team: to.to_owned() }).await
}

/// What waits in the queue of a team, or was taken from there, belongs to another queue. Whoever wants to put something more
/// into the old one is told that there is no such team.
async fn move_queue(app: &Shared, team: &str, to: &Queue) -> anyhow::Result<()> {
    let mut done = Ok(());
    for live in app.sessions.all_made().await {
        let from = Queue::Team { team: team.to_owned() };
        let moved = live.act(app, &Actor::Server, Command::MoveQueue { from, to: to.clone() }).await;
        // Where one session cannot store it, the others still can; what has just ended waits for nobody.
        done = done.and(match moved {
            Ok(_) | Err(ActError::Refused(_)) => Ok(()),
            Err(error) => Err(error),
        });
    }
    Ok(done?)
}

/// What waits in a queue that is not there: the server stopped before its sessions heard of that.
pub async fn catch_up(app: &Shared) -> anyhow::Result<()> {
    for live in app.sessions.all() {
        let teams = live.read(|s| s.teams().map(str::to_owned).collect::<BTreeSet<_>>()).await;
        for team in teams {
            if !is_team(&app.db, &team).await? {
                move_queue(app, &team, &Queue::General).await?;
            }
        }
    }
    Ok(())
}

/// What is of one team is of another from now on, all at once: also what is over, which the rules of retention are for.
async fn belong_to(app: &Shared, from: &str, to: &str) -> Result<(), DbErr> {
    let transaction = app.db.begin().await?;
    let people = user::Entity::update_many().col_expr(user::Column::Team, Expr::value(to));
    people.filter(user::Column::Team.eq(from)).exec(&transaction).await?;
    let incidents = incident::Entity::update_many().col_expr(incident::Column::Team, Expr::value(to));
    incidents.filter(incident::Column::Team.eq(from)).exec(&transaction).await?;
    let over = session_history::Entity::update_many().col_expr(session_history::Column::Team, Expr::value(to));
    over.filter(session_history::Column::Team.eq(from)).exec(&transaction).await?;
    let prepared = message_template::Entity::update_many().col_expr(message_template::Column::Team, Expr::value(to));
    prepared.filter(message_template::Column::Team.eq(from)).exec(&transaction).await?;
    transaction.commit().await
}

/// Removes a team: its people, its incidents and what is over belong to none, and what waits for it waits for anybody. One
/// that a rule is for stays.
pub async fn remove(app: &Shared, team: &team::Model) -> Result<(), TeamStays> {
    let _alone = app.teams.write().await;
    let policy = app.rules().policies.into_iter().find(|p| p.team == team.name).map(|p| p.name);
    if let Some(policy) = policy {
        return Err(TeamStays::Needed(format!("The policy “{policy}”")));
    }
    if app.settings().retention.iter().any(|r| r.team == team.name) {
        return Err(TeamStays::Needed("A rule of retention".into()));
    }
    if app.mailbox().team == team.name {
        return Err(TeamStays::Needed("The mailbox".into()));
    }
    belong_to(app, &team.name, "").await.map_err(anyhow::Error::from)?;
    team::Entity::delete_by_id(team.id).exec(&app.db).await.map_err(anyhow::Error::from)?;
    Ok(move_queue(app, &team.name, &Queue::General).await?)
}

#[cfg(test)]
mod tests {
    use protocol::SessionId;

    use super::*;
    use crate::access_scope::world::{self, World};

    fn team(name: &str) -> Queue {
        Queue::Team { team: name.into() }
    }

    /// The session that waits for team A.
    fn queued(world: &World) -> std::sync::Arc<crate::live::LiveSession> {
        world.app.sessions.get(&SessionId::try_from(world.session("Q")).unwrap()).unwrap()
    }

    async fn team_a(app: &Shared) -> team::Model {
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
                live.act(app, &owner, take()).await.unwrap();
            }
            let before = live.entries().await.len();
            rename(app, "B", "C").await.unwrap();
            assert_eq!(live.entries().await.len(), before, "another team's name");
            let mut row: team::ActiveModel = team_a(app).await.into();
            row.name = Set("New".into());
            row.update(&app.db).await.unwrap();
            rename(app, "A", "New").await.unwrap();
            if taken {
                live.act(app, &Actor::Server, expel()).await.unwrap();
            }
            assert_eq!(live.now().queue(), &team("New"), "{taken}");
            let late = Command::Enqueue { queue: team("A"), note: String::new() };
            let system = Actor::System(UserRef { id: 0, name: "Desk".into() });
            let refused = live.act(app, &system, late).await;
            assert!(matches!(refused, Err(ActError::NoTeam)), "nothing comes behind: {refused:?}");
            live.act(app, &owner, Command::Take { team: "New".into() }).await.unwrap();

            let world = World::again(&template, "queues-removed").await;
            let (app, live) = (&world.app, queued(&world));
            if taken {
                live.act(app, &owner, take()).await.unwrap();
            }
            remove(app, &team_a(app).await).await.unwrap();
            if taken {
                live.act(app, &Actor::Server, expel()).await.unwrap();
            }
            assert_eq!(live.now().queue(), &Queue::General, "{taken}");
        }
        // The server stopped between the team's end and its sessions' hearing of it.
        let world = World::again(&template, "queues-stopped").await;
        belong_to(&world.app, "A", "").await.unwrap();
        team::Entity::delete_by_id(team_a(&world.app).await.id).exec(&world.app.db).await.unwrap();
        let world = world.restarted().await;
        assert_eq!(queued(&world).now().queue(), &team("A"));
        catch_up(&world.app).await.unwrap();
        assert_eq!(queued(&world).now().queue(), &Queue::General);
        drop(world);
        let _ = std::fs::remove_dir_all(&template);
    }

    #[test]
    fn every_name_has_a_code_name() {
        let table = [("IT Support", "it_support"), ("Büro", "b_ro"), ("文", "team"), ("", "team"), ("-a-", "a")];
        for (name, code) in table {
            assert_eq!(code_name(name), code, "{name}");
        }
    }
}
