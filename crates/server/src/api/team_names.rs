//! Teams as pages and other systems write them: by name, where an empty name stands for none.

use sea_orm::DatabaseConnection;
use store::{
    setting::ByTeam,
    teams::{self, TeamId, TeamNames},
};

use super::{Result, people};

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

/// The team that somebody chose by name. A new name makes a team.
pub async fn chosen(db: &DatabaseConnection, name: &str) -> Result<Option<TeamId>> {
    Ok(teams::named_or_new(db, &checked(name)?).await?)
}
