//! The customer's page: shows the sample desktop and the newest mail, and lets the sample customer say yes.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::Context;
use serde_json::{Value, json};
use tiny_http::{Header, Method, Request, Response};

use super::{CUSTOMER_VIEW_PORT, Children, SERVER, sample::Desktop, seed::Api};

const PAGE: &str = include_str!("customer_view.html");
const SCRIPT: &str = include_str!("customer_view.js");
/// How often the sample customer checks the screen.
const CHECK_INTERVAL: Duration = Duration::from_millis(700);

/// The server of the page.
pub struct CustomerView {
    http: tiny_http::Server,
    desktop: Desktop,
    says_yes: bool,
}

impl CustomerView {
    /// Opens the port of the page, on this machine only.
    pub fn open(desktop: Desktop) -> anyhow::Result<Self> {
        let http = tiny_http::Server::http(("127.0.0.1", CUSTOMER_VIEW_PORT))
            .map_err(|e| anyhow::anyhow!("port {CUSTOMER_VIEW_PORT}: {e}"))?;
        Ok(Self { http, desktop, says_yes: false })
    }

    /// Serves until `stop` is set.
    pub fn serve(mut self, stop: &AtomicBool, children: &mut Children) -> anyhow::Result<()> {
        let mut checked = Instant::now();
        while !stop.load(Ordering::SeqCst) {
            if let Some(name) = children.ended(&["deskside-server", "Xvfb", "x11vnc", "websockify"]) {
                anyhow::bail!("{name} ended, and the demo with it");
            }
            if let Some(request) = self.http.recv_timeout(Duration::from_millis(200))? {
                self.answer(request, children);
            }
            if self.says_yes && checked.elapsed() > CHECK_INTERVAL {
                checked = Instant::now();
                self.desktop.say_yes();
            }
        }
        Ok(())
    }

    fn answer(&mut self, mut request: Request, children: &mut Children) {
        let own = format!("http://localhost:{CUSTOMER_VIEW_PORT}");
        let origin = request.headers().iter().find(|h| h.field.equiv("origin")).map(|h| h.value.to_string());
        // A page of another origin may not use this desktop.
        let foreign = *request.method() == Method::Post && origin.as_deref() != Some(&own);
        let done = match (request.method().clone(), request.url()) {
            _ if foreign => Ok(json!({ "problem": "this page does not belong to the demo" })),
            (Method::Get, "/") => return respond(request, PAGE, "text/html; charset=utf-8"),
            (Method::Get, "/customer_view.js") => return respond(request, SCRIPT, "text/javascript"),
            (Method::Get, "/mail") => newest_mail(),
            (Method::Post, "/yes") => self.switch(&mut request),
            (Method::Post, "/open") => self.open_link(&mut request, children),
            (Method::Post, "/program") => self.program(&mut request, children),
            _ => Ok(json!({ "problem": "no such page" })),
        };
        let answer = done.unwrap_or_else(|e| json!({ "problem": format!("{e:#}") }));
        respond(request, &answer.to_string(), "application/json");
    }

    fn switch(&mut self, request: &mut Request) -> anyhow::Result<Value> {
        self.says_yes = body(request)?["on"].as_bool().unwrap_or(false);
        Ok(json!({ "on": self.says_yes }))
    }

    fn open_link(&self, request: &mut Request, children: &mut Children) -> anyhow::Result<Value> {
        let link = body(request)?["link"].as_str().map(str::to_owned).context("which link?")?;
        self.desktop.open_page(&link, children)?;
        Ok(json!({}))
    }

    fn program(&self, request: &mut Request, children: &mut Children) -> anyhow::Result<Value> {
        let body = body(request)?;
        let token = body["link"].as_str().and_then(|l| l.split_once('#')).map(|(_, t)| t).context("which link?")?;
        self.desktop.run_program(token, children)?;
        Ok(json!({}))
    }
}

fn body(request: &mut Request) -> anyhow::Result<Value> {
    use std::io::Read;
    let mut text = String::new();
    request.as_reader().take(16 * 1024).read_to_string(&mut text)?;
    Ok(serde_json::from_str(&text)?)
}

/// The newest mail of the outbox, as the sample customer's mailbox.
fn newest_mail() -> anyhow::Result<Value> {
    let mails = Api::signed_in()?.get("/api/mails")?;
    let Some(mail) = mails.as_array().and_then(|m| m.first()) else { return Ok(json!({ "mail": null })) };
    let text = mail["text"].as_str().unwrap_or_default();
    let link = text.split_whitespace().find(|w| w.starts_with(&format!("{SERVER}/join#")));
    Ok(
        json!({ "mail": { "id": mail["id"], "to": mail["to"], "subject": mail["subject"], "text": text, "link": link } }),
    )
}

fn respond(request: Request, text: &str, kind: &str) {
    let header = |name: &str, value: &str| Header::from_bytes(name, value).expect("fixed headers are headers");
    let policy = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; frame-src http://localhost:8472; frame-ancestors 'none'";
    let response = Response::from_string(text)
        .with_header(header("Content-Type", kind))
        .with_header(header("Content-Security-Policy", policy));
    let _ = request.respond(response);
}
