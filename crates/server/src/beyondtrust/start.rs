//! Starting sessions from pages of other sites, and scripts for consoles.

mod page;
mod visitor;

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use axum::{
    extract::State,
    http::{HeaderName, Method, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use platform::{secret, throttle::Attempt};
use protocol::UserRef;
use session::Actor;

use super::{
    command::{
        Failed,
        sessions::{COMPANY, COMPANY_CODE, DETAILS, custom, import_request},
    },
    denied,
    people::{Place, QueueId},
    request_params::{Authentication, RequestParams},
};
use page::{Link, page};
use store::{setting::Current, settings::Settings};
use visitor::Visitor;

use crate::{
    api::{self, ApiError, ClientAddress, Passes},
    config::PublicUrl,
    desk::{
        ServiceDesk, Ticket,
        session_start::{self, Form as KeyForm},
    },
    programs::{Programs, System},
    state::service_group,
};

/// How long a session that a customer started waits for them to join.
const KEYLESS_START_MS: u64 = 15 * 60_000;

/// The addresses that start a session; forms on other sites post to them.
pub const PATHS: [&str; 3] = ["/api/start_session", "/api/start_session.ns", "/download_customer_connector.ns"];

/// Whether pages of other sites may post forms to this path.
pub fn is_for_other_pages(path: &str) -> bool {
    PATHS.contains(&path)
}

service_group! {
    /// What starting a session needs.
    pub struct StartServices {
        passes: Passes,
        public_url: PublicUrl,
        settings: Arc<Current<Settings>>,
        desk: Arc<ServiceDesk>,
        programs: Arc<Programs>,
    }
}

/// Starts a session by its key or, where that is allowed, for a technician or team. Browsers get errors as a page.
pub async fn start(
    State(services): State<StartServices>,
    ClientAddress(address): ClientAddress,
    params: RequestParams,
) -> Result<Response, ApiError> {
    let header = |name| params.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let visitor = Visitor::of(header(header::USER_AGENT));
    let reads_pages = visitor.browser && header(header::ACCEPT).contains("text/html");
    match begin(&services, address, visitor, &params).await {
        Err(error) if reads_pages => {
            let title = services.settings.get().organisation;
            Ok(page(error.status(), &title, error.message(), None))
        }
        answer => answer,
    }
}

async fn begin(
    services: &StartServices,
    address: IpAddr,
    visitor: Visitor,
    params: &RequestParams,
) -> Result<Response, ApiError> {
    let StartServices { passes, public_url, settings, desk, programs } = services;
    let pass = match params.get("short_key") {
        Some(key) => {
            let digits = secret::digits(key).ok_or_else(api::invalid_pass)?;
            passes.check_key(address, &digits).await?;
            Pass::Key(digits)
        }
        None => {
            drop(passes.clients.guess(Attempt::Begin { from: address })?);
            Pass::Link(allow_keyless_start(services, params).await?)
        }
    };
    let place = match &pass {
        Pass::Key(key) => format!("{}/join#key={key}", public_url),
        Pass::Link(token) => session_start::link(desk, token),
    };
    let program = visitor.program.filter(|program| programs.systems().contains(program));
    match program {
        // A chat needs no program.
        _ if params.flag("c2cjs") => Ok(Redirect::to(&place).into_response()),
        // A person first sees whom the session is with; a script wants the program.
        Some(_) if visitor.browser => Ok(Redirect::to(&place).into_response()),
        Some(system) => download(services, system, pass, params.method == Method::HEAD).await,
        None => {
            let message = format!(
                "There is no support program for {} here. You can chat with the technician, and show your screen, in your browser.",
                visitor.system
            );
            let status = if visitor.browser { StatusCode::OK } else { StatusCode::NOT_FOUND };
            let link = Link { address: &place, message: "Continue in this browser" };
            Ok(page(status, &settings.get().organisation, &message, Some(link)))
        }
    }
}

/// The support program with the pass embedded.
async fn download(
    StartServices { passes, public_url, settings, programs, .. }: &StartServices,
    system: System,
    pass: Pass,
    head: bool,
) -> Result<Response, ApiError> {
    let wanted = match pass {
        Pass::Key(key) => api::ProgramFor { key: Some(key), ..api::ProgramFor::default() },
        Pass::Link(link) => api::ProgramFor { link: Some(link), ..api::ProgramFor::default() },
    };
    let mut response = api::program_for(&passes.identity, public_url, settings, programs, system, wanted).await?;
    if head {
        *response.body_mut() = axum::body::Body::empty();
    }
    Ok(response)
}

/// The script that pages of other sites load to start a session. It holds no secret, and any page may load it.
pub async fn embedded() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
    ];
    (headers, include_str!("start_session.js")).into_response()
}

enum Pass {
    Key(String),
    Link(String),
}

