//! What follows when an account may be used no more, or for less: its connections end, and its sessions go to whoever it should
//! be.

use protocol::{Presence, Queue, Role};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter};
use session::{Actor, Command};

use crate::{
    app::Shared,
    live::{ActError, Live},
    store::tables::{login, user},
};

/// Ends every sign-in of an account, and whatever was opened by one.
pub async fn sign_out_everywhere(app: &Shared, user: i32) -> Result<(), DbErr> {
    login::Entity::delete_many().filter(login::Column::User.eq(user)).exec(&app.db).await?;
    app.logins.end_all_of(user);
    Ok(())
}

/// Ends one sign-in, by the hash of its cookie, and whatever was opened by it.
pub async fn sign_out(app: &Shared, hash: &str) -> Result<(), DbErr> {
    login::Entity::delete_by_id(hash).exec(&app.db).await?;
    app.logins.end(hash);
    Ok(())
}

/// Ends an account's other sign-ins, and whatever was opened by them: something that proves who they are has changed.
pub async fn sign_out_elsewhere(app: &Shared, here: &login::Model) -> Result<(), DbErr> {
    let all = login::Entity::find().filter(login::Column::User.eq(here.user));
    for other in all.filter(login::Column::Hash.ne(here.hash.as_str())).all(&app.db).await? {
        sign_out(app, &other.hash).await?;
    }
    Ok(())
}

/// An account was changed: what it may do no more ends at once.
pub async fn account_changed(app: &Shared, before: &user::Model, after: &user::Model) -> Result<(), DbErr> {
    let rights = |u: &user::Model| {
        let deeds = (u.administrator, u.may_watch, u.may_export, u.may_delete);
        (deeds, u.reach.clone(), u.team.clone(), u.role)
    };
    if after.disabled {
        return works_no_more(app, after).await;
    }
    if after.password != before.password {
        sign_out_everywhere(app, after.id).await?;
    }
    if rights(before) != rights(after) {
        app.logins.end_all_of(after.id);
        may_do_other_things(app, after).await?;
    }
    Ok(())
}

/// This account may not be used: nobody is signed in by it, and nobody helps by it.
pub async fn works_no_more(app: &Shared, user: &user::Model) -> Result<(), DbErr> {
    sign_out_everywhere(app, user.id).await?;
    let queue = queue_of(app, user).await?;
    for live in app.hub.all() {
        let command = Command::Expel { user: user.id, queue: queue.clone() };
        or_over(live.act(app, &Actor::Server, command).await)?;
    }
    Ok(())
}

/// Where somebody's sessions wait when nobody shares them: with their team, where anybody of it is left.
async fn queue_of(app: &Shared, user: &user::Model) -> Result<Queue, DbErr> {
    let colleagues = user::Entity::find()
        .filter(user::Column::Team.eq(user.team.as_str()))
        .filter(user::Column::Disabled.eq(false))
        .filter(user::Column::Id.ne(user.id));
    let left = !user.team.is_empty() && colleagues.one(&app.db).await?.is_some();
    Ok(if left { Queue::Team { team: user.team.clone() } } else { Queue::General })
}

/// What an account may do has changed: its role counts as it is now, and what it supervises is judged anew when it asks.
async fn may_do_other_things(app: &Shared, user: &user::Model) -> Result<(), DbErr> {
    for live in app.hub.all() {
        let watches = |s: &session::Session| {
            let mut all = s.participants().iter().filter(|p| p.user == Some(user.id) && p.role == Role::Supervisor);
            all.find(|p| p.presence != Presence::Gone).map(|p| p.id)
        };
        if let Some(who) = live.ask(watches).await {
            or_over(live.act(app, &Actor::Participant(who), Command::Leave).await)?;
        }
        take_role(app, &live, user).await?;
    }
    Ok(())
}

async fn take_role(app: &Shared, live: &std::sync::Arc<Live>, user: &user::Model) -> Result<bool, DbErr> {
    let command = Command::ChangeRole { user: user.id, by_role: app.rules().role(user.role) };
    or_over(live.act(app, &Actor::Server, command).await)
}

/// Roles give something else than before: so they do in sessions that go on.
pub async fn roles_changed(app: &Shared) -> Result<(), DbErr> {
    for live in app.hub.all() {
        let helpers = live.ask(|s| s.participants().iter().filter_map(|p| p.user).collect::<Vec<_>>()).await;
        for user in user::Entity::find().filter(user::Column::Id.is_in(helpers)).all(&app.db).await? {
            if take_role(app, &live, &user).await? {
                app.logins.end_all_of(user.id);
            }
        }
    }
    Ok(())
}

/// Whoever was disabled while their sessions could not be told, because the server stopped in between.
pub async fn catch_up(app: &Shared) -> Result<(), DbErr> {
    for user in user::Entity::find().filter(user::Column::Disabled.eq(true)).all(&app.db).await? {
        works_no_more(app, &user).await?;
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
        Err(ActError::Store(error)) => Err(error),
    }
}
