//! BeyondTrust's API, asked as its public clients ask it.

use std::sync::LazyLock;

use expect_test::{Expect, expect};
use protocol::{Client, ClientMessage, Right, ServerMessage};
use serde_json::{Value, json};

use crate::stage::{Answer, Peer, Stage};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const EVERYTHING: [&str; 5] = ["sessions:read", "sessions:write", "evidence:read", "people:read", "people:write"];

fn basic(id: &str, secret: &str) -> String {
    use base64::Engine;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}")))
}

fn token(stage: &Stage, scopes: &[&str]) -> String {
    let (id, secret) = stage.account("ServiceNow", scopes);
    let headers = [FORM, ("authorization", &basic(&id, &secret))];
    let answer = stage.ask("POST", "/oauth2/token", &headers, "grant_type=client_credentials");
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

/// An installation with an account that may do everything.
struct Site {
    stage: Stage,
    bearer: String,
}

impl Site {
    fn open(name: &str) -> Self {
        let stage = Stage::open(name);
        let bearer = format!("Bearer {}", token(&stage, &EVERYTHING));
        Self { stage, bearer }
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        self.stage.ask(method, path, &[FORM, ("authorization", &self.bearer)], body)
    }

    fn command(&self, parameters: &str) -> String {
        let answer = self.ask("POST", "/api/command", parameters);
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.headers["content-type"], "text/xml; charset=UTF-8");
        answer.text
    }

    fn report(&self, parameters: &str) -> String {
        self.ask("POST", "/api/reporting", parameters).text
    }

    fn config(&self, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let headers =
            [("content-type", "application/json"), ("accept", "application/json"), ("authorization", &self.bearer)];
        self.stage.ask(method, &format!("/api/config/v1{path}"), &headers, &body)
    }
}

/// A document with what differs from run to run written as what it is, one element a line.
fn shape(text: &str, site: &Site) -> String {
    static REPLACED: LazyLock<[(regex::Regex, &str); 9]> = LazyLock::new(|| {
        let r = |pattern: &str| regex::Regex::new(pattern).unwrap();
        [
            (r(r"h%3D[0-9a-f]{40}"), "h%3DMAC"),
            (r(r"[0-9a-f]{32}"), "HEX32"),
            (r(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"), "TIME"),
            (r(r"\b1[789]\d{8}\b"), "UNIX"),
            (r(r"<short_key>\d{7}<"), "<short_key>7DIGITS<"),
            (r(r"<duration>\d\d:\d\d:\d\d<"), "<duration>HH:MM:SS<"),
            (r(r"<seconds_involved>\d+<"), "<seconds_involved>N<"),
            (r(r"<lseq>\d+<"), "<lseq>N<"),
            (r("><"), ">\n<"),
        ]
    });
    let text = text.replace(&site.stage.url, "https://HOST");
    REPLACED.iter().fold(text, |text, (pattern, with)| pattern.replace_all(&text, *with).into_owned())
}

fn check(site: &Site, text: &str, expected: Expect) {
    expected.assert_eq(&shape(text, site));
}

/// The text of the first element by that name.
fn element<'a>(text: &'a str, name: &str) -> &'a str {
    let start = text.find(&format!("<{name}")).unwrap_or_else(|| panic!("no {name} in {text}"));
    let rest = &text[start..];
    rest[rest.find('>').unwrap() + 1..].split("</").next().unwrap()
}

