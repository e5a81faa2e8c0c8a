//! What follows when an account may be used no more, or for less: its connections end, and its sessions go to whoever it should
//! be.

use live_sessions::{ActError, LiveSession};
use protocol::{Presence, Queue, Role};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter};
use session::{Actor, Command};
use store::tables::{login, user};

use super::Auth;

/// Ends every sign-in of an account, and whatever was opened by one.
pub async fn sign_out_everywhere(auth: &Auth, user: i32) -> Result<(), DbErr> {
    login::Entity::delete_many().filter(login::Column::User.eq(user)).exec(&auth.db).await?;
    auth.logins.end_all_of(user);
    Ok(())
}

/// Ends one sign-in, by the hash of its cookie, and whatever was opened by it.
pub async fn sign_out(auth: &Auth, hash: &str) -> Result<(), DbErr> {
    login::Entity::delete_by_id(hash).exec(&auth.db).await?;
    auth.logins.end(hash);
    Ok(())
}

/// Ends an account's other sign-ins, and whatever was opened by them: something that proves who they are has changed.
pub async fn sign_out_elsewhere(auth: &Auth, here: &login::Model) -> Result<(), DbErr> {
    let all = login::Entity::find().filter(login::Column::User.eq(here.user));
    for other in all.filter(login::Column::Hash.ne(here.hash.as_str())).all(&auth.db).await? {
        sign_out(auth, &other.hash).await?;
    }
    Ok(())
}

/// An account was changed: what it may do no more ends at once.
pub async fn account_changed(auth: &Auth, before: &user::Model, after: &user::Model) -> Result<(), DbErr> {
    let rights = |u: &user::Model| {
        let deeds = (u.administrator, u.may_watch, u.may_export, u.may_delete);
        (deeds, u.reach.clone(), u.team.clone(), u.role)
    };
    if after.disabled {
        return works_no_more(auth, after).await;
    }
    if after.password != before.password {
        sign_out_everywhere(auth, after.id).await?;
    }
    if rights(before) != rights(after) {
        auth.logins.end_all_of(after.id);
        may_do_other_things(auth, after).await?;
    }
    Ok(())
}

/// This account may not be used: nobody is signed in by it, and nobody helps by it.
pub async fn works_no_more(auth: &Auth, user: &user::Model) -> Result<(), DbErr> {
    sign_out_everywhere(auth, user.id).await?;
    // Their team is called the same until all of their sessions have heard of it.
    let _names = auth.teams.read().await;
    let queue = queue_of(auth, user).await?;
    let mut done = Ok(());
    for live in auth.sessions.all_with_new().await {
        let command = Command::Expel { user: user.id, queue: queue.clone() };
        // Where one session cannot store it, the others still can.
        done = done.and(or_over(live.act(&Actor::Server, command).await).map(drop));
    }
    done
}

/// Where somebody's sessions wait when nobody shares them: with their team, where anybody of it is left.
async fn queue_of(auth: &Auth, user: &user::Model) -> Result<Queue, DbErr> {
    let colleagues = user::Entity::find()
        .filter(user::Column::Team.eq(user.team.as_str()))
        .filter(user::Column::Disabled.eq(false))
        .filter(user::Column::Id.ne(user.id));
    let left = !user.team.is_empty() && colleagues.one(&auth.db).await?.is_some();
    Ok(if left { Queue::Team { team: user.team.clone() } } else { Queue::General })
}

/// What an account may do has changed: its role counts as it is now, and what it supervises is judged anew when it asks.
async fn may_do_other_things(auth: &Auth, user: &user::Model) -> Result<(), DbErr> {
    for live in auth.sessions.all() {
        let watches = |s: &session::Session| {
            let mut all = s.participants().iter().filter(|p| p.user == Some(user.id) && p.role == Role::Supervisor);
            all.find(|p| p.presence != Presence::Gone).map(|p| p.id)
        };
        if let Some(who) = live.read(watches).await {
            or_over(live.act(&Actor::Participant(who), Command::Leave).await)?;
        }
        take_role(auth, &live, user).await?;
    }
    Ok(())
}

async fn take_role(auth: &Auth, live: &std::sync::Arc<LiveSession>, user: &user::Model) -> Result<bool, DbErr> {
    let command = Command::ChangeRole { user: user.id, by_role: auth.rules.get().role(user.role) };
    or_over(live.act(&Actor::Server, command).await)
}

/// Roles give something else than before: so they do in sessions that go on.
pub async fn roles_changed(auth: &Auth) -> Result<(), DbErr> {
    for live in auth.sessions.all() {
        let helpers = live.read(|s| s.participants().iter().filter_map(|p| p.user).collect::<Vec<_>>()).await;
        for user in user::Entity::find().filter(user::Column::Id.is_in(helpers)).all(&auth.db).await? {
            if take_role(auth, &live, &user).await? {
                auth.logins.end_all_of(user.id);
            }
        }
    }
    Ok(())
}

/// Whoever was disabled while their sessions could not be told, because the server stopped in between.
pub async fn catch_up(auth: &Auth) -> Result<(), DbErr> {
    for user in user::Entity::find().filter(user::Column::Disabled.eq(true)).all(&auth.db).await? {
        works_no_more(auth, &user).await?;
    }
    Ok(())
}

/// Whether anything happened; nothing does in a session that has just ended.
fn or_over(acted: Result<Vec<protocol::Entry>, ActError>) -> Result<bool, DbErr> {
    match acted {
        Ok(entries) => Ok(!entries.is_empty()),
        Err(ActError::Refused(why)) => {
            tracing::debug!(%why, "nothing was left to end");
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
        desk::ticket_import,
        world::{self, World},
    };

    /// As it is for requests that were judged before: the account is disabled, and no session has heard of it.
    async fn disable(auth: &Auth, account: i32) {
        let row = user::Entity::update_many().col_expr(user::Column::Disabled, Expr::value(true));
        row.filter(user::Column::Id.eq(account)).exec(&auth.db).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_under_way_when_an_account_is_disabled_comes_to_nothing() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let template = world::template("leavers").await;
        let world = World::again(&template, "leavers-under-way").await;
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
        let made = ticket_import::session(&app.desk, &about, outside.clone(), None).await;
        assert!(matches!(made, Err(ActError::Disabled)), "{:?}", made.err());
        assert_eq!(counts().await, before, "nothing of it stays");

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
        // The chain goes on as if nothing had been tried.
        running.act(&by, Command::Note { text: "on".into() }).await.unwrap();
        assert!(auth.sessions.read(&running.id).await.unwrap().is_some());
        let other = one(3, "colleague");
        waiting.act(&Actor::Technician(other), Command::Take { team: String::new() }).await.unwrap();
        drop(world);
        let _ = std::fs::remove_dir_all(&template);
    }
}
