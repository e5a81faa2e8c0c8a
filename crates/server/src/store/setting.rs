//! What administrators have set: a value for each kind, as JSON.

use sea_orm::{ActiveValue::Set, DatabaseConnection, EntityTrait, sea_query::OnConflict};
use serde::{Serialize, de::DeserializeOwned};

use super::tables::setting;

/// The rows of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    General = 1,
    OpenId = 2,
    Directory = 3,
    Rules = 4,
    Mailbox = 5,
}

/// What was stored, or the default.
pub async fn load<T: DeserializeOwned + Default>(db: &DatabaseConnection, kind: Kind) -> anyhow::Result<T> {
    let row = setting::Entity::find_by_id(kind as i32).one(db).await?;
    Ok(row.map(|row| serde_json::from_str(&row.body)).transpose()?.unwrap_or_default())
}

/// Stores it in place of what was there.
pub async fn save<T: Serialize>(db: &DatabaseConnection, kind: Kind, value: &T) -> anyhow::Result<()> {
    let row = setting::ActiveModel { id: Set(kind as i32), body: Set(serde_json::to_string(value)?) };
    let replace = OnConflict::column(setting::Column::Id).update_column(setting::Column::Body).to_owned();
    setting::Entity::insert(row).on_conflict(replace).exec_without_returning(db).await?;
    Ok(())
}
