//! Where an incident comes from.

use std::{convert::Infallible, fmt, str::FromStr};

use sea_orm::DeriveValueType;

/// The service desk that an incident comes from. The column is empty, `api`, or a receiver's number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, DeriveValueType)]
#[sea_orm(value_type = "String")]
pub enum IncidentSource {
    /// The one built in.
    #[default]
    BuiltIn,
    /// Another system, which asked for a session.
    Api,
    /// The desk behind this receiver.
    Desk(i32),
    /// A desk that this version does not know.
    Unknown,
}

impl fmt::Display for IncidentSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => Ok(()),
            Self::Api => f.write_str("api"),
            Self::Desk(receiver) => receiver.fmt(f),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

impl FromStr for IncidentSource {
    type Err = Infallible;

    fn from_str(stored: &str) -> Result<Self, Infallible> {
        Ok(match stored {
            "" => Self::BuiltIn,
            "api" => Self::Api,
            number => number.parse().map_or(Self::Unknown, Self::Desk),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_is_read_as_it_is_stored() {
        for (source, stored) in
            [(IncidentSource::BuiltIn, ""), (IncidentSource::Api, "api"), (IncidentSource::Desk(7), "7")]
        {
            assert_eq!((source.to_string().as_str(), stored.parse()), (stored, Ok(source)));
        }
        assert_eq!("jira".parse(), Ok(IncidentSource::Unknown));
    }
}
