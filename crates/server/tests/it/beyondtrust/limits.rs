//! How often an account may ask.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::{FORM, Site, basic};

#[test]
fn what_is_left_is_said_in_every_answer_and_more_than_that_is_refused() {
    let site = Site::open("bt-limits");
    let left = |path: &str| {
        let answer = site.ask("GET", path, "");
        assert_eq!(answer.headers["x-ratelimit-limit"], "15000", "{path}");
        answer.headers["x-ratelimit-remaining"].parse::<u32>().unwrap()
    };
    // The token was the first request.
    assert_eq!(left("/api/config/v1/user"), 14_998);
    assert_eq!(left("/api/command?action=check_health"), 14_997);
    assert_eq!(left("/api/reporting?generate_report=Weather"), 14_996);
    assert_eq!(left("/api/command/v2/info"), 14_995);
    assert_eq!(left("/api/config/v1/nothing"), 14_994);
    // Another account has its own, and its token is counted, too.
    let (id, secret) = site.stage.account("Another", &["sessions:read"]);
    let headers = [FORM, ("authorization", &basic(&id, &secret))];
    let token = site.stage.ask("POST", "/oauth2/token", &headers, "grant_type=client_credentials");
    assert_eq!(token.headers["x-ratelimit-remaining"], "14999");
    let nobody = site.stage.ask("GET", "/api/command/v2/info", &[("authorization", "Bearer x")], "");
    assert!(nobody.status == 401 && !nobody.headers.contains_key("x-ratelimit-limit"));

    // Many at once: some are told to come back.
    let refused = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                for _ in 0..200 {
                    if refused.load(Relaxed) {
                        return;
                    }
                    let answer = site.ask("GET", "/api/command/v2/info", "");
                    if answer.status == 429 {
                        assert!(answer.headers["retry-after"].parse::<u64>().unwrap() > 0);
                        assert!(answer.json()["message"].is_string());
                        refused.store(true, Relaxed);
                    } else {
                        assert_eq!(answer.status, 200);
                    }
                }
            });
        }
    });
    assert!(refused.load(Relaxed));
}
