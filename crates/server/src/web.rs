//! The console and the customer's pages, which are embedded in the program, and the security headers of every response.

use axum::{
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use rust_embed::RustEmbed;

use crate::config::PublicUrl;

#[derive(RustEmbed)]
#[folder = "../../console/build"]
struct Console;

/// No inline scripts, no other origins, no framing. Inline styles are allowed because the terminal creates its own, and
/// WebAssembly because of the decoder for browsers without one.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
    media-src 'self' blob:; frame-src 'self'; font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The first path segments of the console's own pages.
const PAGES: [&str; 8] = ["", "confirmed", "console", "expert", "join", "setup", "sign-in", "start"];
/// Path segments that programs use: for them a missing file is a plain 404.
const PROGRAM_PATHS: [&str; 4] = ["_app", "api", "content", "login"];

/// How to answer a path that no route matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Address {
    /// A page that the console knows.
    Page,
    /// No page: the console says so.
    Unknown,
    /// No page, and a program asks: a plain 404.
    Nothing,
}

impl Address {
    fn of(path: &str) -> Self {
        match path.split('/').next().unwrap_or_default() {
            first if PAGES.contains(&first) => Self::Page,
            first if PROGRAM_PATHS.contains(&first) => Self::Nothing,
            _ => Self::Unknown,
        }
    }
}

/// A file of the console, or its single page, which handles the addresses inside the console.
pub async fn page(request: Request) -> Response {
    let nothing = || (StatusCode::NOT_FOUND, "not found").into_response();
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return nothing();
    }
    let path = request.uri().path().trim_start_matches('/');
    let (status, name, file) = match (Console::get(path), Address::of(path)) {
        (Some(file), _) if !path.is_empty() => (StatusCode::OK, path, file),
        (_, Address::Nothing) => return nothing(),
        (_, address) => match Console::get("index.html") {
            Some(file) if address == Address::Page => (StatusCode::OK, "index.html", file),
            Some(file) => (StatusCode::NOT_FOUND, "index.html", file),
            None => return (StatusCode::NOT_FOUND, "the console has not been built: npm run build").into_response(),
        },
    };
    let kind = mime_guess::from_path(name).first_or_octet_stream();
    // Names under `immutable` carry a hash of their content.
    let cache = if name.contains("/immutable/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = [(header::CONTENT_TYPE, kind.as_ref().to_owned()), (header::CACHE_CONTROL, cache.to_owned())];
    // The page that verifies bundles is downloaded: it works from a disk, and this server's policy would block its
    // inline script.
    let mut response = (status, headers, file.data).into_response();
    if name == "verify.html" {
        let download = HeaderValue::from_static("attachment; filename=\"verify.html\"");
        response.headers_mut().insert(header::CONTENT_DISPOSITION, download);
    }
    response
}

/// Makes browsers use HTTPS alone for a year after their first visit.
const HSTS: &str = "max-age=31536000";

/// Adds the security headers to every response.
pub async fn security_headers(State(public_url): State<PublicUrl>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
    ];
    for (name, value) in fixed {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if public_url.secure() {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS));
    }
    headers.entry("permissions-policy").or_insert(HeaderValue::from_static("camera=(), microphone=(), geolocation=()"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_console_are_pages() {
        let table = [
            ("", Address::Page),
            ("console/incidents/7", Address::Page),
            ("join", Address::Page),
            ("login", Address::Nothing),
            ("login/sd_reporting", Address::Nothing),
            ("content/lib/jquery.js", Address::Nothing),
            ("api", Address::Nothing),
            ("api/nothing", Address::Nothing),
            ("_app/nothing.js", Address::Nothing),
            ("no-such-page", Address::Unknown),
            ("console.php", Address::Unknown),
        ];
        for (path, address) in table {
            assert_eq!(Address::of(path), address, "{path}");
        }
    }
}
