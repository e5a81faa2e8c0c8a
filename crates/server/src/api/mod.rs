//! The web API of the console and the customer's pages: one module for each resource, all routes in [`router`].

pub mod account;
mod attachments;
pub mod bounds;
mod confirm;
mod customer_files;
mod customers;
mod desk;
mod error;
mod evidence;
mod experts;
mod files;
mod handover;
mod identity_providers;
mod integrations;
mod join;
mod mailbox;
mod mails;
mod message_templates;
mod mfa;
mod openid_login;
mod passkeys;
mod people;
mod program_download;
mod rating;
mod remote_system;
mod rules;
mod screenshots;
mod session_history;
mod sessions;
mod settings;
mod side_channels;
mod signed_in;
mod team_names;
mod v1;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{delete, get, post, put},
};

pub use account::LOGIN_MS;
pub use error::{ApiError, Result};
pub use evidence::serve_file;
pub use join::{Passes, invalid_pass};
pub use people::password;
pub use program_download::{ProgramFor, program_for};
pub use remote_system::shell_cast;
pub use signed_in::while_signed_in;
pub use signed_in::{
    Admin, ClientAddress, Confirmed, ConfirmedAdmin, CurrentLogin, Helper, SignedIn, address, signed_in,
};

use crate::state::AppState;

/// The largest request body in bytes: enough for a mail with a long text.
pub const BODY_LIMIT: usize = 256 * 1024;

