//! Reports that are files in a ZIP archive.

use std::io::{Cursor, Write};

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use sea_orm::{DatabaseConnection, EntityTrait, QueryOrder};
use store::tables::{login, user};

use crate::{
    api::{ApiError, LOGIN_MS},
    config::PublicUrl,
};

/// The source number in every line of the original's log.
const SOURCE: u32 = 1_427;

/// A ZIP archive with one file.
fn zip(name: &str, file: &str, content: &str) -> Result<Response, ApiError> {
    let pack = || -> zip::result::ZipResult<Vec<u8>> {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        archive.start_file(file, stored)?;
        archive.write_all(content.as_bytes())?;
        Ok(archive.finish()?.into_inner())
    };
    let bytes = pack().map_err(|e| anyhow::anyhow!("archive not created: {e}"))?;
    let headers = [
        (header::CONTENT_TYPE, "application/zip".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    Ok((headers, bytes).into_response())
}

/// A value in a line: characters that would end the value or the line are escaped or removed.
fn value(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ';' | '\\' => safe.extend(['\\', c]),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

/// The line of a sign-in.
fn line(site: &str, name: &str, login: &str, at_ms: u64) -> String {
    let at = jiff::Timestamp::from_millisecond(at_ms.cast_signed()).unwrap_or_default();
    let when = at.strftime("%b %d %H:%M:%S");
    let (site, name, login) = (value(site), value(name), value(login));
    let seconds = at_ms / 1_000;
    format!(
        "{when} deskside BG[1]: {SOURCE}:01:01:event=login;site={site};status=success;target=web/login;when={seconds};who={name} ({login})\n"
    )
}

/// `Syslog`: the current sign-ins, which are all that Deskside knows.
pub async fn syslog(db: &DatabaseConnection, public_url: &PublicUrl) -> Result<Response, ApiError> {
    let logins = login::Entity::find().order_by_asc(login::Column::Until).all(db).await?;
    let users = user::Entity::find().all(db).await?;
    let site = public_url.domain();
    let lines = logins.iter().filter_map(|login| {
        let who = users.iter().find(|user| user.id == login.user)?;
        Some(line(site, &who.name, &who.login, login.until.cast_unsigned().saturating_sub(LOGIN_MS)))
    });
    zip("syslog.zip", "syslog.log", &lines.collect::<String>())
}

/// `EndpointLicenseUsage`: there are no Jump Items, so the table has only its header.
pub fn endpoints() -> Result<Response, ApiError> {
    let head = "\"Jump Item Name\",\"Hostname/IP\",\"Jumpoint\",\"Remote App Name\",\"License\",\"Jump Method\",\"Jump Group\"\n";
    zip("endpoint_license_usage.zip", "jump_items.csv", head)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    async fn content(response: Response, file: &str) -> String {
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/zip");
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let mut text = String::new();
        archive.by_name(file).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[tokio::test]
    async fn archives_contain_the_files_that_clients_read() {
        let table = content(endpoints().unwrap(), "jump_items.csv").await;
        assert_eq!((table.lines().count(), table.split(',').count()), (1, 7), "{table}");
        let reported = line("desk.example", "Tom; B.", "tom", 1_773_648_627_000);
        let log = zip("syslog.zip", "syslog.log", &reported).unwrap();
        assert_eq!(
            content(log, "syslog.log").await,
            "Mar 16 08:10:27 deskside BG[1]: 1427:01:01:event=login;site=desk.example;status=success;target=web/login;when=1773648627;who=Tom\\; B. (tom)\n"
        );
    }

    #[test]
    fn no_name_ends_its_value_or_line() {
        assert_eq!(value("a;b\\c\r\nwhen=1\u{2028}"), "a\\;b\\\\c  when=1 ");
    }
}