#[test]
fn a_token_is_given_however_a_client_asks_for_it() {
    let stage = Stage::open("bt-oauth");
    let (id, secret) = stage.account("Collector", &["evidence:read"]);
    let authorization = basic(&id, &secret);
    let credentials = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let json = ("content-type", "application/json");
    let ways: [(&[(&str, &str)], &str); 4] = [
        (&[FORM, ("authorization", &authorization)], "grant_type=client_credentials"),
        (&[json, ("authorization", &authorization)], r#"{"grant_type":"client_credentials"}"#),
        (&[FORM], &credentials),
        (&[FORM, ("authorization", &authorization.replace("Basic", "basic"))], "grant_type=client_credentials&scope=x"),
    ];
    for (headers, body) in ways {
        let answer = stage.ask("POST", "/oauth2/token", headers, body);
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(token.len(), 40);
        let expected = format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":3600}}"#);
        assert_eq!((answer.status, answer.text), (200, expected));
    }
    let refusals = [
        (basic(&id, "wrong"), "grant_type=client_credentials", 401, "invalid_client"),
        (basic("nobody", &secret), "grant_type=client_credentials", 401, "invalid_client"),
        ("nonsense".into(), "grant_type=client_credentials", 401, "invalid_client"),
        (authorization.clone(), "grant_type=password", 400, "unsupported_grant_type"),
        (authorization.clone(), "", 400, "invalid_request"),
    ];
    for (authorization, body, status, error) in refusals {
        let answer = stage.ask("POST", "/oauth2/token", &[FORM, ("authorization", &authorization)], body);
        assert_eq!((answer.status, answer.json()["error"].as_str()), (status, Some(error)));
    }
}

#[test]
fn the_thirty_first_token_ends_the_oldest_and_a_new_secret_ends_all() {
    let stage = Stage::open("bt-ring");
    let (id, secret) = stage.account("Script", &["sessions:read"]);
    let headers = [FORM, ("authorization", &basic(&id, &secret))];
    let give = || stage.ask("POST", "/oauth2/token", &headers, "grant_type=client_credentials").json();
    let tokens: Vec<String> = (0..31).map(|_| give()["access_token"].as_str().unwrap().to_owned()).collect();
    let works = |token: &str| {
        let bearer = format!("Bearer {token}");
        stage.ask("GET", "/api/command?action=get_api_info", &[("authorization", &bearer)], "").status
    };
    assert_eq!([works(&tokens[0]), works(&tokens[1]), works(&tokens[30])], [401, 200, 200]);
    let (status, made) = stage.post("/api/accounts/1/secret", &Value::Null);
    assert_eq!((status, made["account"]["client_id"].as_str()), (200, Some(id.as_str())));
    assert_eq!([works(&tokens[1]), works(&tokens[30])], [401, 401]);
    assert_eq!(give()["error"], "invalid_client", "the old secret is of no use");
}

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
        <connected_since>UNIX</connected_since>
        </connected_representative>
        </connected_clients>
    "#]],
    );
}

