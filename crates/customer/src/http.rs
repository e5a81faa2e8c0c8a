//! Plain HTTPS requests: joining, resuming, files and the rating.

use std::{io, path::Path, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use ureq::tls::{RootCerts, TlsConfig};

/// How long a file of the chat may take.
const FILE_TIME: Duration = Duration::from_secs(60 * 60);

/// A way for the customer to be admitted.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Pass {
    Key { key: String },
    Link { token: String },
    Handover { token: String },
}

#[derive(Serialize)]
struct Enter {
    pass: Pass,
    client: protocol::Client,
}

#[derive(Deserialize)]
struct Entered {
    admission: Admission,
    resume: String,
}

#[derive(Deserialize)]
struct Admission {
    ticket: String,
}

#[derive(Serialize)]
struct Token<'a> {
    token: &'a str,
}

#[derive(Deserialize)]
struct Problem {
    message: String,
}

/// A server, asked on separate threads.
#[derive(Clone)]
pub struct Http {
    agent: ureq::Agent,
    server: String,
}

/// An answer that is not a success.
enum HttpError {
    /// The server refused, with a message for the customer.
    Refused(u16, String),
    /// The server was not reached.
    Unreachable(String),
}

impl Http {
    pub fn new(server: &str) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(provider)
            .build();
        let config = ureq::Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(Duration::from_secs(15)))
            .http_status_as_error(false)
            .build();
        Self { agent: config.into(), server: server.to_owned() }
    }

    async fn post<T: Serialize + Send + 'static, R: serde::de::DeserializeOwned + Send + 'static>(
        &self,
        path: &str,
        body: T,
    ) -> Result<R, HttpError> {
        let (agent, url) = (self.agent.clone(), format!("{}{path}", self.server));
        let asked = tokio::task::spawn_blocking(move || {
            let mut answer = agent.post(&url).send_json(&body).map_err(|e| HttpError::Unreachable(e.to_string()))?;
            let status = answer.status();
            if status.is_success() {
                return answer.body_mut().read_json().map_err(|e| HttpError::Unreachable(e.to_string()));
            }
            let message = answer.body_mut().read_json::<Problem>().map(|p| p.message);
            Err(HttpError::Refused(
                status.as_u16(),
                message.unwrap_or_else(|_| format!("The server answered {status}.")),
            ))
        });
        asked.await.unwrap_or_else(|e| Err(HttpError::Unreachable(e.to_string())))
    }

    /// Joins: returns a ticket and the resume token. The error is a message for the customer.
    pub async fn enter(&self, pass: Pass) -> Result<(String, String), String> {
        let enter = Enter { pass, client: crate::machine::client() };
        match self.post::<_, Entered>("/api/join/enter", enter).await {
            Ok(entered) => Ok((entered.admission.ticket, entered.resume)),
            Err(HttpError::Refused(_, message)) => Err(message),
            Err(HttpError::Unreachable(reason)) => Err(format!("{} cannot be reached ({reason}).", self.server)),
        }
    }

    /// Resumes: returns a ticket, or `None` when that is no longer possible. After an error it can be tried again.
    pub async fn resume(&self, token: &str) -> Result<Option<String>, String> {
        let token = serde_json::to_value(Token { token }).map_err(|e| e.to_string())?;
        match self.post::<_, Admission>("/api/join/resume", token).await {
            Ok(admission) => Ok(Some(admission.ticket)),
            Err(HttpError::Refused(404, _)) => Ok(None),
            Err(HttpError::Refused(_, reason) | HttpError::Unreachable(reason)) => Err(reason),
        }
    }

    /// Sends the customer's rating. The error is a message for the customer.
    pub async fn rate(&self, token: &str, stars: u8, comment: &str) -> Result<(), String> {
        let rating = serde_json::json!({ "token": token, "stars": stars, "comment": comment });
        let (agent, url) = (self.agent.clone(), format!("{}/api/join/rate", self.server));
        let sent = tokio::task::spawn_blocking(move || match agent.post(&url).send_json(&rating) {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(mut answer) => {
                Err(answer.body_mut().read_json::<Problem>().map_or_else(|e| e.to_string(), |p| p.message))
            }
            Err(error) => Err(error.to_string()),
        });
        sent.await.unwrap_or_else(|e| Err(e.to_string()))
    }

    /// Posts a file in the chat. The error is a message for the customer.
    pub async fn attach(&self, token: &str, name: &str, path: &Path) -> Result<(), String> {
        let mut url = url::Url::parse(&format!("{}/api/join/posts", self.server)).map_err(|e| e.to_string())?;
        url.query_pairs_mut().append_pair("name", name);
        let (agent, bearer, path) = (self.agent.clone(), format!("Bearer {token}"), path.to_owned());
        let sent = tokio::task::spawn_blocking(move || {
            let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
            let request = agent.post(url.as_str()).header("authorization", &bearer);
            let request = request.config().timeout_global(Some(FILE_TIME)).build();
            match request.send(file).map_err(|e| e.to_string())? {
                answer if answer.status().is_success() => Ok(()),
                mut answer => {
                    Err(answer.body_mut().read_json::<Problem>().map_or_else(|e| e.to_string(), |p| p.message))
                }
            }
        });
        sent.await.unwrap_or_else(|e| Err(e.to_string()))
    }

    /// Sends what a reader yields over a side channel. Blocks the thread.
    pub fn send_to_side_channel(&self, token: &str, content: &mut dyn io::Read) -> io::Result<()> {
        let request = self.agent.post(self.side_channel_url(token)).config().timeout_global(None).build();
        let answer = request.send(ureq::SendBody::from_reader(content)).map_err(io::Error::other)?;
        if answer.status().is_success() { Ok(()) } else { Err(io::Error::other(answer.status().to_string())) }
    }

    /// Receives from a side channel. Blocks the thread.
    pub fn receive_from_side_channel(&self, token: &str) -> io::Result<impl io::Read + use<>> {
        let request = self.agent.get(self.side_channel_url(token)).config().timeout_global(None).build();
        let answer = request.call().map_err(io::Error::other)?;
        if answer.status().is_success() {
            Ok(answer.into_body().into_reader())
        } else {
            Err(io::Error::other(answer.status().to_string()))
        }
    }

    fn side_channel_url(&self, token: &str) -> String {
        format!("{}/api/lanes/{token}", self.server)
    }

    /// Downloads a file of the chat and saves it with `save`; returns its path.
    pub async fn save(
        &self,
        token: &str,
        number: u32,
        save: impl FnOnce(&mut dyn io::Read) -> io::Result<String> + Send + 'static,
    ) -> Result<String, String> {
        let url = format!("{}/api/join/posts/{number}", self.server);
        let (agent, bearer) = (self.agent.clone(), format!("Bearer {token}"));
        let saved = tokio::task::spawn_blocking(move || {
            let mut answer = agent
                .get(&url)
                .header("authorization", &bearer)
                .config()
                .timeout_global(Some(FILE_TIME))
                .build()
                .call()
                .map_err(|e| e.to_string())?;
            if !answer.status().is_success() {
                return Err(answer.body_mut().read_json::<Problem>().map_or_else(|e| e.to_string(), |p| p.message));
            }
            let mut body = answer.body_mut().as_reader();
            save(&mut body).map_err(|e| e.to_string())
        });
        saved.await.unwrap_or_else(|e| Err(e.to_string()))
    }
}
