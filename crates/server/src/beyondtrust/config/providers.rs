//! Security providers: passwords here, the OpenID provider and the directory.

use std::sync::Arc;

use axum::extract::{Path, State};
use serde_json::{Value, json};
use store::tables::user;

use crate::{
    beyondtrust::call::{Answer, Call, id, one},
    config::PublicUrl,
    sign_in::Auth,
};

/// The provider that authenticates an account.
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

    fn shown(self, auth: &Auth) -> Value {
        let (kind, name, enabled) = match self {
            Self::Local => ("local", "Local Users".to_owned(), true),
            Self::OpenId => {
                let openid = auth.openid.get();
                let name = if openid.name.is_empty() { "OpenID Connect".into() } else { openid.name };
                ("oidc", name, openid.enabled)
            }
            Self::Directory => ("ldap", "Directory".to_owned(), auth.directory.get().enabled),
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
pub async fn providers(State(public_url): State<PublicUrl>, State(auth): State<Arc<Auth>>, call: Call) -> Answer {
    call.verb("GET,HEAD")?;
    call.list(&public_url, Provider::ALL.map(|provider| provider.shown(&auth)).to_vec())
}

/// `/security-provider/{id}`
pub async fn provider(State(auth): State<Arc<Auth>>, Path(wanted): Path<String>, call: Call) -> Answer {
    call.verb("GET,HEAD")?;
    let wanted = id(&wanted)?;
    one(Provider::ALL.into_iter().find(|provider| provider.id() == wanted).map(|provider| provider.shown(&auth)))
}