#[test]
fn errors_are_words_in_xml() {
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
    // What an account may not do, it is told.
    let reader = format!("Bearer {}", token(&site.stage, &["sessions:read"]));
    let ask = |path: &str| site.stage.ask("GET", path, &[("authorization", &reader)], "").text;
    assert!(ask("/api/command?action=generate_session_key&type=support&queue_id=general").contains("<error"));
    assert!(ask("/api/reporting?generate_report=SupportSession&lsid=x").contains("<error"));
    assert!(ask("/api/command?action=get_api_info").contains(r#"<permission name="perm_command">read_only<"#));
    for headers in [vec![], vec![("authorization", "Bearer nonsense")]] {
        let refused = site.stage.ask("GET", "/api/command?action=get_api_info", &headers, "");
        assert_eq!((refused.status, refused.json()["error"].as_str()), (401, Some("access_denied")));
    }
}

#[test]
fn old_integrations_find_their_names_and_their_way_to_sign_in() {
    let site = Site::open("bt-old");
    for path in ["/api/command.ns", "/api/command"] {
        let in_address = format!("{path}?action=get_api_info");
        assert!(site.ask("GET", &in_address, "").text.contains("<api_information"));
        assert!(site.ask("POST", &in_address, "").text.contains("<api_information"), "a POST with an address alone");
    }
    // A name and a password are of use where an administrator says so.
    let (id, secret) = site.stage.account("Marval", &["sessions:read", "sessions:write"]);
    let old = format!("/api/command.ns?username={id}&password={secret}&action=get_support_teams");
    assert_eq!(element(&site.stage.ask("GET", &old, &[], "").text, "error"), "Login failed");
    let mut settings: Value = serde_json::from_str(&site.stage.get("/api/settings").1).unwrap();
    settings["beyondtrust"]["password_form"] = true.into();
    settings["beyondtrust"]["command_namespace"] = "urn:mine".into();
    assert_eq!(site.stage.put("/api/settings", &settings).0, 200);
    let answer = site.stage.ask("GET", &old, &[], "").text;
    assert!(answer.contains(r#"<support_teams xmlns="urn:mine""#), "{answer}");
    assert_eq!(element(&site.stage.ask("GET", &old.replace(&secret, "x"), &[], "").text, "error"), "Login failed");
    // PHP's curl sends arrays as multipart.
    let multipart = "--b\r\ncontent-disposition: form-data; name=\"action\"\r\n\r\ncheck_health\r\n--b--\r\n";
    let headers = [("content-type", "multipart/form-data; boundary=b"), ("authorization", &site.bearer)];
    assert!(site.stage.ask("POST", "/api/command", &headers, multipart).text.contains("<health_check"));
}

#[tokio::test]
async fn a_session_from_its_key_to_its_report() {
    let site = Site::open("bt-story");
    let made = site.command(
        "action=generate_session_key&type=support&queue_id=general&external_key=CHG-7&session.custom.site=North%20%26%20South",
    );
    let key = element(&made, "short_key").to_owned();
    let ak = element(&made, "key_url").split("ak=").nth(1).unwrap().to_owned();
    assert_eq!((key.len(), ak.len()), (7, 32));
    // The address leads to the page of the session, its secret behind a #.
    let front = site.stage.ask("GET", &format!("/?ak={ak}"), &[], "");
    assert_eq!((front.status, front.headers["location"].clone()), (303, format!("{}/join#{ak}", site.stage.url)));

    let sessions: Value = serde_json::from_str(&site.stage.get("/api/sessions").1).unwrap();
    let id = sessions[0]["state"]["id"].as_str().unwrap().to_owned();
    assert!(
        !site.report("generate_report=SupportSessionListing&start_time=1&duration=0").contains("lsid"),
        "nobody came"
    );
    let body = json!({ "pass": { "by": "key", "key": key }, "client": "program" });
    let (_, entered) = site.stage.post_as("/api/join/enter", &body, &[]);
    let mut customer =
        Peer::connect(&site.stage, entered["admission"]["ticket"].as_str().unwrap(), Client::Program).await;
    customer.until(|m| matches!(m, ServerMessage::Welcome { .. })).await.unwrap();
    customer.send(&ClientMessage::Chat { text: "It does \u{1} not print <b>".into(), nonce: 1 }).await;
    customer
        .until(
            |m| matches!(m, ServerMessage::Happened { entry } if matches!(entry.event, protocol::Event::Chat { .. })),
        )
        .await;
    // A technician takes it out of the general queue.
    let taken = site.command(&format!("action=transfer_session&lsid={id}&queue_id=rep_username:tom"));
    assert_eq!(element(&taken, "success"), "Successfully transferred");
    assert_eq!(site.stage.post(&format!("/api/sessions/{id}/reopen"), &Value::Null).0, 204);
    let mut tom = Peer::connect(&site.stage, &site.stage.technician_ticket(&id), Client::Console).await;
    tom.until(|m| matches!(m, ServerMessage::Welcome { .. })).await.unwrap();
    tom.send(&ClientMessage::Ask { rights: vec![Right::View] }).await;
    customer
        .until(
            |m| matches!(m, ServerMessage::Happened { entry } if matches!(entry.event, protocol::Event::Asked { .. })),
        )
        .await;
    customer.send(&ClientMessage::Answer { rights: vec![Right::View] }).await;
    tom.until(
        |m| matches!(m, ServerMessage::Happened { entry } if matches!(entry.event, protocol::Event::Granted { .. })),
    )
    .await;

    let attributes = format!("action=set_session_attributes&lsid={id}&session.custom.site=&session.custom.floor=3");
    assert_eq!(element(&site.command(&attributes), "success"), "Session attributes were set");
    check(
        &site,
        &site.command(&format!("action=get_session_attributes&lsid={id}")),
        expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>

        <custom_attributes xmlns="http://www.bomgar.com/namespaces/API/command">
        <custom_attribute display_name="External Key" code_name="external_key">CHG-7</custom_attribute>
        <custom_attribute display_name="floor" code_name="floor">3</custom_attribute>
        </custom_attributes>
    "#]],
    );
    let open = site.report(&format!("generate_report=SupportSession&lsid={id}"));
    assert!(open.contains("<session lsid=") && !open.contains("<end_time"), "an open session has no end: {open}");
    check(
        &site,
        &site.command("action=get_connected_client_list&summary_only=1"),
        expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>

        <connected_client_list xmlns="http://www.bomgar.com/namespaces/API/command">
        <connected_client_summary>
        <appliance_summary id="HEX32">
        <count type="representative">1</count>
        <count type="support_customer">1</count>
        <count type="presentation_attendee">0</count>
        <count type="push_agent">0</count>
        </appliance_summary>
        </connected_client_summary>
        </connected_client_list>
    "#]],
    );

    assert_eq!(
        element(&site.command(&format!("action=terminate_session&lsid={id}")), "success"),
        "Successfully terminated"
    );
    let ended = site.report("generate_report=SupportSession&end_time=1&duration=0");
    check(
        &site,
        &ended,
        expect![[r#"
            <?xml version="1.0" encoding="UTF-8"?>

            <session_list xmlns="https://www.beyondtrust.com/namespaces/API/reporting">
            <session lsid="HEX32">
            <session_type>support</session_type>
            <lseq>N</lseq>
            <start_time timestamp="UNIX">TIME</start_time>
            <end_time timestamp="UNIX">TIME</end_time>
            <duration>HH:MM:SS</duration>
            <public_site id="1">Default</public_site>
            <external_key>CHG-7</external_key>
            <custom_attributes>
            <custom_attribute display_name="floor" code_name="floor">3</custom_attribute>
            </custom_attributes>
            <session_chat_view_url>https://HOST/session_download?lsid=l%3DHEX32%3Bh%3DMAC%3Bt%3Dsd%3Bm%3Dchat&amp;dl_action=chat&amp;view=1</session_chat_view_url>
            <session_chat_download_url>https://HOST/session_download?lsid=l%3DHEX32%3Bh%3DMAC%3Bt%3Dsd%3Bm%3Dchat&amp;dl_action=chat</session_chat_download_url>
            <file_transfer_count>0</file_transfer_count>
            <file_move_count>0</file_move_count>
            <file_delete_count>0</file_delete_count>
            <primary_customer gsnumber="1">Customer</primary_customer>
            <primary_rep gsnumber="2" id="1">Tom</primary_rep>
            <rep_join_time timestamp="UNIX">TIME</rep_join_time>
            <customer_list>
            <customer gsnumber="1">
            <username>Customer</username>
            <public_ip>Unknown</public_ip>
            <private_ip>Unknown</private_ip>
            <hostname>Unknown</hostname>
            <os>Linux® (x64)</os>
            <primary_cust>1</primary_cust>
            <info>
            <name>Customer</name>
            <company/>
            <company_code/>
            <issue>Remote support for CHG-7</issue>
            <details/>
            </info>
            </customer>
            </customer_list>
            <rep_list>
            <representative gsnumber="2" id="1">
            <username>tom</username>
            <display_name>Tom</display_name>
            <public_display_name>Tom</public_display_name>
            <private_display_name>Tom</private_display_name>
            <public_ip>Unknown</public_ip>
            <private_ip>Unknown</private_ip>
            <os>Web</os>
            <session_owner>1</session_owner>
            <seconds_involved>N</seconds_involved>
            <primary_rep>1</primary_rep>
            </representative>
            </rep_list>
            <session_details>
            <event timestamp="UNIX" event_type="Session Start">
            <performed_by type="system" gsnumber="0">Pre-start Conference</performed_by>
            </event>
            <event timestamp="UNIX" event_type="Conference Owner Changed">
            <performed_by type="system" gsnumber="0">Pre-start Conference</performed_by>
            <data>
            <value name="owner" value="Pre-start Conference"/>
            </data>
            </event>
            <event timestamp="UNIX" event_type="Session Transferred to Queue">
            <performed_by type="system" gsnumber="0">Pre-start Conference</performed_by>
            <body>General</body>
            <data>
            <value name="priority" value="2"/>
            </data>
            </event>
            <event timestamp="UNIX" event_type="External Key">
            <performed_by type="system" gsnumber="0">Pre-start Conference</performed_by>
            <body>CHG-7</body>
            </event>
            <event timestamp="UNIX" event_type="Conference Member Added">
            <performed_by type="customer" gsnumber="1">Customer</performed_by>
            <data>
            <value name="private_name" value="Customer"/>
            <value name="public_name" value="Customer"/>
            <value name="username" value=""/>
            <value name="private_ip" value="Unknown"/>
            <value name="public_ip" value="Unknown"/>
            <value name="hostname" value="Unknown"/>
            <value name="os" value="Linux® (x64)"/>
            <value name="support_teams" value=""/>
            <value name="user_id" value=""/>
            </data>
            </event>
            <event timestamp="UNIX" event_type="Chat Message">
            <performed_by type="customer" gsnumber="1">Customer</performed_by>
            <encoded_body>SXQgZG9lcyABIG5vdCBwcmludCA8Yj4=</encoded_body>
            </event>
            <event timestamp="UNIX" event_type="Conference Owner Changed">
            <performed_by type="representative" gsnumber="2">Tom</performed_by>
            <data>
            <value name="owner" value="2"/>
            </data>
            </event>
            <event timestamp="UNIX" event_type="Conference Member Added">
            <performed_by type="representative" gsnumber="2">Tom</performed_by>
            <data>
            <value name="private_name" value="Tom"/>
            <value name="public_name" value="Tom"/>
            <value name="username" value="tom"/>
            <value name="private_ip" value="Unknown"/>
            <value name="public_ip" value="Unknown"/>
            <value name="hostname" value="Unknown"/>
            <value name="os" value="Web"/>
            <value name="support_teams" value=""/>
            <value name="user_id" value="1"/>
            </data>
            </event>
            <event timestamp="UNIX" event_type="Conference Owner Changed">
            <performed_by type="representative" gsnumber="2">Tom</performed_by>
            <data>
            <value name="owner" value="2"/>
            </data>
            </event>
            <event timestamp="UNIX" event_type="Service Access Allowed">
            <performed_by type="customer" gsnumber="1">Customer</performed_by>
            <data>
            <value name="granted_to" value="Tom"/>
            <value name="level" value="allow"/>
            <value name="service" value="Screen Sharing"/>
            </data>
            </event>
            <event timestamp="UNIX" event_type="Conference Member Departed">
            <performed_by type="customer" gsnumber="1">Customer</performed_by>
            </event>
            <event timestamp="UNIX" event_type="Conference Member Departed">
            <performed_by type="representative" gsnumber="2">Tom</performed_by>
            </event>
            <event timestamp="UNIX" event_type="Session End">
            <performed_by type="system" gsnumber="0">Pre-start Conference</performed_by>
            </event>
            </session_details>
            </session>
            </session_list>
        "#]],
    );
    check(
        &site,
        &site.report("generate_report=SupportSessionListing&start_date=2020-01-01&duration=0"),
        expect![[r#"
            <?xml version="1.0" encoding="UTF-8"?>

            <session_summary_list xmlns="https://www.beyondtrust.com/namespaces/API/reporting">
            <session_summary lsid="HEX32" has_recording="0"/>
            </session_summary_list>
        "#]],
    );
    check(
        &site,
        &site.report("generate_report=SupportSessionListing&start_date=2020-01-01&duration=1"),
        expect![[r#"
            <?xml version="1.0" encoding="UTF-8"?>

            <session_summary_list xmlns="https://www.beyondtrust.com/namespaces/API/reporting"/>
        "#]],
    );
    let access = site.report(&format!("generate_report=AccessSession&lsid={id}"));
    assert!(access.contains(r#"<session_list xmlns="http://www.beyondtrust.com/sra/namespaces/API/reporting">"#));
    assert!(access.contains(r#"<jump_group type="shared" id="1">"#));
    // What a report links to needs no more than its address, and nobody makes one up.
    let url = element(&ended, "session_chat_download_url").replace("&amp;", "&");
    let path = url.strip_prefix(&site.stage.url).unwrap();
    let chat = site.stage.ask("GET", path, &[], "");
    assert!(chat.status == 200 && chat.text.contains("It does"), "{}", chat.text);
    let forged = path.replacen("h%3D", "h%3D0", 1);
    assert_eq!(site.stage.ask("GET", &forged, &[], "").status, 404);
    assert_eq!(site.stage.ask("GET", &path.replace("chat", "recording"), &[], "").status, 404);
    assert!(site.report(&format!("generate_report=SupportSessionRecording&lsid={id}")).contains("<error"));
}

#[test]
fn reports_are_asked_for_in_every_way_that_clients_know() {
    let site = Site::open("bt-reports");
    let empty = |root: &str, parameters: &str| {
        let text = site.report(&format!("generate_report={parameters}"));
        assert!(
            text.ends_with(&format!("<{root} xmlns=\"https://www.beyondtrust.com/namespaces/API/reporting\"/>\n")),
            "{text}"
        );
    };
    empty("session_list", "SupportSession&start_date=2026-01-01&duration=0");
    empty("session_list", "SupportSession&start_date=2026-01-01&start_time=1767225600&duration=0");
    empty("session_summary_list", "SupportSessionListing&end_time=0&duration=0");
    empty("exit_survey_list", "SupportCustExitSurvey&start_time=1&duration=10&report_type=rep&id=all");
    empty("exit_survey_list", "SupportRepExitSurvey&start_time=1&duration=10&report_type=rep&id=all");
    empty("summary_list", "SupportSessionSummary&start_date=2026-01-01&duration=0&report_type=rep&id=all");
    let in_address = "/api/reporting.ns?generate_report=SupportSessionListing&end_date=2026-01-01&duration=0";
    assert!(site.ask("POST", in_address, "").text.contains("<session_summary_list"));
    let table = [
        ("", "The parameter generate_report is missing."),
        ("generate_report=Weather", "Invalid report type"),
        ("generate_report=SupportSession", "One of start_date, start_time, end_date, end_time or lsid is needed."),
        ("generate_report=SupportSession&start_date=tomorrow&duration=0", "Invalid value for start_date"),
        ("generate_report=SupportSession&start_date=2026-01-01", "The parameter duration is missing."),
        ("generate_report=SupportSession&start_time=1&duration=-1", "Invalid value for duration"),
        ("generate_report=SupportSession&lsid=../../etc", "Invalid value for lsid"),
        (
            "generate_report=CommandShellRecording&lsid=0123456789abcdef0123456789abcdef&instance=0",
            "No recording was found for the given search criteria.",
        ),
    ];
    for (parameters, words) in table {
        assert_eq!(element(&site.report(parameters), "error"), words, "{parameters}");
    }
}

#[test]
fn the_configuration_is_paged_filtered_and_checked() {
    let site = Site::open("bt-config");
    let team = |name: &str| site.config("POST", "/team", &json!({ "name": name }));
    let first = team("Team 0");
    assert_eq!(
        (first.status, first.headers["location"].clone()),
        (201, format!("{}/api/config/v1/team/1", site.stage.url))
    );
    assert_eq!(
        first.text,
        r#"{"id":1,"name":"Team 0","code_name":"team_0","comments":"","persistent_queue":true,"public_portal_ids":[1]}"#
    );
    (1..12).for_each(|n| assert_eq!(team(&format!("Team {n}")).status, 201));
    let page = site.config("GET", "/team?per_page=5&current_page=2", &Value::Null);
    let header = |name: &str| page.headers[name].clone();
    let at = format!("{}/api/config/v1/team?per_page=5&current_page=", site.stage.url);
    assert_eq!(
        header("link"),
        format!("<{at}1>; rel=\"first\", <{at}1>; rel=\"previous\", <{at}3>; rel=\"next\", <{at}3>; rel=\"last\"")
    );
    let counts = ["current-page", "last-page", "per-page", "total"].map(|n| header(&format!("x-bt-pagination-{n}")));
    assert_eq!(counts, ["2", "3", "5", "12"]);
    assert!(page.text.starts_with(r#"[{"id":6,"name":"Team 5","#) && page.text.contains("},{"), "{}", page.text);
    assert_eq!(site.config("GET", "/team?name=TEAM%203", &Value::Null).json().as_array().unwrap().len(), 1);

    // People.
    let users = site.config("GET", "/user", &Value::Null);
    assert!(users.text.starts_with(r#"[{"id":1,"#), "{}", users.text);
    assert_eq!(users.json()[0]["username"], "tom");
    assert_eq!(site.config("POST", "/team/1/user", &json!({ "user_id": 1, "role": "member" })).status, 201);
    assert_eq!(site.config("GET", "/team/1/user", &Value::Null).text, r#"[{"team_id":1,"user_id":1,"role":"member"}]"#);
    assert_eq!(site.config("PATCH", "/team/1", &json!({ "name": "Helpers" })).json()["name"], "Helpers");
    let me: Value = serde_json::from_str(&site.stage.get("/api/me").1).unwrap();
    assert_eq!(me["account"]["team"], "Helpers", "who is in a team moves with its name");
    assert_eq!(site.config("DELETE", "/team/1/user/1", &Value::Null).status, 204);
    assert_eq!(site.config("DELETE", "/team/1", &Value::Null).status, 204);
    assert_eq!(site.config("GET", "/team/1", &Value::Null).status, 404);
    let renamed =
        site.config("PATCH", "/user/1", &json!({ "public_display_name": "Tom B.", "email_address": "t@a.example" }));
    assert_eq!((renamed.status, renamed.json()["private_display_name"].clone()), (200, "Tom B.".into()));

    // Mistakes.
    let table = [
        ("POST", "/team", json!({}), 422),
        ("POST", "/team", json!({ "name": 7 }), 422),
        ("POST", "/team", json!({ "name": "Team 5" }), 422),
        ("POST", "/team", json!({ "name": "A", "code_name": "a b" }), 422),
        ("POST", "/team", json!({ "name": "A", "colour": "red" }), 401),
        ("GET", "/team?colour=red", Value::Null, 401),
        ("GET", "/team?per_page=4", Value::Null, 422),
        ("GET", "/team?per_page=101", Value::Null, 422),
        ("GET", "/team/x", Value::Null, 404),
        ("GET", "/nothing", Value::Null, 404),
        ("PUT", "/team", json!({}), 405),
        ("POST", "/user", json!({}), 405),
        ("PATCH", "/user/1", json!({ "email_address": "nonsense" }), 422),
        ("PATCH", "/user/1", json!({ "enabled": false }), 422),
        ("DELETE", "/user/1", Value::Null, 422),
        ("POST", "/team/2/user", json!({ "user_id": "1" }), 422),
    ];
    for (method, path, body, status) in table {
        let answer = site.config(method, path, &body);
        assert_eq!(answer.status, status, "{method} {path} {body}: {}", answer.text);
        assert!(answer.json()["message"].is_string());
    }
    let invalid = site.config("POST", "/team", &json!({}));
    assert_eq!(
        invalid.text,
        r#"{"message":"The given data was invalid.","errors":{"name":["The name field is required."]}}"#
    );
    assert_eq!(site.config("OPTIONS", "/team", &Value::Null).headers["allow"], "GET,HEAD,POST");
    assert_eq!(site.config("HEAD", "/team", &Value::Null).status, 200);
    assert_eq!(site.config("GET", "/jump-client?name=pc-7", &Value::Null).text, "[]");
    for path in ["/public-portal", "/session-policy", "/rep-status", "/api-account"] {
        assert!(site.config("GET", path, &Value::Null).text.starts_with(r#"[{"id":1,"#), "{path}");
    }
    let reader = format!("Bearer {}", token(&site.stage, &["people:read"]));
    let as_reader =
        |method: &str| site.stage.ask(method, "/api/config/v1/team", &[("authorization", &reader)], "").status;
    assert_eq!([as_reader("GET"), as_reader("POST")], [200, 403]);
    assert_eq!(site.stage.ask("GET", "/get_mech_list?version=3", &[], "").json()["default_mech"], "password");
}

#[test]
fn a_script_fetches_the_program_and_a_person_the_page() {
    let site = Site::open("bt-start");
    let made = site.command("action=generate_session_key&type=support&queue_id=general");
    let path = format!("/api/start_session?short_key={}", element(&made, "short_key"));
    let page = site.stage.ask("GET", &path, &[("user-agent", "Mozilla/5.0 (X11; Linux x86_64)")], "");
    assert_eq!(page.status, 303);
    assert!(page.headers["location"].contains("/join#key="));
    assert_eq!(site.stage.ask("GET", "/api/start_session.ns?short_key=0000000", &[], "").status, 404);
    // Without a key only where customers may come by themselves.
    let open = "/api/start_session?issue_menu=1&codeName=support&customer.name=Ada&customer.details=No%20ink";
    assert_eq!(site.stage.ask("GET", open, &[], "").status, 403);
    let mut settings: Value = serde_json::from_str(&site.stage.get("/api/settings").1).unwrap();
    settings["beyondtrust"]["open_door"] = true.into();
    assert_eq!(site.stage.put("/api/settings", &settings).0, 200);
    assert_eq!(site.stage.ask("GET", open, &[], "").status, 404, "there is no such team");
    assert_eq!(site.config("POST", "/team", &json!({ "name": "Support" })).status, 201);
    let started = site.stage.ask("GET", open, &[("user-agent", "Mozilla/5.0 (Windows NT 10.0)")], "");
    assert_eq!(started.status, 303, "{}", started.text);
    let incidents: Value = serde_json::from_str(&site.stage.get("/api/incidents").1).unwrap();
    assert_eq!(
        (incidents[0]["subject"].as_str(), incidents[0]["customer"]["name"].as_str()),
        (Some("No ink"), Some("Ada"))
    );

    let script = "/api/client_script?type=rep&operation=generate&action=start_jump_item_session&client.hostname=pc%207";
    assert_eq!(site.stage.ask("GET", script, &[], "").status, 401);
    let script = site.ask("GET", script, "");
    assert_eq!(script.text, "BRCS1.0\naction=start_jump_item_session&client.hostname=pc+7\n");
    assert_eq!(script.headers["content-disposition"], "attachment; filename=\"brcs-localhost.brcs\"");
}
