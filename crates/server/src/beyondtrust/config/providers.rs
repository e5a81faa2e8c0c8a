//! By whom users sign in: with a password here, or by the organisation's own sign-in or directory.

use axum::extract::{Path, State};
use serde_json::{Value, json};
use store::tables::user;

use crate::{
    app::Shared,
    beyondtrust::call::{Answer, Call, id, one},
};

/// Who vouches for an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    Local,
    OpenId,
    Directory,
}

impl Provider {
    const ALL: [Self; 3] = [Self::Local, Self::OpenId, Self::Directory];

    pub fn of(user: &user::Model) -> Self {
        match user.external.as_str() {
            "" => Self::Local,
            external if external.starts_with("ldap ") => Self::Directory,
            _ => Self::OpenId,
        }
    }

    pub fn id(self) -> i32 {
        match self {
            Self::Local => 1,
            Self::OpenId => 2,
            Self::Directory => 3,
        }
    }

    fn shown(self, app: &Shared) -> Value {
        let (kind, name, enabled) = match self {
            Self::Local => ("local", "Local Users".to_owned(), true),
            Self::OpenId => {
                let openid = app.openid();
                let name = if openid.name.is_empty() { "OpenID Connect".into() } else { openid.name };
                ("oidc", name, openid.enabled)
            }
            Self::Directory => ("ldap", "Directory".to_owned(), app.directory().enabled),
        };
        json!({
            "id": self.id(),
            "type": kind,
            "name": name,
            "enabled": enabled,
            "user_authentication": true,
            "group_lookup": self != Self::Local,
        })
    }
}

/// `/security-provider`
pub async fn providers(State(app): State<Shared>, call: Call) -> Answer {
    call.verb("GET,HEAD")?;
    call.list(&app, Provider::ALL.map(|provider| provider.shown(&app)).to_vec())
}

/// `/security-provider/{id}`
pub async fn provider(State(app): State<Shared>, Path(wanted): Path<String>, call: Call) -> Answer {
    call.verb("GET,HEAD")?;
    let wanted = id(&wanted)?;
    one(Provider::ALL.into_iter().find(|provider| provider.id() == wanted).map(|provider| provider.shown(&app)))
}