/// The routes of the console and of the customer's pages.
pub fn router(app: &AppState) -> Router<AppState> {
    Router::new()
        // Sign-in.
        .route("/api/setup", post(account::set_up))
        .route("/api/sign-in", post(account::sign_in_here))
        .route("/api/sign-out", post(account::sign_out))
        .route("/api/sign-out-everywhere", post(account::sign_out_everywhere))
        .route("/api/me", get(account::me))
        .route("/api/me/confirm", get(confirm::read).post(confirm::confirm))
        .route("/api/me/second", post(mfa::offer).put(mfa::confirm).delete(mfa::remove))
        .route("/api/me/passkeys", get(passkeys::all).post(passkeys::keep))
        .route("/api/me/passkeys/begin", post(passkeys::begin))
        .route("/api/me/passkeys/{id}", delete(passkeys::remove))
        .route("/api/sign-in/passkey/begin", post(passkeys::ask))
        .route("/api/sign-in/passkey", post(passkeys::sign_in))
        .route("/api/users/{id}/second", delete(mfa::reset))
        .route("/api/openid", get(identity_providers::openid).put(identity_providers::set_openid))
        .route("/api/openid/test", post(identity_providers::test_openid))
        .route("/api/directory", get(identity_providers::directory).put(identity_providers::set_directory))
        .route("/api/directory/test", post(identity_providers::test_directory))
        .route("/sign-in/openid/start", get(openid_login::authorize))
        .route("/sign-in/openid/confirm", get(openid_login::authorize_to_confirm))
        .route("/sign-in/openid", get(openid_login::callback))
        // People.
        .route("/api/users", get(people::users).post(people::add_user))
        .route("/api/users/{id}", put(people::change_user))
        .route("/api/technicians", get(people::technicians))
        .route("/api/rules", get(rules::read).put(rules::write))
        .route("/api/rules/verdicts", get(rules::verdicts))
        .route("/api/settings", get(settings::read).put(settings::write))
        // Other systems.
        .route("/api/integrations", get(integrations::all))
        .route("/api/accounts", post(integrations::accounts::add_account))
        .route(
            "/api/accounts/{id}",
            put(integrations::accounts::change_account).delete(integrations::accounts::remove_account),
        )
        .route("/api/accounts/{id}/secret", post(integrations::accounts::new_account_secret))
        .route("/api/tokens", post(integrations::accounts::add_token))
        .route("/api/tokens/{id}", delete(integrations::accounts::remove_token))
        .route("/api/receivers", post(integrations::receivers::add_receiver))
        .route(
            "/api/receivers/{id}",
            put(integrations::receivers::change_receiver).delete(integrations::receivers::remove_receiver),
        )
        .route("/api/receivers/{id}/test", post(integrations::receivers::test_receiver))
        .route("/api/receivers/{id}/deliveries", get(integrations::receivers::deliveries))
        .route(
            "/api/deliveries/{id}",
            post(integrations::receivers::send_again).delete(integrations::receivers::drop_delivery),
        )
        .route("/api/desks/{desk}/tickets/{ticket}/sessions", post(integrations::start_from_ticket))
        // The service desk.
        .route("/api/customers", get(customers::list).post(customers::add))
        .route("/api/customers/{id}", put(customers::change))
        .route("/api/incidents", get(desk::incidents).post(desk::add_incident))
        .route("/api/incidents/{id}", get(desk::incident).put(desk::change_incident))
        .route("/api/incidents/{id}/notes", post(desk::journal::add_note))
        .route("/api/incidents/{id}/mails", post(mails::write))
        .route("/api/incidents/{id}/sessions", post(sessions::generate))
        // Sessions.
        .route("/api/sessions", get(sessions::queue))
        .route("/api/sessions/{id}", get(sessions::read))
        .route("/api/sessions/{id}/key", post(sessions::issue_key).delete(sessions::revoke_key))
        .route("/api/sessions/{id}/link", delete(sessions::revoke_link))
        .route("/api/sessions/{id}/mail", post(mails::send))
        .route("/api/sessions/{id}/ticket", post(sessions::ticket))
        .route("/api/sessions/{id}/supervise", post(sessions::supervise))
        .route("/api/sessions/{id}/hold", post(sessions::hold))
        .route("/api/sessions/{id}/reopen", post(sessions::reopen))
        .route("/api/sessions/{id}/transfer", post(handover::transfer))
        .route("/api/sessions/{id}/take", post(handover::take))
        .route("/api/sessions/{id}/share", post(handover::share))
        .route("/api/sessions/{id}/experts", post(experts::invite))
        .route("/api/sessions/{id}/notes", post(handover::note))
        .route("/api/sessions/{id}/close", post(sessions::close))
        // The customer's machine.
        .route("/api/sessions/{id}/files", get(files::list))
        .route("/api/sessions/{id}/files/folder", post(files::make_folder))
        .route("/api/sessions/{id}/files/rename", post(files::rename))
        .route("/api/sessions/{id}/files/delete", post(files::delete))
        .route("/api/sessions/{id}/files/leaving/{number}", get(customer_files::content).post(customer_files::open))
        .route(
            "/api/sessions/{id}/files/leaving/{number}/progress",
            get(customer_files::progress).post(customer_files::command),
        )
        .route("/api/lanes/{token}", get(side_channels::send).post(side_channels::receive))
        .route(
            "/api/sessions/{id}/files/bring/{transfer}",
            get(files::uploaded_bytes).put(files::upload).post(files::place).delete(files::abandon),
        )
        .route(
            "/api/sessions/{id}/clipboard",
            get(remote_system::read_clipboard)
                .put(remote_system::write_clipboard)
                .layer(DefaultBodyLimit::max(protocol::MAX_CLIPBOARD_IMAGE)),
        )
        .route("/api/sessions/{id}/system", post(remote_system::read_system))
        .route("/api/sessions/{id}/processes/{pid}/end", post(remote_system::end_process))
        .route("/api/sessions/{id}/restart", post(remote_system::restart))
        .route("/api/sessions/{id}/elevate", post(remote_system::elevate))
        // Files in the chat, and screenshots.
        .route("/api/sessions/{id}/posts", post(attachments::post))
        .route("/api/sessions/{id}/posts/{number}", get(attachments::read))
        .route("/api/join/posts", post(attachments::post_by_token))
        .route("/api/join/posts/{number}", get(attachments::read_by_token))
        .route("/api/join/rate", post(rating::rate))
        .route("/api/sessions/{id}/screenshots", post(screenshots::add).layer(DefaultBodyLimit::max(64 * 1024 * 1024)))
        .route("/api/sessions/{id}/screenshots/{number}", get(screenshots::read))
        .route("/api/canned", get(message_templates::list).post(message_templates::add))
        .route("/api/canned/{id}", put(message_templates::change).delete(message_templates::remove))
        // Experts.
        .route("/api/expert/look", post(experts::preview))
        .route("/api/expert/enter", post(experts::enter))
        // Evidence.
        .route("/api/sessions/{id}/shells/{number}", get(remote_system::shell))
        .route("/api/sessions/{id}/system/{number}", get(remote_system::system))
        .route("/api/sessions/{id}/transcript.txt", get(evidence::text))
        .route("/api/sessions/{id}/transcript.json", get(evidence::json))
        .route("/api/sessions/{id}/store", post(evidence::store))
        .route("/api/sessions/{id}/watch", post(evidence::watch))
        .route("/api/sessions/{id}/bundle", post(evidence::bundle))
        .route("/api/sessions/{id}/delete", post(evidence::delete))
        .route("/api/sessions/{id}/legal-hold", post(evidence::hold))
        .route("/api/playback/{token}/recording.webm", get(evidence::recording))
        .route("/api/playback/{token}/subtitles.vtt", get(evidence::subtitles))
        .route("/api/playback/{token}/pointer", get(evidence::pointer))
        .route("/api/playback/{token}/activity", get(evidence::activity))
        .route("/api/sealing-keys", get(evidence::keys))
        .route("/api/past", get(session_history::search))
        .route("/api/report", get(session_history::report))
        .route("/api/report.csv", get(session_history::csv))
        // Mails.
        .route("/api/mails", get(mails::list))
        .route("/api/mails/{id}", get(mails::read))
        .route("/api/mails/{id}/html", get(mails::html))
        .route("/api/mailbox", get(mailbox::read).put(mailbox::write))
        .route("/api/mailbox/came", get(mailbox::received))
        .route("/api/mailbox/test", post(mailbox::test))
        .route("/api/letters/{id}/original", get(mailbox::original))
        .route("/api/letters/{id}/attachments/{number}", get(mailbox::attachment))
        // Joining as a customer.
        .route("/api/join/welcome", get(join::welcome))
        .route("/api/join/look", post(join::preview))
        .route("/api/join/enter", post(join::enter))
        .route("/api/join/resume", post(join::resume))
        .route("/api/join/handover", post(join::handover))
        .route("/download/{system}", post(program_download::program))
        .nest("/api/v1", v1::router(app))
}
