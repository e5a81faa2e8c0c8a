//! OpenID Connect: the authorisation code flow with PKCE (OpenID Connect Core 1.0, RFC 7636).

use std::{collections::HashMap, net::IpAddr};

use openidconnect::{
    AccessTokenHash, AdditionalClaims, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet,
    EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, Scope, TokenResponse, UserInfoClaims,
    core::{CoreAuthPrompt, CoreAuthenticationFlow, CoreClient, CoreGenderClaim, CoreProviderMetadata},
};
use platform::{
    expiring::Expiring,
    network::Network,
    outbound::Outbound,
    secret,
    text::{address, causes, line},
};
use protocol::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Auth, ExternalIdentity, OpenId, SignInProblem};

/// How long a sign-in at the provider may take, in milliseconds.
const LIFE_MS: u64 = 10 * 60_000;
/// Most pending sign-ins.
const MOST: usize = 10_000;

/// Sign-ins that are expected back from the provider.
pub struct PendingLogins(Expiring<String, PendingLogin, Network>);

impl Default for PendingLogins {
    fn default() -> Self {
        Self(Expiring::new(LIFE_MS, MOST))
    }
}

/// The purpose of a sign-in at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    SignIn,
    /// To confirm who is signed in; with the hash of their sign-in here.
    Confirm {
        login: String,
    },
}

/// What must match when the browser returns.
struct PendingLogin {
    errand: Errand,
    nonce: Nonce,
    verifier: PkceCodeVerifier,
    /// SHA-256 of the cookie of the browser that started the sign-in.
    browser: String,
}

/// The provider's URL, and the cookie that the browser must return with.
pub struct Departure {
    pub url: String,
    pub cookie: String,
}

type Client =
    CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointMaybeSet, EndpointMaybeSet>;

/// Claims that the library does not know.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct OtherClaims(#[serde(default)] HashMap<String, serde_json::Value>);
impl AdditionalClaims for OtherClaims {}

/// Why a sign-in failed: the problem that the page shows, and the details for the log.
#[derive(Debug)]
pub struct Failed {
    pub problem: SignInProblem,
    pub why: String,
}

