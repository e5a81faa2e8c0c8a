//! The Configuration API: people, teams and what else an installation consists of, in JSON.

use std::collections::BTreeMap;

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, Path, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::{Map, Value, json};

use super::{asked::bearer, command::permissions, denied};
use crate::{
    accounts::{self, Caller, Scope},
    api::{ApiError, account},
    app::Shared,
    store::tables::{api_account, team, user},
};

/// A request to the Configuration API, let in.
pub struct Call {
    method: Method,
    path: String,
    query: BTreeMap<String, String>,
    body: Map<String, Value>,
}

/// An answer that is not a success, or a failure of the server's.
pub enum No {
    Status(StatusCode),
    /// 404
    Missing,
    /// What `OPTIONS` asks for.
    Allowed(&'static str),
    /// 405, with what is allowed.
    Method(&'static str),
    /// 401: a field that does not exist, as the original answers.
    Unknown(String),
    /// 422
    Invalid(&'static str, String),
    Server(ApiError),
}

impl<E: Into<ApiError>> From<E> for No {
    fn from(error: E) -> Self {
        Self::Server(error.into())
    }
}

fn message(status: StatusCode, words: impl Into<String>) -> Response {
    (status, Json(json!({ "message": words.into() }))).into_response()
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        match self {
            Self::Status(StatusCode::UNAUTHORIZED) => denied(),
            Self::Status(status) => message(status, status.canonical_reason().unwrap_or_default()),
            Self::Missing => message(StatusCode::NOT_FOUND, "The requested resource was not found."),
            Self::Allowed(allow) => (StatusCode::OK, [(header::ALLOW, allow)]).into_response(),
            Self::Method(allow) => {
                let mut response = message(StatusCode::METHOD_NOT_ALLOWED, "This method is not allowed here.");
                response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
                response
            }
            Self::Unknown(name) => message(StatusCode::UNAUTHORIZED, format!("Unknown field: {name}")),
            Self::Invalid(field, words) => {
                let mut errors = Map::new();
                errors.insert(field.into(), json!([words]));
                let body = json!({ "message": "The given data was invalid.", "errors": errors });
                (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
            }
            Self::Server(error) => error.into_response(),
        }
    }
}

type Answer = Result<Response, No>;

impl FromRequest<Shared> for Call {
    type Rejection = No;

    async fn from_request(request: Request, app: &Shared) -> Result<Self, No> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let caller = caller(app, request.headers()).await?;
        let reads = matches!(method, Method::GET | Method::HEAD | Method::OPTIONS);
        let may = caller.may(Scope::PeopleWrite) || (reads && caller.may(Scope::PeopleRead));
        if !may {
            return Err(No::Status(StatusCode::FORBIDDEN));
        }
        let query = request.uri().query().unwrap_or_default().as_bytes().to_vec();
        let query = url::form_urlencoded::parse(&query).map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
        let bytes = Bytes::from_request(request, app).await;
        let bytes = bytes.map_err(|_| No::Status(StatusCode::PAYLOAD_TOO_LARGE))?;
        let body = match bytes.is_empty() {
            true => Map::new(),
            false => serde_json::from_slice(&bytes)
                .map_err(|_| No::Invalid("body", "The body must be a JSON object.".into()))?,
        };
        Ok(Self { method, path, query, body })
    }
}

async fn caller(app: &Shared, headers: &HeaderMap) -> Result<Caller, No> {
    let token = bearer(headers).ok_or(No::Status(StatusCode::UNAUTHORIZED))?;
    accounts::by_token(app, &token).await?.ok_or(No::Status(StatusCode::UNAUTHORIZED))
}

/// What a request does.
enum Verb {
    Read,
    Create,
    Change,
    Delete,
}

impl Call {
    /// What is asked for, where that is allowed; `OPTIONS` is answered at once.
    fn verb(&self, allow: &'static str) -> Result<Verb, No> {
        let verb = match self.method {
            Method::GET | Method::HEAD => ("GET", Verb::Read),
            Method::POST => ("POST", Verb::Create),
            Method::PATCH => ("PATCH", Verb::Change),
            Method::DELETE => ("DELETE", Verb::Delete),
            Method::OPTIONS => return Err(No::Allowed(allow)),
            _ => return Err(No::Method(allow)),
        };
        if allow.split(',').any(|allowed| allowed == verb.0) { Ok(verb.1) } else { Err(No::Method(allow)) }
    }

    fn known(&self, fields: &[&str]) -> Result<(), No> {
        match self.body.keys().find(|name| !fields.contains(&name.as_str())) {
            Some(name) => Err(No::Unknown(name.clone())),
            None => Ok(()),
        }
    }

    /// A text of the body; `None` when it is not there.
    fn text(&self, field: &'static str, most: usize, required: bool) -> Result<Option<String>, No> {
        match self.body.get(field) {
            None | Some(Value::Null) if required => Err(No::Invalid(field, format!("The {field} field is required."))),
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if required && text.trim().is_empty() => {
                Err(No::Invalid(field, format!("The {field} field is required.")))
            }
            Some(Value::String(text)) if text.chars().count() > most => {
                Err(No::Invalid(field, format!("The {field} may not be greater than {most} characters.")))
            }
            Some(Value::String(text)) if text.chars().any(|c| c.is_control() && c != '\n') => {
                Err(No::Invalid(field, format!("The {field} format is invalid.")))
            }
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(No::Invalid(field, format!("The {field} must be a string."))),
        }
    }

    /// A list: filtered by its fields, in pages, with the original's headers.
    fn list(&self, app: &Shared, rows: Vec<Value>, filters: &[&str]) -> Answer {
        let number = |name: &'static str, default: usize, low: usize, high: usize| match self.query.get(name) {
            None => Ok(default),
            Some(text) => text
                .parse()
                .ok()
                .filter(|n| (low..=high).contains(n))
                .ok_or_else(|| No::Invalid(name, format!("The {name} must be between {low} and {high}."))),
        };
        let per_page = number("per_page", 100, 5, 100)?;
        let current = number("current_page", 1, 1, usize::MAX)?;
        let mut rows = rows;
        for (name, value) in &self.query {
            match name.as_str() {
                "per_page" | "current_page" => {}
                name if filters.contains(&name) => rows.retain(|row| matches(&row[name], value)),
                name => return Err(No::Unknown(name.to_owned())),
            }
        }
        let total = rows.len();
        let last = total.div_ceil(per_page).max(1);
        let page: Vec<Value> = rows.into_iter().skip((current - 1).saturating_mul(per_page)).take(per_page).collect();
        let link = |page: usize, rel: &str| {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(self.query.iter().filter(|(n, _)| *n != "per_page" && *n != "current_page"));
            query.append_pair("per_page", &per_page.to_string()).append_pair("current_page", &page.to_string());
            format!("<{}/api/config/v1{}?{}>; rel=\"{rel}\"", app.config.public_url, self.path, query.finish())
        };
        let mut links = vec![link(1, "first")];
        links.extend((current > 1).then(|| link(current - 1, "previous")));
        links.extend((current < last).then(|| link(current + 1, "next")));
        links.push(link(last, "last"));
        let mut response = Json(page).into_response();
        let counts = [("current-page", current), ("last-page", last), ("per-page", per_page), ("total", total)];
        for (name, count) in counts {
            let name = HeaderName::try_from(format!("x-bt-pagination-{name}")).expect("letters are a header's name");
            response.headers_mut().insert(name, count.into());
        }
        let links = links.join(", ").parse().map_err(|_| No::Status(StatusCode::BAD_REQUEST))?;
        response.headers_mut().insert(header::LINK, links);
        Ok(response)
    }
}

/// Whether a field is what a filter names: texts without regard to their case.
fn matches(field: &Value, wanted: &str) -> bool {
    match field {
        Value::String(text) => text.to_lowercase() == wanted.to_lowercase(),
        Value::Bool(flag) => matches!((flag, wanted), (true, "true" | "1") | (false, "false" | "0")),
        Value::Number(number) => wanted.parse().is_ok_and(|wanted: i64| number.as_i64() == Some(wanted)),
        _ => false,
    }
}

fn one(value: Option<Value>) -> Answer {
    value.map(|value| Json(value).into_response()).ok_or(No::Missing)
}

fn created(app: &Shared, path: &str, value: Value) -> Response {
    let place = format!("{}/api/config/v1{path}/{}", app.config.public_url, value["id"]);
    (StatusCode::CREATED, [(header::LOCATION, place)], Json(value)).into_response()
}

/// The number in an address; anything else names nothing.
fn id(text: &str) -> Result<i32, No> {
    text.parse().map_err(|_| No::Missing)
}

fn shown_user(u: &user::Model) -> Value {
    json!({
        "id": u.id,
        "security_provider_id": 1,
        "display_number": u.id,
        "username": u.login,
        "public_display_name": u.name,
        "private_display_name": u.name,
        "email_address": u.email,
        "preferred_email_language": "en-us",
        "two_factor_required": false,
        "enabled": !u.disabled,
        "failed_logins": 0,
        "two_factor_enabled": false,
        "perm_admin": u.administrator,
        "perm_support_allowed": "full_support",
        "perm_generate_session_key": true,
        "perm_accept_team_sessions": true,
        "perm_transfer_other_team": true,
        "perm_share_other_team": true,
        "perm_invite_external_rep": true,
        "perm_edit_external_key": false,
        "perm_session_idle_timeout": -1,
        "perm_view_support_reports": match u.reach.as_str() {
            _ if u.administrator => "all_sessions",
            "all" => "all_sessions",
            "own" => "user_sessions",
            _ => "team_sessions",
        },
        "perm_view_sd_recordings": u.may_watch || u.administrator,
    })
}

/// `/user`
pub async fn users(State(app): State<Shared>, call: Call) -> Answer {
    call.verb("GET,HEAD")?;
    let users = user::Entity::find().order_by_asc(user::Column::Id).all(&app.db).await?;
    let filters = ["id", "username", "public_display_name", "private_display_name", "email_address", "enabled"];
    call.list(&app, users.iter().map(shown_user).collect(), &filters)
}

/// `/user/{id}`: deleting an account disables it, for what its owner did stays on record.
pub async fn user(State(app): State<Shared>, Path(wanted): Path<String>, call: Call) -> Answer {
    let verb = call.verb("GET,HEAD,PATCH,DELETE")?;
    let found = user::Entity::find_by_id(id(&wanted)?).one(&app.db).await?.ok_or(No::Missing)?;
    let disable = match verb {
        Verb::Read | Verb::Create => return one(Some(shown_user(&found))),
        Verb::Change => {
            call.known(&["public_display_name", "private_display_name", "email_address", "enabled"])?;
            call.body.get("enabled").and_then(Value::as_bool) == Some(false)
        }
        Verb::Delete => true,
    };
    if disable && found.administrator {
        let others = user::Entity::find()
            .filter(user::Column::Administrator.eq(true))
            .filter(user::Column::Disabled.eq(false))
            .filter(user::Column::Id.ne(found.id));
        if others.one(&app.db).await?.is_none() {
            return Err(No::Invalid("enabled", "This is the last administrator.".into()));
        }
    }
    let mut row: user::ActiveModel = found.clone().into();
    if disable {
        row.disabled = Set(true);
        account::forget(&app, found.id).await?;
    }
    if matches!(verb, Verb::Delete) {
        row.update(&app.db).await?;
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    match call.body.get("enabled") {
        None | Some(Value::Bool(false)) => {}
        Some(Value::Bool(true)) => row.disabled = Set(false),
        Some(_) => return Err(No::Invalid("enabled", "The enabled field must be true or false.".into())),
    }
    let public = call.text("public_display_name", 64, call.body.contains_key("public_display_name"))?;
    let private = call.text("private_display_name", 64, call.body.contains_key("private_display_name"))?;
    if let Some(name) = public.or(private) {
        row.name = Set(name);
    }
    if let Some(email) = call.text("email_address", 200, false)? {
        let good: Result<lettre::Address, _> = email.parse();
        good.map_err(|_| No::Invalid("email_address", "The email_address must be a valid email address.".into()))?;
        row.email = Set(email);
    }
    let user = row.update(&app.db).await?;
    one(Some(shown_user(&user)))
}

fn shown_team(t: &team::Model) -> Value {
    json!({
        "id": t.id,
        "name": t.name,
        "code_name": t.code_name,
        "comments": t.comments,
        "persistent_queue": true,
        "public_portal_ids": [1],
    })
}

const TEAM_FIELDS: [&str; 5] = ["name", "code_name", "comments", "persistent_queue", "public_portal_ids"];

/// What a body says of a team, checked.
async fn team_row(app: &Shared, call: &Call, before: Option<&team::Model>) -> Result<team::ActiveModel, No> {
    call.known(&TEAM_FIELDS)?;
    let required = before.is_none() || call.body.contains_key("name");
    let name = call.text("name", 120, required)?.map(|n| n.trim().to_owned());
    let code = call.text("code_name", 64, false)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if code.as_ref().is_some_and(|c| !c.chars().all(plain)) {
        return Err(No::Invalid("code_name", "The code_name format is invalid.".into()));
    }
    let own = before.map_or(0, |t| t.id);
    for (field, column, value) in [("name", team::Column::Name, &name), ("code_name", team::Column::CodeName, &code)] {
        let Some(value) = value.as_deref().filter(|v| !v.is_empty()) else { continue };
        let same = team::Entity::find().filter(column.eq(value)).filter(team::Column::Id.ne(own));
        if same.one(&app.db).await?.is_some() {
            return Err(No::Invalid(field, format!("The {field} has already been taken.")));
        }
    }
    let mut row: team::ActiveModel = before.cloned().map(Into::into).unwrap_or_default();
    if let Some(name) = name {
        if before.is_none() && code.is_none() {
            row.code_name = Set(crate::teams::code_name(&name));
        }
        row.name = Set(name);
    }
    if let Some(code) = code {
        row.code_name = Set(code);
    }
    let comments = call.text("comments", 4_096, false)?;
    if comments.is_some() || before.is_none() {
        row.comments = Set(comments.unwrap_or_default());
    }
    Ok(row)
}

/// `/team`
pub async fn teams(State(app): State<Shared>, call: Call) -> Answer {
    if let Verb::Create = call.verb("GET,HEAD,POST")? {
        let team = team_row(&app, &call, None).await?.insert(&app.db).await?;
        return Ok(created(&app, "/team", shown_team(&team)));
    }
    let teams = team::Entity::find().order_by_asc(team::Column::Id).all(&app.db).await?;
    call.list(&app, teams.iter().map(shown_team).collect(), &["id", "name", "code_name"])
}

async fn found_team(app: &Shared, wanted: &str) -> Result<team::Model, No> {
    team::Entity::find_by_id(id(wanted)?).one(&app.db).await?.ok_or(No::Missing)
}

/// `/team/{id}`
pub async fn team(State(app): State<Shared>, Path(wanted): Path<String>, call: Call) -> Answer {
    let verb = call.verb("GET,HEAD,PATCH,DELETE")?;
    let found = found_team(&app, &wanted).await?;
    match verb {
        Verb::Read | Verb::Create => one(Some(shown_team(&found))),
        Verb::Change => {
            let changed = team_row(&app, &call, Some(&found)).await?.update(&app.db).await?;
            crate::teams::rename(&app.db, &found.name, &changed.name).await?;
            one(Some(shown_team(&changed)))
        }
        Verb::Delete => {
            crate::teams::rename(&app.db, &found.name, "").await?;
            team::Entity::delete_by_id(found.id).exec(&app.db).await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
    }
}

fn shown_member(team: &team::Model, user: &user::Model) -> Value {
    json!({ "team_id": team.id, "user_id": user.id, "role": "member" })
}

/// `/team/{id}/user`: a technician is in one team; whoever is added leaves the one before.
pub async fn members(State(app): State<Shared>, Path(wanted): Path<String>, call: Call) -> Answer {
    let verb = call.verb("GET,HEAD,POST")?;
    let team = found_team(&app, &wanted).await?;
    if let Verb::Create = verb {
        call.known(&["team_id", "user_id", "role"])?;
        match call.text("role", 20, false)?.as_deref() {
            None | Some("member") => {}
            Some(_) => return Err(No::Invalid("role", "Deskside knows the role member alone.".into())),
        }
        let Some(user) = call.body.get("user_id").and_then(Value::as_i64) else {
            return Err(No::Invalid("user_id", "The user_id field is required, as a number.".into()));
        };
        let found = user::Entity::find_by_id(i32::try_from(user).unwrap_or_default()).one(&app.db).await?;
        let found = found.ok_or(No::Invalid("user_id", "The selected user_id is invalid.".into()))?;
        let mut row: user::ActiveModel = found.into();
        row.team = Set(team.name.clone());
        let user = row.update(&app.db).await?;
        let place = format!("{}/api/config/v1/team/{}/user/{}", app.config.public_url, team.id, user.id);
        let shown = Json(shown_member(&team, &user));
        return Ok((StatusCode::CREATED, [(header::LOCATION, place)], shown).into_response());
    }
    let users = user::Entity::find().filter(user::Column::Team.eq(team.name.as_str()));
    let users = users.order_by_asc(user::Column::Id).all(&app.db).await?;
    call.list(&app, users.iter().map(|u| shown_member(&team, u)).collect(), &["user_id", "role"])
}

/// `/team/{id}/user/{user}`
pub async fn member(State(app): State<Shared>, Path((wanted, who)): Path<(String, String)>, call: Call) -> Answer {
    let verb = call.verb("GET,HEAD,PATCH,DELETE")?;
    let team = found_team(&app, &wanted).await?;
    let user = user::Entity::find_by_id(id(&who)?).one(&app.db).await?;
    let user = user.filter(|u| u.team == team.name).ok_or(No::Missing)?;
    match verb {
        Verb::Delete => {
            let mut row: user::ActiveModel = user.into();
            row.team = Set(String::new());
            row.update(&app.db).await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        Verb::Change => {
            call.known(&["role"])?;
            match call.text("role", 20, true)?.as_deref() {
                Some("member") => one(Some(shown_member(&team, &user))),
                _ => Err(No::Invalid("role", "Deskside knows the role member alone.".into())),
            }
        }
        Verb::Read | Verb::Create => one(Some(shown_member(&team, &user))),
    }
}

/// `/public-portal`: there is one.
pub async fn portals(State(app): State<Shared>, call: Call) -> Answer {
    call.verb("GET,HEAD")?;
    let portal = json!({ "id": 1, "name": "Default", "addresses": [app.config.domain()] });
    call.list(&app, vec![portal], &["id", "name"])
}

/// `/session-policy`: what technicians may ask for is one policy.
pub async fn policies(State(app): State<Shared>, call: Call) -> Answer {
    call.verb("GET,HEAD")?;
    let description = "Customers are asked for each right, and may take it back at any time.";
    let policy = json!({ "id": 1, "display_name": "Default", "code_name": "default", "description": description });
    call.list(&app, vec![policy], &["id", "display_name", "code_name"])
}

fn all_statuses() -> Vec<Value> {
    vec![
        json!({ "id": 1, "name": "Away", "code_name": "away", "display_as": "away" }),
        json!({ "id": 2, "name": "Busy", "code_name": "busy", "display_as": "busy" }),
    ]
}

/// `/rep-status`: the two that there are.
pub async fn statuses(State(app): State<Shared>, call: Call) -> Answer {
    call.verb("GET,HEAD")?;
    call.list(&app, all_statuses(), &["id", "name", "code_name", "display_as"])
}

/// `/rep-status/{id}`
pub async fn status(Path(wanted): Path<String>, call: Call) -> Answer {
    call.verb("GET,HEAD")?;
    let wanted = id(&wanted)?;
    one(all_statuses().into_iter().find(|status| status["id"] == wanted))
}

fn shown_account(a: &api_account::Model) -> Value {
    let mut shown = json!({
        "id": a.id,
        "name": a.name,
        "comments": a.comments,
        "enabled": a.enabled,
        "ip_addresses": "",
        "client_id": a.client_id,
        "failed_login_attempts": 0,
        "failed_login_expiration": null,
    });
    for (name, value) in permissions(&Scope::split(&a.scopes)) {
        shown[name] = match value {
            "1" => true.into(),
            "0" => false.into(),
            word => word.into(),
        };
    }
    shown
}

/// `/api-account`
pub async fn accounts(State(app): State<Shared>, call: Call) -> Answer {
    call.verb("GET,HEAD")?;
    let accounts = api_account::Entity::find().order_by_asc(api_account::Column::Id).all(&app.db).await?;
    call.list(&app, accounts.iter().map(shown_account).collect(), &["id", "name", "client_id", "enabled"])
}

/// `/api-account/{id}`
pub async fn account(State(app): State<Shared>, Path(wanted): Path<String>, call: Call) -> Answer {
    call.verb("GET,HEAD")?;
    let found = api_account::Entity::find_by_id(id(&wanted)?).one(&app.db).await?;
    one(found.as_ref().map(shown_account))
}

/// `/jump-client`: Deskside has no unattended access, so there is none.
pub async fn jump_clients(State(app): State<Shared>, call: Call) -> Answer {
    call.verb("GET,HEAD")?;
    call.list(&app, vec![], &["name", "hostname", "tag", "jump_group_id", "connection_type"])
}

/// `/jump-client/{id}`
pub async fn jump_client(call: Call) -> Answer {
    call.verb("GET,HEAD,PATCH,DELETE")?;
    Err(No::Missing)
}

/// Everything else.
pub async fn nothing(_: Call) -> Answer {
    Err(No::Missing)
}

/// `/get_mech_list`: by what one signs in, and which product this is.
pub async fn mechanisms(State(app): State<Shared>) -> Json<Value> {
    Json(json!({
        "mechs": ["password"],
        "default_mech": "password",
        "cache": false,
        "company": app.settings().organisation,
        "product": "deskside",
    }))
}
