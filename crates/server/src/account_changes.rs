//! Who may change which accounts: one rule for the console, the REST API and BeyondTrust's API.

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DbErr, EntityTrait, QueryFilter, TransactionTrait, sea_query::Expr,
};
use store::{tables::user, teams};

use crate::sign_in::{self, Auth};

/// Who changes an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangedBy {
    /// An administrator in the console, by account.
    Administrator(i32),
    /// Another system.
    System,
}

/// The fields to change. Names and addresses are already validated.
#[derive(Clone, Debug, Default)]
pub struct AccountChange {
    pub name: Option<String>,
    pub email: Option<String>,
    /// The team by name; a new name makes a team, an empty one stands for none.
    pub team: Option<String>,
    pub disabled: Option<bool>,
    pub administrator: Option<bool>,
    /// The hash of a new password.
    pub password: Option<String>,
    pub evidence: EvidenceChange,
    pub role: Option<i32>,
    /// The language of mails to its owner.
    pub email_language: Option<String>,
}

impl AccountChange {
    /// Whether anything differs from an account in the team of this name. The team counts too: it decides who sees an
    /// administrator's sessions.
    fn alters(&self, before: &user::Model, before_team: &str) -> bool {
        let Self { name, email, team, disabled, administrator, password, evidence, role, email_language } = self;
        name.as_ref().is_some_and(|name| *name != before.name)
            || email.as_ref().is_some_and(|email| *email != before.email)
            || team.as_ref().is_some_and(|team| team != before_team)
            || disabled.is_some_and(|disabled| disabled != before.disabled)
            || administrator.is_some_and(|administrator| administrator != before.administrator)
            || role.is_some_and(|role| role != before.role)
            || email_language.is_some() && *email_language != before.email_language
            || password.is_some()
            || evidence.alters(before)
    }
}

/// Changes to an account's rights to evidence, and whose evidence it sees.
#[derive(Clone, Copy, Debug, Default)]
pub struct EvidenceChange {
    pub may_watch: Option<bool>,
    pub may_export: Option<bool>,
    pub may_delete: Option<bool>,
    pub reach: Option<&'static str>,
}

