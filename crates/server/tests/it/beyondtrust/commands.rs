//! The Command API, and starting sessions from other sites.

use expect_test::expect;
use serde_json::{Value, json};

use super::{FORM, Site, check, element, token};

#[test]
fn commands_answer_element_by_element() {
    let site = Site::open("bt-command");
    check(
        &site,
        &site.command(
            "action=generate_session_key&type=support&queue_id=general&ttl=1800&session.custom.external_key=INC0010023",
        ),
        expect![[r#"
            <?xml version="1.0" encoding="UTF-8"?>

            <session_key xmlns="http://www.bomgar.com/namespaces/API/command">
            <type>support</type>
            <ttl>1800</ttl>
            <expires>UNIX</expires>
            <queue available="1">general</queue>
            <external_key>INC0010023</external_key>
            <short_key>7DIGITS</short_key>
            <key_url>https://HOST/?ak=HEX32</key_url>
            <mail_subject>Remote Support Invitation</mail_subject>
            <mail_body>
            You have been invited to a remote support session with Acme.

            To begin, please visit the following address:

            https://HOST/?ak=HEX32

            You decide what is shared, and you can end the session at any time.
            </mail_body>
            </session_key>
        "#]],
    );
    check(
        &site,
        &site.command("action=generate_session_key&type=support&queue_id=rep_username:tom"),
        expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>

        <session_key xmlns="http://www.bomgar.com/namespaces/API/command">
        <type>support</type>
        <expires>UNIX</expires>
        <queue available="1">rep</queue>
        <queue_id>1</queue_id>
        <short_key>7DIGITS</short_key>
        <key_url>https://HOST/?ak=HEX32</key_url>
        <mail_subject>Remote Support Invitation</mail_subject>
        <mail_body>
        You have been invited to a remote support session with Acme.

        To begin, please visit the following address:

        https://HOST/?ak=HEX32

        You decide what is shared, and you can end the session at any time.
        </mail_body>
        </session_key>
    "#]],
    );
    check(
        &site,
        &site.command("action=get_api_info"),
        expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>

        <api_information xmlns="http://www.bomgar.com/namespaces/API/command">
        <api_version>1.24.1</api_version>
        <company_name>Acme</company_name>
        <timestamp>UNIX</timestamp>
        <permissions>
        <permission name="perm_command">full_access</permission>
        <permission name="perm_reporting_support">1</permission>
        <permission name="perm_reporting_presentation">0</permission>
        <permission name="perm_reporting_license">0</permission>
        <permission name="perm_reporting_archive">0</permission>
        <permission name="perm_real_time_state">0</permission>
        <permission name="perm_ecm">0</permission>
        <permission name="perm_backup">0</permission>
        <permission name="perm_scim">0</permission>
        <permission name="perm_configuration">1</permission>
        </permissions>
        </api_information>
    "#]],
    );
    check(
        &site,
        &site.command("action=check_health"),
        expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>

        <health_check xmlns="http://www.bomgar.com/namespaces/API/command">
        <appliance id="HEX32">localhost</appliance>
        <version>24.1.1 (Deskside 0.1.0)</version>
        <success>1</success>
        <failover_role>none</failover_role>
        </health_check>
    "#]],
    );
    check(
        &site,
        &site.command("action=get_logged_in_reps"),
        expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>

        <logged_in_reps xmlns="http://www.bomgar.com/namespaces/API/command">
        <rep id="1">
        <display_name>Tom</display_name>
        <public_display_name>Tom</public_display_name>
        <private_display_name>Tom</private_display_name>
        <username>tom</username>
        <type>Normal</type>
        <direct_link>&lt;a href=&quot;https://HOST/&quot;&gt;Tom&lt;/a&gt;</direct_link>
        <logged_in_since>TIME</logged_in_since>
        <presentation_count>0</presentation_count>
        <support_session_count>0</support_session_count>
        <showing_on_rep_list>0</showing_on_rep_list>
        </rep>
        </logged_in_reps>
    "#]],
    );
    check(
        &site,
        &site.command("action=get_connected_client_list&type=all"),
        expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>

        <connected_client_list xmlns="http://www.bomgar.com/namespaces/API/command">
        <connected_client_summary>
        <appliance_summary id="HEX32">
        <count type="representative">1</count>
        <count type="support_customer">0</count>
        <count type="presentation_attendee">0</count>
        <count type="push_agent">0</count>
        </appliance_summary>
        </connected_client_summary>
        <connected_client type="representative" id="1"/>
        </connected_client_list>
    "#]],
    );
    check(
        &site,
        &site.command("action=get_connected_clients&type=representative"),
        expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>

        <connected_clients xmlns="http://www.bomgar.com/namespaces/API/command">
        <connected_representative id="1">
        <username>tom</username>
        <display_name>Tom</display_name>
        <hostname>Unknown</hostname>
        <platform id="web">Web</platform>
        <timezone_offset>0</timezone_offset>
        <connected_since ts="UNIX">TIME</connected_since>
        </connected_representative>
        </connected_clients>
    "#]],
    );
}

#[test]
fn errors_are_xml_sentences() {
    let site = Site::open("bt-errors");
    let table = [
        ("", "The parameter action is missing."),
        ("action=fly", "Invalid action"),
        ("action=generate_session_key", "The parameter type is missing."),
        ("action=generate_session_key&type=support", "The parameter queue_id is missing."),
        ("action=generate_session_key&type=support&queue_id=nowhere", "Invalid value for queue_id"),
        ("action=generate_session_key&type=support&queue_id=team:99", "No such queue: team:99"),
        ("action=generate_session_key&type=support&queue_id=general&ttl=soon", "Invalid value for ttl"),
        (
            "action=generate_session_key&type=support&queue_id=general&session.priority=9",
            "Invalid value for session.priority",
        ),
        ("action=terminate_session", "The parameter lsid is missing."),
        ("action=terminate_session&lsid=x", "Invalid value for lsid"),
        (
            "action=terminate_session&lsid=0123456789abcdef0123456789abcdef",
            "No active session was found for this lsid.",
        ),
    ];
    for (parameters, words) in table {
        let text = site.command(parameters);
        assert_eq!(element(&text, "error"), words, "{parameters}");
        assert!(text.contains(r#"<error xmlns="http://www.bomgar.com/namespaces/API/command">"#), "{text}");
    }
    let long =
        format!("action=generate_session_key&type=support&queue_id=general&session.custom.a={}", "x".repeat(1_025));
    assert!(site.command(&long).contains("longer than 1024"));
    // An account without the scope gets an error.
    let reader = format!("Bearer {}", token(&site.fixture, &["sessions:read"]));
    let ask = |path: &str| site.fixture.ask("GET", path, &[("authorization", &reader)], "").text;
    assert!(ask("/api/command?action=generate_session_key&type=support&queue_id=general").contains("<error"));
    assert!(ask("/api/reporting?generate_report=SupportSession&lsid=x").contains("<error"));
    assert!(ask("/api/command?action=get_api_info").contains(r#"<permission name="perm_command">read_only<"#));
    for headers in [vec![], vec![("authorization", "Bearer nonsense")]] {
        let refused = site.fixture.ask("GET", "/api/command?action=get_api_info", &headers, "");
        assert_eq!((refused.status, refused.json()["error"].as_str()), (401, Some("access_denied")));
    }
}

#[test]
fn old_integrations_find_their_addresses_and_can_sign_in() {
    let site = Site::open("bt-old");
    for path in ["/api/command.ns", "/api/command"] {
        let in_address = format!("{path}?action=get_api_info");
        assert!(site.ask("GET", &in_address, "").text.contains("<api_information"));
        assert!(site.ask("POST", &in_address, "").text.contains("<api_information"), "a POST with an address alone");
    }
    // Names and passwords work only where an administrator allows them.
    let (id, secret) = site.fixture.account("Marval", &["sessions:read", "sessions:write"]);
    let old = format!("/api/command.ns?username={id}&password={secret}&action=get_support_teams");
    assert_eq!(element(&site.fixture.ask("GET", &old, &[], "").text, "error"), "Login failed");
    let mut settings: Value = serde_json::from_str(&site.fixture.get("/api/settings").1).unwrap();
    settings["beyondtrust"]["password_form"] = true.into();
    settings["beyondtrust"]["command_namespace"] = "urn:mine".into();
    assert_eq!(site.fixture.put("/api/settings", &settings).0, 200);
    let answer = site.fixture.ask("GET", &old, &[], "").text;
    assert!(answer.contains(r#"<support_teams xmlns="urn:mine""#), "{answer}");
    assert_eq!(element(&site.fixture.ask("GET", &old.replace(&secret, "x"), &[], "").text, "error"), "Login failed");
    // PHP's curl sends arrays as multipart.
    let multipart = "--b\r\ncontent-disposition: form-data; name=\"action\"\r\n\r\ncheck_health\r\n--b--\r\n";
    let headers = [("content-type", "multipart/form-data; boundary=b"), ("authorization", &site.bearer)];
    assert!(site.fixture.ask("POST", "/api/command", &headers, multipart).text.contains("<health_check"));
}

#[test]
fn a_visitor_without_a_program_gets_a_page_and_can_chat() {
    let site = Site::open("bt-start");
    let made = site.command("action=generate_session_key&type=support&queue_id=general");
    let path = format!("/api/start_session?short_key={}", element(&made, "short_key"));
    // This server has no support program.
    let agents = [
        ("Mozilla/5.0 (X11; Linux x86_64)", "Linux", 200),
        ("Mozilla/5.0 (Windows NT 10.0)", "Windows", 200),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", "macOS", 200),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)", "iPhone and iPad", 200),
        ("curl/8.14", "Linux", 404),
    ];
    for (agent, system, status) in agents {
        let page = site.fixture.ask("GET", &path, &[("user-agent", agent)], "");
        assert_eq!(page.status, status, "{agent}");
        assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
        assert!(page.text.contains(&format!("There is no support program for {system} here.")), "{}", page.text);
        assert!(page.text.contains("/join#key="), "the way to the chat: {}", page.text);
    }
    for flag in ["c2cjs", "c2cjs=1"] {
        let chat = site.fixture.ask("GET", &format!("{path}&{flag}"), &[("user-agent", agents[0].0)], "");
        assert_eq!(chat.status, 303);
        assert!(chat.headers["location"].contains("/join#key="));
    }
    assert_eq!(site.fixture.ask("GET", "/api/start_session.ns?short_key=0000000", &[], "").status, 404);
    let reader = [("user-agent", agents[0].0), ("accept", "text/html,*/*")];
    let dead = site.fixture.ask("GET", "/api/start_session?short_key=0000000", &reader, "");
    assert!(dead.status == 404 && dead.text.starts_with("<!doctype html>"), "people read a page: {}", dead.text);
    // A form on a page of the organisation.
    let form = [FORM, ("origin", "https://intranet.example"), ("user-agent", agents[1].0)];
    let body = format!("{}&c2cjs=1", path.split('?').nth(1).unwrap());
    assert_eq!(site.fixture.ask("POST", "/api/start_session", &form, &body).status, 303);
    // Without a key only where that is allowed.
    let open = "/api/start_session?c2cjs&issue_menu&codeName=support&customer.name=Ada%0d%0aSet-Cookie:%20a=b&customer.company=Bert%27s&customer.details=No%20ink";
    assert_eq!(site.fixture.ask("GET", open, &[], "").status, 403);
    let mut settings: Value = serde_json::from_str(&site.fixture.get("/api/settings").1).unwrap();
    settings["beyondtrust"]["open_door"] = true.into();
    assert_eq!(site.fixture.put("/api/settings", &settings).0, 200);
    assert_eq!(site.fixture.ask("GET", open, &[], "").status, 404, "there is no such team");
    assert_eq!(site.config("POST", "/team", &json!({ "name": "Support" })).status, 201);
    let started = site.fixture.ask("GET", open, &[("user-agent", "Mozilla/5.0 (Windows NT 10.0)")], "");
    assert_eq!(started.status, 303, "{}", started.text);
    let incidents: Value = serde_json::from_str(&site.fixture.get("/api/incidents").1).unwrap();
    assert_eq!(
        (incidents[0]["subject"].as_str(), incidents[0]["customer"]["name"].as_str()),
        (Some("No ink"), Some("Ada  Set-Cookie: a=b"))
    );
    let sessions: Value = serde_json::from_str(&site.fixture.get("/api/sessions").1).unwrap();
    let ids = sessions.as_array().unwrap().iter().map(|s| s["state"]["id"].as_str().unwrap());
    for id in ids {
        // Standard attributes of the original are not custom attributes.
        assert!(!site.command(&format!("action=get_session_attributes&lsid={id}")).contains("<custom_attribute "));
    }

    let script = "/api/client_script?type=rep&operation=generate&action=start_jump_item_session&client.hostname=pc%207";
    assert_eq!(site.fixture.ask("GET", script, &[], "").status, 401);
    let script = site.ask("GET", script, "");
    assert_eq!(script.text, "BRCS1.0\naction=start_jump_item_session&client.hostname=pc+7\n");
    assert_eq!(script.headers["content-disposition"], "attachment; filename=\"brcs-localhost.brcs\"");
}

#[test]
fn a_flag_is_set_without_a_value_and_unset_by_no() {
    let site = Site::open("bt-flags");
    assert_eq!(site.config("POST", "/team", &json!({ "name": "Network" })).status, 201);
    let table = [
        ("action=get_support_teams&", "showmembers", "<members"),
        ("action=get_connected_clients&", "include_connections", "<client_connections>"),
    ];
    for (action, flag, element) in table {
        for (given, there) in [
            (flag.to_owned(), true),
            (format!("{flag}="), true),
            (format!("{flag}=1"), true),
            (format!("{flag}=true"), true),
            (format!("{flag}=0"), false),
            (format!("{flag}=false"), false),
            (String::new(), false),
        ] {
            assert_eq!(site.command(&format!("{action}{given}")).contains(element), there, "{action}{given}");
        }
    }
    assert!(!site.command("action=get_connected_client_list&summary_only").contains("<connected_client "));
}

#[test]
fn a_priority_is_no_custom_attribute_and_a_custom_one_by_that_name_is() {
    let site = Site::open("bt-priority");
    let key = "action=generate_session_key&type=support&queue_id=general&session.priority=3";
    site.command(key);
    let sessions: Value = serde_json::from_str(&site.fixture.get("/api/sessions").1).unwrap();
    let id = sessions[0]["state"]["id"].as_str().unwrap().to_owned();
    let attributes = || site.command(&format!("action=get_session_attributes&lsid={id}"));
    assert!(!attributes().contains("priority"), "{}", attributes());
    let incidents: Value = serde_json::from_str(&site.fixture.get("/api/incidents").1).unwrap();
    assert_eq!(incidents[0]["priority"], "low");
    let set = site.command(&format!("action=set_session_attributes&lsid={id}&session.custom.priority=gold"));
    assert_eq!(element(&set, "success"), "Session attributes were set");
    assert!(attributes().contains(r#"code_name="priority">gold<"#), "{}", attributes());
    // The standard one cannot be set as a custom one.
    let refused = site.command(&format!("action=set_session_attributes&lsid={id}&session.custom.session_priority=1"));
    assert_eq!(element(&refused, "error"), "Invalid custom attribute: session.custom.session_priority");
}

#[test]
fn hostile_parameters_break_nothing() {
    let site = Site::open("bt-hostile");
    let key = "action=generate_session_key&type=support&queue_id=general";
    // The document is valid whatever the text, and contains it.
    let value: String = (0u32..0x300).filter_map(char::from_u32).chain("\u{fffe}\u{202e}]]>".chars()).collect();
    let coded: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    let made = site.command(&format!("{key}&external_key={coded}"));
    let mut reader = quick_xml::Reader::from_str(&made);
    while !matches!(reader.read_event().unwrap(), quick_xml::events::Event::Eof) {}
    assert!(made.contains("&#13;") && made.contains("]]&gt;") && !made.contains('\u{0}'));
    // The last of several values counts, and the body takes precedence over the query.
    let twice = site.ask("POST", "/api/command?action=fly", "action=fly&action=check_health").text;
    assert!(twice.contains("<health_check"), "{twice}");
    // Too many or too long parameters are refused.
    let many: String = (0..300).map(|n| format!("&p{n}")).collect();
    assert_eq!(site.ask("POST", "/api/command", &format!("action=check_health{many}")).status, 400);
    let name = "n".repeat(10_000);
    let long = site.ask("POST", "/api/command", &format!("{key}&session.custom.{name}=x"));
    assert_eq!(long.status, 422);
    assert!(long.text.len() < 500, "long texts are not repeated");
    assert_eq!(site.ask("POST", "/api/command", &format!("action={}", "x".repeat(300_000))).status, 413);
    assert_eq!(
        element(&site.command(&format!("{key}&queue_id=rep_username:{}", "x".repeat(4_000))), "error"),
        "Invalid value for queue_id"
    );
}
