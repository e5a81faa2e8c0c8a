//! Fills the demo with an organisation, people and incidents, over the public web API.

use std::sync::OnceLock;

use anyhow::Context;
use serde_json::{Value, json};

use super::SERVER;

/// The password of the demo's technicians. The demo's server listens only on this machine.
pub const PASSWORD: &str = "deskside-demo";

/// A signed-in client of the server.
pub struct Api {
    agent: ureq::Agent,
    cookie: String,
}

impl Api {
    /// The administrator's sign-in, made once for the whole demo.
    pub fn signed_in() -> anyhow::Result<&'static Self> {
        static API: OnceLock<Api> = OnceLock::new();
        if let Some(api) = API.get() {
            return Ok(api);
        }
        let api = Self::begin("/api/sign-in", &json!({ "login": "eva", "password": PASSWORD }))?;
        Ok(API.get_or_init(|| api))
    }

    fn begin(path: &str, body: &Value) -> anyhow::Result<Self> {
        let agent: ureq::Agent = ureq::Agent::config_builder().build().into();
        let answer = agent.post(format!("{SERVER}{path}")).send_json(body).with_context(|| path.to_owned())?;
        let cookie = answer.headers().get("set-cookie").and_then(|c| c.to_str().ok()).context("no cookie")?;
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        Ok(Self { agent, cookie })
    }

    /// Sends a GET request.
    pub fn get(&self, path: &str) -> anyhow::Result<Value> {
        let response = self.agent.get(format!("{SERVER}{path}")).header("cookie", &self.cookie).call();
        Ok(response.with_context(|| path.to_owned())?.body_mut().read_json()?)
    }

    fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let response = self.agent.post(format!("{SERVER}{path}")).header("cookie", &self.cookie).send_json(body);
        Ok(response.with_context(|| path.to_owned())?.body_mut().read_json()?)
    }
}

/// Fills a new server; an existing one keeps its data.
pub fn run(setup: Option<String>) -> anyhow::Result<()> {
    let Some(token) = setup else { return Ok(()) };
    let sample: Value = serde_json::from_str(include_str!("sample.json")).context("sample.json has a mistake")?;
    let user = |u: &Value, administrator: bool| {
        let mut user = u.clone();
        user["password"] = PASSWORD.into();
        user["administrator"] = administrator.into();
        user
    };
    let setup =
        json!({ "token": token, "organisation": sample["organisation"], "user": user(&sample["administrator"], true) });
    let api = Api::begin("/api/setup", &setup)?;
    let mut owners = vec![api.get("/api/me")?["account"]["id"].clone()];
    for technician in sample["technicians"].as_array().into_iter().flatten() {
        owners.push(api.post("/api/users", &user(technician, false))?["id"].clone());
    }
    let mut customers = vec![];
    for customer in sample["customers"].as_array().into_iter().flatten() {
        customers.push(api.post("/api/customers", customer)?["id"].clone());
    }
    for incident in sample["incidents"].as_array().into_iter().flatten() {
        let at = |list: &[Value], key: &str| {
            incident[key].as_u64().and_then(|n| list.get(usize::try_from(n).ok()?)).cloned().unwrap_or(Value::Null)
        };
        let mut new = incident.clone();
        new["customer"] = at(&customers, "customer");
        new["owner"] = at(&owners, "owner");
        new["team"] = "Service desk".into();
        api.post("/api/incidents", &new)?;
    }
    Ok(())
}