impl EvidenceChange {
    fn alters(&self, before: &user::Model) -> bool {
        let Self { may_watch, may_export, may_delete, reach } = *self;
        may_watch.is_some_and(|may| may != before.may_watch)
            || may_export.is_some_and(|may| may != before.may_export)
            || may_delete.is_some_and(|may| may != before.may_delete)
            || reach.is_some_and(|reach| reach != before.reach)
    }
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum NotChanged {
    #[error("There is no such account.")]
    Missing,
    #[error("Administrators are changed in the console, by administrators.")]
    Administrator,
    #[error("You cannot disable your own account or stop being an administrator. Ask another administrator.")]
    OwnAccount,
    #[error("This is the last administrator.")]
    LastAdministrator,
    #[error(transparent)]
    Store(#[from] DbErr),
}

/// Checks a change. `others` says whether there is another administrator who can sign in.
fn check(
    by: ChangedBy,
    (before, before_team): (&user::Model, &str),
    change: &AccountChange,
    others: bool,
) -> Result<(), NotChanged> {
    let raised = change.administrator == Some(true) && !before.administrator;
    if by == ChangedBy::System && (raised || (before.administrator && change.alters(before, before_team))) {
        return Err(NotChanged::Administrator);
    }
    let disables = change.disabled == Some(true) && !before.disabled;
    let steps_down = before.administrator && (disables || change.administrator == Some(false));
    if steps_down && !before.disabled && !others {
        return Err(NotChanged::LastAdministrator);
    }
    if by == ChangedBy::Administrator(before.id) && (disables || steps_down) {
        return Err(NotChanged::OwnAccount);
    }
    Ok(())
}

/// Changes an account. What it may no longer do ends at once.
pub async fn change(auth: &Auth, by: ChangedBy, id: i32, change: AccountChange) -> Result<user::Model, NotChanged> {
    let transaction = auth.db.begin().await?;
    // A write first locks the database, so that two concurrent changes cannot remove the last two administrators.
    let lock = user::Entity::update_many().col_expr(user::Column::Id, Expr::col(user::Column::Id));
    lock.filter(user::Column::Id.eq(id)).exec(&transaction).await?;
    let before = user::Entity::find_by_id(id).one(&transaction).await?.ok_or(NotChanged::Missing)?;
    let others = user::Entity::find()
        .filter(user::Column::Administrator.eq(true))
        .filter(user::Column::Disabled.eq(false))
        .filter(user::Column::Id.ne(id));
    let others = others.one(&transaction).await?.is_some();
    let before_team = teams::name(&transaction, before.team).await?;
    check(by, (&before, &before_team), &change, others)?;
    let AccountChange { name, email, team, disabled, administrator, password, evidence, role, email_language } = change;
    let mut row: user::ActiveModel = before.clone().into();
    name.into_iter().for_each(|name| row.name = Set(name));
    email.into_iter().for_each(|email| row.email = Set(email));
    if let Some(team) = team {
        row.team = Set(teams::named_or_new(&transaction, &team).await?);
    }
    disabled.into_iter().for_each(|disabled| row.disabled = Set(disabled));
    administrator.into_iter().for_each(|administrator| row.administrator = Set(administrator));
    password.into_iter().for_each(|hash| row.password = Set(hash));
    role.into_iter().for_each(|role| row.role = Set(role));
    email_language.into_iter().for_each(|language| row.email_language = Set(Some(language)));
    let EvidenceChange { may_watch, may_export, may_delete, reach } = evidence;
    may_watch.into_iter().for_each(|may| row.may_watch = Set(may));
    may_export.into_iter().for_each(|may| row.may_export = Set(may));
    may_delete.into_iter().for_each(|may| row.may_delete = Set(may));
    reach.into_iter().for_each(|reach| row.reach = Set(reach.into()));
    let after = row.update(&transaction).await?;
    transaction.commit().await?;
    sign_in::account_changed(auth, &before, &after).await?;
    Ok(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_change_whom() {
        let account = |administrator, disabled| user::Model {
            id: 1,
            login: String::new(),
            name: String::new(),
            email: String::new(),
            team: None,
            administrator,
            disabled,
            password: String::new(),
            may_watch: false,
            may_export: false,
            may_delete: false,
            reach: String::new(),
            role: 0,
            external: String::new(),
            totp: String::new(),
            totp_step: 0,
            recovery: String::new(),
            email_language: None,
        };
        let rename = AccountChange { name: Some("X".into()), ..AccountChange::default() };
        let team = AccountChange { team: Some("X".into()), ..AccountChange::default() };
        let disable = AccountChange { disabled: Some(true), ..AccountChange::default() };
        let raise = AccountChange { administrator: Some(true), ..AccountChange::default() };
        let lower = AccountChange { administrator: Some(false), ..AccountChange::default() };
        let password = AccountChange { password: Some("hash".into()), ..AccountChange::default() };
        let same = AccountChange { disabled: Some(false), name: Some(String::new()), ..AccountChange::default() };
        let (system, other, own) = (ChangedBy::System, ChangedBy::Administrator(2), ChangedBy::Administrator(1));
        for (by, administrator, change, others, expected) in [
            (system, false, &rename, true, ""),
            (system, false, &disable, true, ""),
            (system, false, &team, true, ""),
            (system, false, &raise, true, "Administrators"),
            (system, true, &rename, true, "Administrators"),
            (system, true, &team, true, "Administrators"),
            (system, true, &disable, true, "Administrators"),
            (system, true, &password, true, "Administrators"),
            (system, true, &same, true, ""),
            (other, true, &disable, true, ""),
            (other, true, &lower, true, ""),
            (other, true, &disable, false, "This is the last"),
            (other, true, &lower, false, "This is the last"),
            (other, false, &raise, true, ""),
            (own, true, &rename, true, ""),
            (own, true, &disable, true, "You cannot"),
            (own, true, &lower, true, "You cannot"),
            (own, true, &lower, false, "This is the last"),
        ] {
            let checked = check(by, (&account(administrator, false), ""), change, others);
            let words = checked.err().map_or(String::new(), |why| why.to_string());
            assert_eq!(words.is_empty(), expected.is_empty(), "{by:?} {administrator} {change:?}: {words}");
            assert!(words.starts_with(expected), "{by:?} {administrator} {change:?}: {words}");
        }
        // A disabled administrator does not count as the last one.
        assert!(check(other, (&account(true, true), ""), &lower, false).is_ok());
    }
}
