//! Effects of disabling an account or reducing its rights: its connections end, and its sessions go to somebody else.

use live_sessions::{ActError, LiveSession};
use protocol::{Presence, Queue, Role};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter};
use session::{Actor, Command};
use store::{
    tables::{login, user},
    teams,
};

use super::Auth;

/// Ends all sign-ins of an account, and everything that they have opened.
pub async fn sign_out_everywhere(auth: &Auth, user: i32) -> Result<(), DbErr> {
    login::Entity::delete_many().filter(login::Column::User.eq(user)).exec(&auth.db).await?;
    auth.logins.end_all_of(user);
    Ok(())
}

/// Ends one sign-in, by the hash of its cookie, and everything that it has opened.
pub async fn sign_out(auth: &Auth, hash: &str) -> Result<(), DbErr> {
    login::Entity::delete_by_id(hash).exec(&auth.db).await?;
    auth.logins.end(hash);
    Ok(())
}

/// Ends an account's other sign-ins, after its password or second factor has changed.
pub async fn sign_out_elsewhere(auth: &Auth, here: &login::Model) -> Result<(), DbErr> {
    let all = login::Entity::find().filter(login::Column::User.eq(here.user));
    for other in all.filter(login::Column::Hash.ne(here.hash.as_str())).all(&auth.db).await? {
        sign_out(auth, &other.hash).await?;
    }
    Ok(())
}

/// Ends what an account may no longer do, after it was changed.
pub async fn account_changed(auth: &Auth, before: &user::Model, after: &user::Model) -> Result<(), DbErr> {
    let rights = |u: &user::Model| {
        let actions = (u.administrator, u.may_watch, u.may_export, u.may_delete);
        (actions, u.reach.clone(), u.team, u.role)
    };
    if after.disabled {
        return revoke_access(auth, after).await;
    }
    if after.password != before.password {
        sign_out_everywhere(auth, after.id).await?;
    }
    if rights(before) != rights(after) {
        auth.logins.end_all_of(after.id);
        apply_rights(auth, after).await?;
    }
    Ok(())
}

/// Ends all sign-ins and participations of an account that may no longer be used.
pub async fn revoke_access(auth: &Auth, user: &user::Model) -> Result<(), DbErr> {
    sign_out_everywhere(auth, user.id).await?;
    // Locked so that the team is not renamed before all sessions are moved.
    let _teams = auth.teams.read().await;
    let queue = queue_of(auth, user).await?;
    let mut done = Ok(());
    for live in auth.sessions.all_with_new().await {
        let command = Command::Expel { user: user.id, queue: queue.clone() };
        // If one session fails to store it, the others still can.
        done = done.and(ignore_ended(live.act(&Actor::Server, command).await).map(drop));
    }
    done
}

/// The queue for somebody's sessions that nobody shares: their team's if it has other members, otherwise the general
/// one.
async fn queue_of(auth: &Auth, user: &user::Model) -> Result<Queue, DbErr> {
    let Some(team) = user.team else { return Ok(Queue::General) };
    let colleagues = user::Entity::find()
        .filter(user::Column::Team.eq(team))
        .filter(user::Column::Disabled.eq(false))
        .filter(user::Column::Id.ne(user.id));
    match colleagues.one(&auth.db).await? {
        Some(_) => Ok(Queue::Team { team: teams::name(&auth.db, user.team).await? }),
        None => Ok(Queue::General),
    }
}

/// Applies an account's changed rights in running sessions: its current role counts, and supervising must be requested
/// again.
async fn apply_rights(auth: &Auth, user: &user::Model) -> Result<(), DbErr> {
    for live in auth.sessions.all() {
        let watches = |s: &session::Session| {
            let mut all = s.participants().iter().filter(|p| p.user == Some(user.id) && p.role == Role::Supervisor);
            all.find(|p| p.presence != Presence::Gone).map(|p| p.id)
        };
        if let Some(who) = live.read(watches).await {
            ignore_ended(live.act(&Actor::Participant(who), Command::Leave).await)?;
        }
        apply_role(auth, &live, user).await?;
    }
    Ok(())
}

async fn apply_role(auth: &Auth, live: &std::sync::Arc<LiveSession>, user: &user::Model) -> Result<bool, DbErr> {
    let command = Command::ChangeRole { user: user.id, by_role: auth.rules.get().role(user.role) };
    ignore_ended(live.act(&Actor::Server, command).await)
}

