//! Rate limits of accounts.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::{FORM, Site, basic};

#[test]
fn every_response_states_the_remaining_requests_and_excess_is_refused() {
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
    // Another account has a limit of its own; its token counts as well.
    let (id, secret) = site.fixture.account("Another", &["sessions:read"]);
    let headers = [FORM, ("authorization", &basic(&id, &secret))];
    let token = site.fixture.ask("POST", "/oauth2/token", &headers, "grant_type=client_credentials");
    assert_eq!(token.headers["x-ratelimit-remaining"], "14999");
    let nobody = site.fixture.ask("GET", "/api/command/v2/info", &[("authorization", "Bearer x")], "");
    assert!(nobody.status == 401 && !nobody.headers.contains_key("x-ratelimit-limit"));

    // Of many concurrent requests some get Retry-After.
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
