//! Pages for visitors who cannot continue as requested.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::mail::escape;

/// A link on a page.
pub struct Link<'a> {
    pub address: &'a str,
    pub message: &'a str,
}

/// A page with a sentence, and a link if there is one.
pub fn page(status: StatusCode, title: &str, message: &str, link: Option<Link<'_>>) -> Response {
    let (title, message) = (escape(title), escape(message));
    let link = link.map_or(String::new(), |link| {
        format!("<p><a href=\"{}\">{}</a></p>", escape(link.address), escape(link.message))
    });
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 4rem auto; padding: 0 1rem }}</style></head>\n\
         <body><main><h1>{title}</h1><p>{message}</p>{link}</main></body>\n</html>\n"
    );
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
}
