//! Addresses that integrations look for, and missing ones.

use super::Site;

#[test]
fn missing_addresses_are_not_pages() {
    let site = Site::open("bt-pages");
    let get = |path: &str| site.fixture.ask("GET", path, &[("accept", "text/html")], "");
    for path in [
        "/login",
        "/login/",
        "/login/sd_reporting?reportType=x",
        "/content",
        "/content/start_session.css",
        "/api",
        "/api/",
        "/api/nothing",
        "/api/content/other.js",
    ] {
        let answer = get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.text.contains("<html"), "{path}: {}", answer.text);
    }
    for path in ["/no-such-page", "/console.php", "/.env"] {
        assert_eq!(get(path).status, 404, "{path}");
    }
    for path in ["/login/x", "/no-such-page", "/console"] {
        assert_eq!(site.fixture.ask("POST", path, &[], "").status, 404, "nothing is posted to a page: {path}");
    }
    for path in ["/", "/console", "/console/incidents/1", "/join", "/sign-in"] {
        assert_eq!(get(path).status, 200, "{path}");
    }
}

#[test]
fn the_script_for_other_pages_may_be_loaded_from_there() {
    let site = Site::open("bt-script");
    let from = [("origin", "https://intranet.example"), ("sec-fetch-site", "cross-site")];
    for path in ["/api/start_session.js", "/api/content/core.js"] {
        let script = site.fixture.ask("GET", path, &from, "");
        assert_eq!(script.status, 200);
        assert_eq!(script.headers["content-type"], "text/javascript; charset=utf-8");
        assert_eq!(script.headers["cross-origin-resource-policy"], "cross-origin");
        assert_eq!(script.headers["x-content-type-options"], "nosniff");
        assert!(script.text.contains("BG.createCore") && script.text.contains("BG.start"));
        assert!(!script.headers.contains_key("set-cookie"));
    }
}