impl Failed {
    fn new(problem: SignInProblem, why: impl Into<String>) -> Self {
        Self { problem, why: why.into() }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unreachable(String);

async fn fetch(request: HttpRequest, authority: String, outbound: Outbound) -> Result<HttpResponse, Unreachable> {
    platform::http_client::carry(request, authority, outbound).await.map_err(Unreachable)
}

async fn client(auth: &Auth, rules: &OpenId) -> Result<Client, String> {
    let send = |request| fetch(request, rules.authority.clone(), auth.outbound.clone());
    let issuer = IssuerUrl::new(rules.issuer.clone()).map_err(|e| format!("The issuer is not a valid URL: {e}."))?;
    let found = CoreProviderMetadata::discover_async(issuer, &send).await;
    let found = found.map_err(|e| format!("The provider's configuration cannot be read: {}.", causes(&e)))?;
    let secret = Some(rules.client_secret.clone()).filter(|s| !s.is_empty()).map(ClientSecret::new);
    let back = RedirectUrl::new(format!("{}/sign-in/openid", auth.public_url));
    let back = back.map_err(|e| format!("public_url is not a valid URL: {e}."))?;
    Ok(CoreClient::from_provider_metadata(found, ClientId::new(rules.client_id.clone()), secret).set_redirect_uri(back))
}

/// Checks that the provider can be reached.
pub async fn test(auth: &Auth, rules: &OpenId) -> Result<(), String> {
    client(auth, rules).await.map(|_| ())
}

impl PendingLogins {
    /// Starts a sign-in at the provider.
    pub async fn authorize(
        &self,
        auth: &Auth,
        rules: &OpenId,
        (errand, from): (Errand, IpAddr),
        now: Timestamp,
    ) -> Result<Departure, Failed> {
        let client = client(auth, rules).await.map_err(|why| Failed::new(SignInProblem::Unavailable, why))?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let mut asked = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
            .add_scopes(["profile", "email"].map(|s| Scope::new(s.into())))
            .add_scopes((!rules.groups.is_empty()).then(|| Scope::new(rules.groups_claim.clone())))
            .set_pkce_challenge(challenge);
        if errand != Errand::SignIn {
            asked = asked.add_prompt(CoreAuthPrompt::Login);
        }
        let (url, state, nonce) = asked.url();
        let cookie = secret::token();
        let pending = PendingLogin { errand, nonce, verifier, browser: secret::hash(&cookie) };
        self.0.put(now, Network::wide(from), state.secret().clone(), pending);
        Ok(Departure { url: url.to_string(), cookie })
    }

    /// Completes a sign-in when the browser returns.
    pub async fn callback(
        &self,
        auth: &Auth,
        rules: &OpenId,
        state: &str,
        code: String,
        cookie: &str,
        now: Timestamp,
    ) -> Result<(ExternalIdentity, Errand), Failed> {
        let pending = self.0.take(now, &state.to_owned()).filter(|p| p.browser == secret::hash(cookie));
        let late = || Failed::new(SignInProblem::Late, "the sign-in was started in another browser, or too long ago");
        let pending = pending.ok_or_else(late)?;
        let client = client(auth, rules).await.map_err(|why| Failed::new(SignInProblem::Unavailable, why))?;
        let errand = pending.errand.clone();
        let who = identify(auth, rules, &client, pending, code).await;
        who.map(|who| (who, errand)).map_err(|why| Failed::new(SignInProblem::Unproven, why))
    }
}

/// Exchanges the code for the provider's identity of the person.
async fn identify(
    auth: &Auth,
    rules: &OpenId,
    client: &Client,
    pending: PendingLogin,
    code: String,
) -> Result<ExternalIdentity, String> {
    let send = |request| fetch(request, rules.authority.clone(), auth.outbound.clone());
    let asked = client.exchange_code(AuthorizationCode::new(code)).map_err(|e| causes(&e))?;
    let tokens = asked.set_pkce_verifier(pending.verifier).request_async(&send).await;
    let tokens = tokens.map_err(|e| format!("The provider issued no token: {}.", causes(&e)))?;
    let id = tokens.id_token().ok_or("The provider issued no identity token.")?;
    let verifier = client.id_token_verifier();
    let claims = id
        .claims(&verifier, &pending.nonce)
        .map_err(|e| format!("The identity token is not valid: {}.", causes(&e)))?;
    if let Some(expected) = claims.access_token_hash() {
        let algorithm = id.signing_alg().map_err(|e| causes(&e))?;
        let key = id.signing_key(&verifier).map_err(|e| causes(&e))?;
        let hash = AccessTokenHash::from_token(tokens.access_token(), algorithm, key).map_err(|e| causes(&e))?;
        if hash != *expected {
            return Err("The identity token does not belong to the access token.".into());
        }
    }
    // Many providers send names and groups only in the user info.
    let subject = claims.subject().clone();
    let asked = client.user_info(tokens.access_token().clone(), Some(subject.clone())).map_err(|e| causes(&e))?;
    let known: UserInfoClaims<OtherClaims, CoreGenderClaim> = asked
        .request_async(&send)
        .await
        .map_err(|e| format!("The provider's user info cannot be read: {}.", causes(&e)))?;
    let login = known.preferred_username().map(|n| n.to_string());
    let email = known.email().map(|e| e.to_string()).unwrap_or_default();
    let name = known.name().and_then(|n| n.get(None)).map(|n| n.to_string());
    let login = login.or_else(|| email.split('@').next().map(str::to_owned)).unwrap_or_default();
    let name = name.filter(|n| !n.trim().is_empty()).unwrap_or_else(|| login.clone());
    let groups = match known.additional_claims().0.get(&rules.groups_claim) {
        Some(serde_json::Value::Array(groups)) => groups.iter().filter_map(|g| g.as_str().map(str::to_owned)).collect(),
        Some(serde_json::Value::String(group)) => vec![group.clone()],
        _ => vec![],
    };
    let external = format!("openid {} {}", rules.issuer, subject.as_str());
    let email = address::whole(&email).unwrap_or_default().to_owned();
    Ok(ExternalIdentity { external, login, name: line(&name, 120), email, groups })
}
