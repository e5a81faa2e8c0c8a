//! Settings that administrators edit: one JSON value for each kind.

use std::sync::{Arc, RwLock};

use sea_orm::{ActiveValue::Set, DatabaseConnection, EntityTrait, sea_query::OnConflict};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    secrets::{Place, Secrets},
    tables::setting,
};

/// The kinds of settings. The number is the row's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The settings page.
    General = 1,
    /// The organisation's OpenID provider.
    OpenId = 2,
    /// The organisation's directory (LDAP).
    Directory = 3,
    /// Roles and policies.
    Rules = 4,
    /// The mailbox for incoming mails.
    Mailbox = 5,
}

/// A kind of settings.
pub trait Setting: Clone + Default + Serialize + DeserializeOwned {
    /// Its row.
    const KIND: Kind;

    /// The value that is encrypted in the database, if there is one.
    fn secret(&mut self) -> Option<&mut String> {
        None
    }
}

/// A setting that refers to teams. What the server stores and follows has `Option<TeamId>` for `Team`; what
/// administrators read and write has the name, and an empty one stands for no team.
pub trait ByTeam<Team> {
    /// The same setting, with teams of another type.
    type With<Other>: ByTeam<Other>;

    /// Replaces what refers to teams.
    fn map_teams<Other>(self, map: impl FnMut(Team) -> Other) -> Self::With<Other>;
}

/// Loads the stored value, or the default.
pub async fn load<T: Setting>(db: &DatabaseConnection, secrets: &Secrets) -> anyhow::Result<T> {
    let Some(row) = setting::Entity::find_by_id(T::KIND as i32).one(db).await? else { return Ok(T::default()) };
    let mut value: T = serde_json::from_str(&row.body)?;
    if let Some(secret) = value.secret() {
        *secret = secrets.unseal_or_nothing(Place::Setting(T::KIND), secret);
    }
    Ok(value)
}

/// Stores a value in place of the old one.
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

/// The current value of a setting, shared by its readers and replaced as a whole.
#[derive(Debug)]
pub struct Current<T>(RwLock<T>);

impl<T: Setting> Current<T> {
    /// Loads the stored value.
    pub async fn load(db: &DatabaseConnection, secrets: &Secrets) -> anyhow::Result<Arc<Self>> {
        Ok(Arc::new(Self(RwLock::new(load(db, secrets).await?))))
    }

    /// The current value.
    pub fn get(&self) -> T {
        self.0.read().expect("lock is not poisoned").clone()
    }

    /// Replaces the current value. The caller has stored it.
    pub fn replace(&self, value: T) {
        *self.0.write().expect("lock is not poisoned") = value;
    }

    /// Stores a value, then makes it the current one.
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
