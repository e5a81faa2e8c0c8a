//! What administrators have set: a value for each kind, as JSON.

use std::sync::{Arc, RwLock};

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

/// A setting in use: read by many, replaced as a whole.
#[derive(Debug)]
pub struct Current<T>(RwLock<T>);

impl<T: Setting> Current<T> {
    /// Reads what was stored.
    pub async fn load(db: &DatabaseConnection, secrets: &Secrets) -> anyhow::Result<Arc<Self>> {
        Ok(Arc::new(Self(RwLock::new(load(db, secrets).await?))))
    }

    /// The value of now.
    pub fn get(&self) -> T {
        self.0.read().expect("nobody panics while holding a setting").clone()
    }

    /// Uses another value from now on. Whoever calls this has stored it.
    pub fn replace(&self, value: T) {
        *self.0.write().expect("nobody panics while holding a setting") = value;
    }

    /// Stores another value, and uses it from then on.
    pub async fn change(&self, db: &DatabaseConnection, secrets: &Secrets, value: T) -> anyhow::Result<()> {
        save(db, secrets, &value).await?;
        self.replace(value);
        Ok(())
    }
}

impl<T> From<T> for Current<T> {
    fn from(value: T) -> Self {
        Self(RwLock::new(value))
    }
}