/// Creates a session for a customer without a key; returns the token of its link.
async fn allow_keyless_start(services: &StartServices, params: &RequestParams) -> Result<String, ApiError> {
    let StartServices { passes, settings, desk, .. } = services;
    if !settings.get().beyondtrust.open_door {
        return Err(ApiError::forbidden("Sessions start with a session key here. Please ask for one."));
    }
    let named = match params.any(&["codeName", "code_name"]) {
        Some(code) => Some(QueueId::Issue(code.to_owned())),
        None => params
            .get("id")
            .and_then(|id| id.parse().ok())
            .map(|id| if params.flag("issue_menu") { QueueId::Team(id) } else { QueueId::Rep(id) }),
    };
    let place = match named {
        Some(named) => named.find(&passes.db).await?.ok_or_else(|| ApiError::missing("team or technician"))?,
        None => Place::General,
    };
    // Names are not cut: the rest could be another name.
    let text = |names: &[&str], most: usize| match params.any(names).unwrap_or_default() {
        text if text.chars().count() > most => {
            Err(ApiError::bad(format!("The parameter {} has at most {most} characters.", names[0])))
        }
        text => Ok(text.to_owned()),
    };
    let mut attributes = match custom(params) {
        Ok(attributes) => attributes,
        Err(Failed::Message(message)) => return Err(ApiError::bad(message)),
        Err(Failed::Server(error)) => return Err(error),
    };
    let (company, code) =
        (["customer.company", "customer_company"], ["customer.company_code", "customer_company_code"]);
    let details = text(&["customer.details", "customer_desc"], 1_024)?;
    for (name, value) in
        [(COMPANY, text(&company, 100)?), (COMPANY_CODE, text(&code, 100)?), (DETAILS, details.clone())]
    {
        if !value.is_empty() {
            attributes.push((name.into(), value));
        }
    }
    let subject = details.lines().next().unwrap_or_default().to_owned();
    let customer = Ticket {
        subject,
        description: details,
        customer: text(&["customer.name", "customer_name"], 100)?,
        email: String::new(),
        status: None,
    };
    let system = UserRef { id: 0, name: "Customer".into() };
    let by = Actor::System(system.clone());
    let live = session_start::for_system(desk, system, import_request(&place, attributes, customer, None)).await?;
    let keys = session_start::keys(desk, &live, &by, Some(KEYLESS_START_MS), KeyForm::Beyondtrust).await?;
    Ok(keys.token)
}

/// Redirects `/?ak=…` to the session's page.
pub fn by_address(desk: &ServiceDesk, query: &str) -> Option<Response> {
    let parameters: BTreeMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).collect();
    let token = parameters.get("ak").filter(|t| t.len() <= 64 && t.bytes().all(|b| b.is_ascii_alphanumeric()))?;
    Some(Redirect::to(&session_start::link(desk, token)).into_response())
}

/// The actions that a console script may contain.
const SCRIPTED: [&str; 9] = [
    "login",
    "generate_session_key",
    "start_jump_item_session",
    "start_pinned_client_session",
    "push_and_start_local",
    "push_and_start_remote",
    "start_rdp_session",
    "start_vnc_session",
    "start_shell_jump_session",
];

/// A script for a representative's console: a file with an action and its parameters.
pub async fn script(
    State(authentication): State<Authentication>,
    State(public_url): State<PublicUrl>,
    params: RequestParams,
) -> Result<Response, ApiError> {
    let signed_in = api::signed_in(&authentication.db, &public_url, &params.headers).await;
    if signed_in.is_none() && params.caller(&authentication).await?.is_none() {
        return Ok(denied());
    }
    if params.get("type") != Some("rep") {
        return Err(ApiError::bad("The parameter type must be rep."));
    }
    let action = params.get("action").filter(|action| SCRIPTED.contains(action));
    let action = action.ok_or_else(|| ApiError::bad("This action cannot be scripted."))?;
    match params.get("operation") {
        Some("generate") => {}
        // The console is a web page, so executing a script only opens it.
        Some("execute") => return Ok(Redirect::to(&format!("{}/console", public_url)).into_response()),
        _ => return Err(ApiError::bad("The parameter operation must be generate or execute.")),
    }
    let mut line = url::form_urlencoded::Serializer::new(String::new());
    line.append_pair("action", action);
    let skipped = ["type", "operation", "action", "username", "password"];
    for (name, value) in params.all("").filter(|(name, _)| !skipped.contains(name)) {
        line.append_pair(name, value);
    }
    let name = format!("attachment; filename=\"brcs-{}.brcs\"", public_url.domain());
    let headers = [(header::CONTENT_TYPE, "application/octet-stream".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((StatusCode::OK, headers, format!("BRCS1.0\n{}\n", line.finish())).into_response())
}
