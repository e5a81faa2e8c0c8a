//! The web API. One file a resource, the whole router on one screen.

pub mod account;
pub mod bounds;
mod canned;
mod confirm;
mod customers;
mod desk;
mod download;
mod error;
mod evidence;
mod experts;
mod factors;
mod files;
mod hands;
mod integrations;
mod join;
mod journey;
mod lanes;
mod leaving;
mod machine;
mod mailbox;
mod mails;
mod passkeys;
mod past;
mod people;
mod posts;
mod rules;
mod sessions;
mod settings;
mod signed_in;
mod v1;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{delete, get, post, put},
};

pub use account::LOGIN_MS;
pub use desk::{Status, from_word, word};
pub use download::{ProgramFor, program};
pub use error::{ApiError, Result};
pub use evidence::hand_out;
pub use join::{dead, open_session};
pub use machine::shell_cast;
pub use people::password;
pub use signed_in::{Admin, By, Confirmed, ConfirmedAdmin, From, Helper, SignedIn, address, signed_in};

use crate::{app::Shared, beyondtrust, web, wire};

/// The largest body of a request: a mail with a long text fits.
const BODY_LIMIT: usize = 256 * 1024;

/// Every address of the server.
pub fn router(app: Shared) -> Router {
    Router::new()
        // Signing in.
        .route("/api/setup", post(account::set_up))
        .route("/api/sign-in", post(account::sign_in_here))
        .route("/api/sign-out", post(account::sign_out))
        .route("/api/sign-out-everywhere", post(account::sign_out_everywhere))
        .route("/api/me", get(account::me))
        .route("/api/me/confirm", get(confirm::read).post(confirm::confirm))
        .route("/api/me/second", post(factors::offer).put(factors::confirm).delete(factors::remove))
        .route("/api/me/passkeys", get(passkeys::all).post(passkeys::keep))
        .route("/api/me/passkeys/begin", post(passkeys::begin))
        .route("/api/me/passkeys/{id}", delete(passkeys::remove))
        .route("/api/sign-in/passkey/begin", post(passkeys::ask))
        .route("/api/sign-in/passkey", post(passkeys::sign_in))
        .route("/api/users/{id}/second", delete(factors::reset))
        .route("/api/openid", get(factors::openid).put(factors::set_openid))
        .route("/api/openid/test", post(factors::test_openid))
        .route("/api/directory", get(factors::directory).put(factors::set_directory))
        .route("/api/directory/test", post(factors::test_directory))
        .route("/sign-in/openid/start", get(journey::depart))
        .route("/sign-in/openid/confirm", get(journey::depart_to_confirm))
        .route("/sign-in/openid", get(journey::arrive))
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
        .route("/api/incidents/{id}/notes", post(desk::add_note))
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
        .route("/api/sessions/{id}/transfer", post(hands::transfer))
        .route("/api/sessions/{id}/take", post(hands::take))
        .route("/api/sessions/{id}/share", post(hands::share))
        .route("/api/sessions/{id}/experts", post(experts::invite))
        .route("/api/sessions/{id}/notes", post(hands::note))
        .route("/api/sessions/{id}/close", post(sessions::close))
        // The customer's machine.
        .route("/api/sessions/{id}/files", get(files::list))
        .route("/api/sessions/{id}/files/folder", post(files::make_folder))
        .route("/api/sessions/{id}/files/rename", post(files::rename))
        .route("/api/sessions/{id}/files/delete", post(files::delete))
        .route("/api/sessions/{id}/files/leaving/{number}", get(leaving::content).post(leaving::open))
        .route("/api/sessions/{id}/files/leaving/{number}/progress", get(leaving::progress).post(leaving::wish))
        .route("/api/lanes/{token}", get(lanes::give).post(lanes::take))
        .route(
            "/api/sessions/{id}/files/bring/{transfer}",
            get(files::kept).put(files::bring).post(files::put_in_place).delete(files::abandon),
        )
        .route(
            "/api/sessions/{id}/clipboard",
            get(machine::read_clipboard)
                .put(machine::write_clipboard)
                .layer(DefaultBodyLimit::max(protocol::MAX_CLIPBOARD_IMAGE)),
        )
        .route("/api/sessions/{id}/system", post(machine::read_system))
        .route("/api/sessions/{id}/processes/{pid}/end", post(machine::end_process))
        .route("/api/sessions/{id}/restart", post(machine::restart))
        .route("/api/sessions/{id}/elevate", post(machine::elevate))
        // What was put into the chat and the journal.
        .route("/api/sessions/{id}/posts", post(posts::post))
        .route("/api/sessions/{id}/posts/{number}", get(posts::read))
        .route("/api/join/posts", post(posts::post_by_token))
        .route("/api/join/posts/{number}", get(posts::read_by_token))
        .route("/api/join/rate", post(posts::rate))
        .route("/api/sessions/{id}/screenshots", post(posts::screenshot).layer(DefaultBodyLimit::max(64 * 1024 * 1024)))
        .route("/api/sessions/{id}/screenshots/{number}", get(posts::read_screenshot))
        .route("/api/canned", get(canned::list).post(canned::add))
        .route("/api/canned/{id}", put(canned::change).delete(canned::remove))
        // Experts.
        .route("/api/expert/look", post(experts::look))
        .route("/api/expert/enter", post(experts::enter))
        // Evidence.
        .route("/api/sessions/{id}/shells/{number}", get(machine::shell))
        .route("/api/sessions/{id}/system/{number}", get(machine::system))
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
        .route("/api/past", get(past::search))
        .route("/api/report", get(past::report))
        .route("/api/report.csv", get(past::csv))
        // Mails.
        .route("/api/mails", get(mails::list))
        .route("/api/mails/{id}", get(mails::read))
        .route("/api/mails/{id}/html", get(mails::html))
        .route("/api/mailbox", get(mailbox::read).put(mailbox::write))
        .route("/api/mailbox/came", get(mailbox::came))
        .route("/api/mailbox/test", post(mailbox::test))
        .route("/api/letters/{id}/original", get(mailbox::original))
        .route("/api/letters/{id}/attachments/{number}", get(mailbox::enclosed))
        // The customer's way in.
        .route("/api/join/welcome", get(join::welcome))
        .route("/api/join/look", post(join::look))
        .route("/api/join/enter", post(join::enter))
        .route("/api/join/resume", post(join::resume))
        .route("/api/join/handover", post(join::handover))
        .route("/download/{system}", post(download::program))
        .route("/wire", get(wire::upgrade))
        .nest("/api/v1", v1::router(&app))
        .merge(beyondtrust::router(&app))
        .route("/", get(front))
        .fallback(web::page)
        .layer(middleware::from_fn_with_state(app.clone(), bounds::bound))
        .layer(middleware::from_fn_with_state(app.clone(), same_origin))
        .layer(middleware::from_fn(signed_in::while_signed_in))
        .layer(middleware::from_fn_with_state(app.clone(), web::safety))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(app)
}

/// The front page; with the key of another system's address, the session's.
async fn front(State(app): State<Shared>, request: Request) -> Response {
    match beyondtrust::by_address(&app, request.uri().query().unwrap_or_default()) {
        Some(response) => response,
        None => web::page(request).await,
    }
}

/// A page of somebody else changes nothing here, whatever cookies the browser adds.
async fn same_origin(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let origin = request.headers().get(header::ORIGIN);
    // What customers may do from anybody's page needs no cookie, and gets none.
    let changes = changes && !beyondtrust::is_for_other_pages(request.uri().path());
    if changes && origin.is_some_and(|o| o.as_bytes() != app.config.origin().as_bytes()) {
        return (StatusCode::FORBIDDEN, "this page does not belong to this server").into_response();
    }
    next.run(request).await
}
