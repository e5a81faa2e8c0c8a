//! The transcript of a session, as text and as HTML.

use protocol::{Entry, SessionId, Timestamp};

/// The transcript as plain text, times in UTC.
pub fn text(id: &SessionId, entries: &[Entry]) -> String {
    let mut text = format!("Deskside session {id}\n\n");
    for line in session::transcript(entries) {
        let speaker = if line.who.is_empty() { "—".to_owned() } else { format!("{}:", line.who) };
        // The further lines of a message are indented below its time.
        let words = line.text.replace('\n', "\n                              ");
        text.push_str(&format!("{}  {speaker} {words}\n", utc(line.at)));
    }
    text
}

/// The transcript as a self-contained HTML page.
pub fn html(id: &SessionId, entries: &[Entry]) -> String {
    let mut rows = String::new();
    for line in session::transcript(entries) {
        let class = serde_json::to_value(line.voice).ok().and_then(|v| v.as_str().map(str::to_owned));
        let (class, at) = (class.unwrap_or_default(), utc(line.at));
        let (who, words) = (escaped(&line.who), escaped(&line.text));
        rows.push_str(&format!("<tr class=\"{class}\"><td>{at}</td><th>{who}</th><td>{words}</td></tr>\n"));
    }
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Deskside session {id}</title>\n\
         <style>body{{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}\
         td,th{{padding:.25rem .6rem;text-align:left;vertical-align:top;white-space:pre-wrap;overflow-wrap:anywhere}}\
         td:first-child{{white-space:nowrap;color:#667}}tr.system{{color:#667}}tr.technician{{background:#eef3ff}}</style>\n\
         <h1>Deskside session {id}</h1>\n<table>\n{rows}</table>\n</html>\n"
    )
}

/// Escapes text for HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A time as `2026-11-22 10:15:30 UTC`.
pub fn utc(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0.cast_signed()).unwrap_or_default();
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}