/// Applies changed roles in running sessions.
pub async fn roles_changed(auth: &Auth) -> Result<(), DbErr> {
    for live in auth.sessions.all() {
        let helpers = live.read(|s| s.participants().iter().filter_map(|p| p.user).collect::<Vec<_>>()).await;
        for user in user::Entity::find().filter(user::Column::Id.is_in(helpers)).all(&auth.db).await? {
            if apply_role(auth, &live, &user).await? {
                auth.logins.end_all_of(user.id);
            }
        }
    }
    Ok(())
}

/// Revokes the access of disabled accounts, in case the server stopped before that was done.
pub async fn catch_up(auth: &Auth) -> Result<(), DbErr> {
    for user in user::Entity::find().filter(user::Column::Disabled.eq(true)).all(&auth.db).await? {
        revoke_access(auth, &user).await?;
    }
    Ok(())
}

/// Whether anything changed. A session that has just ended refuses commands.
fn ignore_ended(acted: Result<Vec<protocol::Entry>, ActError>) -> Result<bool, DbErr> {
    match acted {
        Ok(entries) => Ok(!entries.is_empty()),
        Err(ActError::Refused(why)) => {
            tracing::debug!(%why, "session has ended");
            Ok(false)
        }
        Err(ActError::Disabled | ActError::NoTeam) => Ok(false),
        Err(ActError::Store(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use protocol::{Client, UserRef};
    use sea_orm::{PaginatorTrait, sea_query::Expr};

    use super::*;
    use store::tables::{incident, journal, session_row};

    use crate::{
        desk::session_start,
        world::{self, World},
    };

    /// Disables an account without telling its sessions, as in the moment between the two.
    async fn disable(auth: &Auth, account: i32) {
        let row = user::Entity::update_many().col_expr(user::Column::Disabled, Expr::value(true));
        row.filter(user::Column::Id.eq(account)).exec(&auth.db).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn requests_in_progress_fail_when_their_account_is_disabled() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let template = world::template("leavers").await;
        let world = World::from_template(&template, "leavers-under-way").await;
        let (app, auth) = (&world.app, &world.app.auth);
        let one = |id: i32, name: &str| UserRef { id, name: name.into() };
        let (outside, owner) = (one(2, "outside"), one(6, "owner"));
        let live =
            |letter: &str| auth.sessions.get(&protocol::SessionId::try_from(world.session(letter)).unwrap()).unwrap();
        let (running, waiting) = (live("R"), live("W"));
        let by = Actor::Technician(owner.clone());
        running.act(&by, Command::ShareWith { with: outside.clone() }).await.unwrap();
        waiting.act(&by, Command::Enqueue { queue: Queue::General, note: String::new() }).await.unwrap();
        disable(&app.auth, 2).await;

        let counts = async || {
            let (sessions, notes) = (session_row::Entity::find(), journal::Entity::find());
            (sessions.count(&auth.db).await.unwrap(), notes.count(&auth.db).await.unwrap(), auth.sessions.all().len())
        };
        let before = counts().await;
        let about = incident::Entity::find_by_id(1).one(&auth.db).await.unwrap().unwrap();
        let made = session_start::session(&app.desk, &about, outside.clone(), None).await;
        assert!(matches!(made, Err(ActError::Disabled)), "{:?}", made.err());
        assert_eq!(counts().await, before, "nothing is stored");

        let join = Command::Join {
            role: Role::Technician,
            name: "outside".into(),
            client: Client::Console,
            user: Some(2),
            by_role: None,
            by_key: false,
        };
        let transfer = Command::Transfer { to: outside.clone(), note: String::new() };
        let theirs = Actor::Technician(outside.clone());
        for (live, by, command) in [
            (&running, &Actor::Server, join),
            (&running, &by, transfer),
            (&waiting, &theirs, Command::Take { team: String::new() }),
        ] {
            let before = live.entries().await.len();
            let name = command.name();
            let refused = live.act(by, command).await;
            assert!(matches!(refused, Err(ActError::Disabled)), "{name}: {refused:?}");
            assert_eq!(live.entries().await.len(), before, "{name}");
        }
        // The chain is unaffected.
        running.act(&by, Command::Note { text: "on".into() }).await.unwrap();
        assert!(auth.sessions.read(&running.id).await.unwrap().is_some());
        let other = one(3, "colleague");
        waiting.act(&Actor::Technician(other), Command::Take { team: String::new() }).await.unwrap();
        drop(world);
        let _ = std::fs::remove_dir_all(&template);
    }
}
