//! Teams as pages and other systems write them: by name, where an empty name stands for none.

use sea_orm::DatabaseConnection;
use store::{
    setting::ByTeam,
    tables::user,
    teams::{self, TeamId, TeamNames},
};

use super::{ApiError, Result, people};

/// Checks the name of a team.
pub fn checked(name: &str) -> Result<String> {
    people::label(name, "A team's name")
}

/// A stored setting as it is shown.
pub async fn by_name<S: ByTeam<Option<TeamId>>>(db: &DatabaseConnection, setting: S) -> Result<S::With<String>> {
    let names = TeamNames::load(db).await?;
    Ok(setting.map_teams(|team| names.of(team).to_owned()))
}

/// A setting as an administrator wrote it, to be stored. A new name makes a team.
pub async fn by_number<S: ByTeam<String> + Clone>(
    db: &DatabaseConnection,
    setting: S,
) -> Result<S::With<Option<TeamId>>> {
    let mut written = Vec::new();
    setting.clone().map_teams(|name| written.push(name));
    let written = written.iter().map(|name| checked(name)).collect::<Result<Vec<_>>>()?;
    for name in written {
        teams::named_or_new(db, &name).await?;
    }
    let names = TeamNames::load(db).await?;
    Ok(setting.map_teams(|name| names.named(name.trim())))
}

/// The team that somebody chose by name. Only an administrator makes a team by a new name, so that a misspelt one is
/// noticed.
pub async fn chosen(db: &DatabaseConnection, me: &user::Model, name: &str) -> Result<Option<TeamId>> {
    let name = checked(name)?;
    if me.administrator || name.is_empty() {
        return Ok(teams::named_or_new(db, &name).await?);
    }
    let known = teams::named(db, &name).await?;
    let missing = || ApiError::bad(format!("There is no team “{name}”. Ask an administrator to add it."));
    Ok(Some(known.ok_or_else(missing)?.id))
}
