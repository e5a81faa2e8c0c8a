//! What administrators have set: a value for each kind, as JSON.

use sea_orm::{ActiveValue::Set, DatabaseConnection, EntityTrait, sea_query::OnConflict};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    secrets::{Place, Secrets},
    tables::setting,
};

/// The rows of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What the settings' page has.
    General = 1,
    /// The organisation's own sign-in.
    OpenId = 2,
    /// The organisation's directory (LDAP).
    Directory = 3,
    /// Roles and policies.
    Rules = 4,
    /// Where mails come in.
    Mailbox = 5,
}

/// What can be set.
pub trait Setting: Clone + Default + Serialize + DeserializeOwned {
    /// Its row.
    const KIND: Kind;

    /// What nobody may read who has the database alone.
    fn secret(&mut self) -> Option<&mut String> {
        None
    }
}

/// What was stored, or the default.
pub async fn load<T: Setting>(db: &DatabaseConnection, secrets: &Secrets) -> anyhow::Result<T> {
    let Some(row) = setting::Entity::find_by_id(T::KIND as i32).one(db).await? else { return Ok(T::default()) };
    let mut value: T = serde_json::from_str(&row.body)?;
    if let Some(secret) = value.secret() {
        *secret = secrets.unseal_or_nothing(Place::Setting(T::KIND), secret);
    }
    Ok(value)
}

/// Stores it in place of what was there.
pub async fn save<T: Setting>(db: &DatabaseConnection, secrets: &Secrets, value: &T) -> anyhow::Result<()> {
    let mut value = value.clone();
    if let Some(secret) = value.secret() {
        *secret = secrets.seal(Place::Setting(T::KIND), secret);
    }
    let row = setting::ActiveModel { id: Set(T::KIND as i32), body: Set(serde_json::to_string(&value)?) };
    let replace = OnConflict::column(setting::Column::Id).update_column(setting::Column::Body).to_owned();
    setting::Entity::insert(row).on_conflict(replace).exec_without_returning(db).await?;
    Ok(())
}
