//! The services that handlers use, each extracted by its type.

use std::sync::Arc;

use archive::Archive;
use axum::extract::FromRef;
use live_sessions::SessionRegistry;
use platform::identity::Identity;
use sea_orm::DatabaseConnection;
use store::{secrets::Secrets, setting::Current, settings::Settings};

use crate::{
    api_limits::ApiLimits,
    config::PublicUrl,
    connections::{Admissions, Clients},
    deliveries::Deliveries,
    desk::ServiceDesk,
    mail::Mailer,
    mailbox::Inbox,
    organisation::Organisation,
    playback::Playback,
    programs::Programs,
    sign_in::Auth,
    unsent_mail::UnsentMail,
    wire::Wire,
};

/// Declares the services, each of which a handler can take as `State`.
macro_rules! services {
    ($($(#[$doc:meta])* $name:ident: $service:ty,)*) => {
        /// Every service of the server. A handler takes only those that it needs.
        #[derive(Clone)]
        pub struct AppState {
            $($(#[$doc])* pub $name: $service,)*
        }

        $(impl FromRef<AppState> for $service {
            fn from_ref(state: &AppState) -> Self {
                state.$name.clone()
            }
        })*
    };
}

/// Declares services that several handlers need together, as a struct that they take as `State`.
macro_rules! service_group {
    ($(#[$doc:meta])* $vis:vis struct $name:ident { $($field:ident: $service:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone)]
        $vis struct $name {
            $($vis $field: $service,)*
        }

        impl axum::extract::FromRef<$crate::state::AppState> for $name {
            fn from_ref(state: &$crate::state::AppState) -> Self {
                Self { $($field: axum::extract::FromRef::from_ref(state),)* }
            }
        }
    };
}
pub(crate) use service_group;

services! {
    db: DatabaseConnection,
    /// Encrypts secrets at rest.
    secrets: Arc<Secrets>,
    /// The key by which this server proves its identity.
    identity: Arc<Identity>,
    public_url: PublicUrl,
    settings: Arc<Current<Settings>>,
    /// Client addresses and the throttle for guesses.
    clients: Arc<Clients>,
    admissions: Arc<Admissions>,
    /// Rate limits of API accounts.
    api_limits: Arc<ApiLimits>,
    sessions: Arc<SessionRegistry>,
    archive: Arc<Archive>,
    /// Links to recordings that are being watched.
    playback: Arc<Playback>,
    /// Deliveries to receivers: webhooks, service desks, BeyondTrust events.
    deliveries: Arc<Deliveries>,
    desk: Arc<ServiceDesk>,
    mailer: Arc<Mailer>,
    inbox: Arc<Inbox>,
    unsent: Arc<UnsentMail>,
    auth: Arc<Auth>,
    organisation: Arc<Organisation>,
    wire: Arc<Wire>,
    /// The support programs that customers download.
    programs: Arc<Programs>,
}
