//! What handlers may ask for: every service, each by its type.

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

/// The services. A handler takes those that it needs, as `State`.
macro_rules! services {
    ($($(#[$doc:meta])* $name:ident: $service:ty,)*) => {
        /// Every service of the server. Handlers take those that they need, and never all of them.
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

services! {
    db: DatabaseConnection,
    /// Secrets at rest.
    secrets: Arc<Secrets>,
    /// What this server proves to be.
    identity: Arc<Identity>,
    public_url: PublicUrl,
    settings: Arc<Current<Settings>>,
    /// Who asks, and from where.
    clients: Arc<Clients>,
    admissions: Arc<Admissions>,
    /// How often other systems ask.
    api_limits: Arc<ApiLimits>,
    sessions: Arc<SessionRegistry>,
    archive: Arc<Archive>,
    /// Links to recordings that somebody watches.
    playback: Arc<Playback>,
    /// Who else is told what happens.
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
