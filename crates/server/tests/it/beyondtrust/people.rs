//! Teams, connected clients, and summaries of sessions.

use expect_test::expect;
use protocol::{Client, ServerMessage};
use serde_json::{Value, json};

use super::{Site, check, element};
use crate::fixture::Peer;

/// A server whose only technician is the only member of the team Network.
fn with_team(name: &str) -> Site {
    let site = Site::open(name);
    assert_eq!(site.config("POST", "/team", &json!({ "name": "Network", "code_name": "net" })).status, 201);
    let join = || site.fixture.sql("UPDATE user SET team = 1 WHERE id = 1");
    std::thread::scope(|apart| apart.spawn(join).join().unwrap());
    site
}

/// A session in the team's queue with its customer; returns the customer, their resume token, and the session's number.
async fn with_customer(site: &Site) -> (Peer, String, String) {
    let made = site.command("action=generate_session_key&type=support&queue_id=team:1&external_key=CHG-8");
    let key = element(&made, "short_key").to_owned();
    let body = json!({ "pass": { "by": "key", "key": key }, "client": "program" });
    let (_, entered) = site.fixture.post_as("/api/join/enter", &body, &[]);
    let resume = entered["resume"].as_str().unwrap().to_owned();
    let ticket = entered["admission"]["ticket"].as_str().unwrap();
    let mut customer = Peer::connect(&site.fixture, ticket, Client::Program).await;
    customer.until(|m| matches!(m, ServerMessage::Welcome { .. })).await.unwrap();
    let sessions: Value = serde_json::from_str(&site.fixture.get("/api/sessions").1).unwrap();
    let id = sessions[0]["state"]["id"].as_str().unwrap().to_owned();
    (customer, resume, id)
}

#[test]
fn teams_and_their_members() {
    let site = with_team("bt-teams");
    check(
        &site,
        &site.command("action=get_support_teams"),
        expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>

        <support_teams xmlns="http://www.bomgar.com/namespaces/API/command">
        <support_team id="1">
        <name>Network</name>
        <issues>
        <issue id="1">
        <code_name>net</code_name>
        <title>Network</title>
        </issue>
        </issues>
        </support_team>
        </support_teams>
    "#]],
    );
    check(
        &site,
        &site.command("action=get_support_teams&showmembers=1"),
        expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>

        <support_teams xmlns="http://www.bomgar.com/namespaces/API/command">
        <support_team id="1">
        <name>Network</name>
        <members>
        <representative id="1">
        <username>tom</username>
        <display_name>Tom</display_name>
        <public_display_name>Tom</public_display_name>
        <private_display_name>Tom</private_display_name>
        </representative>
        </members>
        <issues>
        <issue id="1">
        <code_name>net</code_name>
        <title>Network</title>
        </issue>
        </issues>
        </support_team>
        </support_teams>
    "#]],
    );
    // The team had no activity.
    for (report, namespace) in
        [("SupportTeam", "https://www.beyondtrust.com"), ("Team", "http://www.beyondtrust.com/sra")]
    {
        for period in ["&start_date=2020-01-01&duration=0", "&end_time=1&duration=0", "&team_id=1", ""] {
            let text = site.report(&format!("generate_report={report}{period}"));
            let words = "No Support Team report information matching your chosen criteria is available.";
            let expected = format!("<error xmlns=\"{namespace}/namespaces/API/reporting\">{words}</error>\n");
            assert!(text.ends_with(&expected), "{text}");
        }
    }
}

#[tokio::test]
async fn connected_clients_and_joining_a_session() {
    let site = with_team("bt-connected");
    let (_customer, _, id) = with_customer(&site).await;
    check(
        &site,
        &site.command("action=get_connected_clients&type=support_customer"),
        expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>

        <connected_clients xmlns="http://www.bomgar.com/namespaces/API/command">
        <connected_support_customer id="HEX32">
        <display_name>Customer</display_name>
        <lsid>HEX32</lsid>
        <hostname>Unknown</hostname>
        <platform id="linux-64">Linux® (x64)</platform>
        <timezone_offset>0</timezone_offset>
        <connected_since ts="UNIX">TIME</connected_since>
        </connected_support_customer>
        </connected_clients>
    "#]],
    );
    check(
        &site,
        &site.command("action=get_connected_clients&type=support_customer&include_connections"),
        expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>

        <connected_clients xmlns="http://www.bomgar.com/namespaces/API/command">
        <connected_support_customer id="HEX32">
        <client_connections>
        <client_connection>
        <appliance id="HEX32"/>
        <purpose>primary</purpose>
        <receive_traffic_node>0</receive_traffic_node>
        <connected_since ts="UNIX">TIME</connected_since>
        <private_ip>Unknown</private_ip>
        </client_connection>
        <event_log>
        <event timestamp="UNIX">Connected</event>
        </event_log>
        </client_connections>
        <display_name>Customer</display_name>
        <lsid>HEX32</lsid>
        <hostname>Unknown</hostname>
        <platform id="linux-64">Linux® (x64)</platform>
        <timezone_offset>0</timezone_offset>
        <connected_since ts="UNIX">TIME</connected_since>
        </connected_support_customer>
        </connected_clients>
    "#]],
    );
    check(
        &site,
        &site.command("action=get_connected_client_list&type=support_customer"),
        expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>

        <connected_client_list xmlns="http://www.bomgar.com/namespaces/API/command">
        <connected_client_summary>
        <appliance_summary id="HEX32">
        <count type="support_customer">1</count>
        </appliance_summary>
        </connected_client_summary>
        <connected_client type="support_customer" id="HEX32"/>
        </connected_client_list>
    "#]],
    );
    check(
        &site,
        &site.command(&format!("action=join_session&lsid={id}&rep_id=1")),
        expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>

        <success xmlns="http://www.bomgar.com/namespaces/API/command">Representative successfully added</success>
    "#]],
    );
    check(
        &site,
        &site.command(&format!("action=leave_session&lsid={id}&rep_id=1")),
        expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>

        <error xmlns="http://www.bomgar.com/namespaces/API/command">The representative is not in this session.</error>
    "#]],
    );
}

#[tokio::test]
async fn session_summaries_and_surveys() {
    let site = with_team("bt-went");
    let (mut customer, resume, id) = with_customer(&site).await;
    site.command(&format!("action=join_session&lsid={id}&rep_id=1"));
    site.command(&format!("action=terminate_session&lsid={id}"));
    customer
        .until(
            |m| matches!(m, ServerMessage::Happened { entry } if matches!(entry.event, protocol::Event::Ended { .. })),
        )
        .await;
    let rating = json!({ "token": resume, "stars": 4, "comment": "Quick & kind." });
    assert_eq!(site.fixture.post_as("/api/join/rate", &rating, &[]).0, 204);
    let report = |what: &str, of: &str| {
        site.report(&format!("generate_report={what}&start_date=2020-01-01&duration=0&report_type={of}&id=all"))
    };
    for (of, number, name) in [("rep", 1, "Tom"), ("team", 1, "Network")] {
        let summary = report("SupportSessionSummary", of);
        let group = format!(r#"<summary type="{of}" id="{number}"><display_name>{name}</display_name>"#);
        assert!(summary.contains(&group), "{summary}");
    }
    check(
        &site,
        &report("SupportSessionSummary", "team"),
        expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>

        <summary_list xmlns="https://www.beyondtrust.com/namespaces/API/reporting">
        <summary type="team" id="1">
        <display_name>Network</display_name>
        <total_sessions>1</total_sessions>
        <total_duration>HH:MM:SS</total_duration>
        <average_duration>HH:MM:SS</average_duration>
        </summary>
        </summary_list>
    "#]],
    );
    check(
        &site,
        &report("SupportCustExitSurvey", "rep"),
        expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>

        <exit_survey_list xmlns="https://www.beyondtrust.com/namespaces/API/reporting">
        <exit_survey lsid="HEX32" ts="UNIX">
        <submitted_by type="customer">Customer</submitted_by>
        <primary_customer gsnumber="1">Customer</primary_customer>
        <rep_list/>
        <question_list>
        <question id="1">
        <type>radio</type>
        <name>rating</name>
        <label>Rating</label>
        <report_header>Rating</report_header>
        <answer_list>
        <answer>4</answer>
        </answer_list>
        </question>
        <question id="2">
        <type>textarea</type>
        <name>comments</name>
        <label>Comments</label>
        <report_header>Comments</report_header>
        <answer_list>
        <answer>Quick &amp; kind.</answer>
        </answer_list>
        </question>
        </question_list>
        </exit_survey>
        </exit_survey_list>
    "#]],
    );
}

#[tokio::test]
async fn team_activity() {
    let site = with_team("bt-activity");
    let (_customer, _, id) = with_customer(&site).await;
    site.command(&format!("action=transfer_session&lsid={id}&queue_id=rep_username:tom"));
    assert_eq!(site.fixture.post(&format!("/api/sessions/{id}/reopen"), &Value::Null).0, 204);
    let mut tom = Peer::connect(&site.fixture, &site.fixture.technician_ticket(&id), Client::Console).await;
    tom.until(|m| matches!(m, ServerMessage::Welcome { .. })).await.unwrap();
    tom.send(&protocol::ClientMessage::Chat { text: "Hello.".into(), nonce: 1 }).await;
    tom.until(
        |m| matches!(m, ServerMessage::Happened { entry } if matches!(entry.event, protocol::Event::Chat { .. })),
    )
    .await;
    check(
        &site,
        &site.report("generate_report=Team&end_time=1000&duration=0"),
        expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>

        <team_activity_list xmlns="http://www.beyondtrust.com/sra/namespaces/API/reporting">
        <team_activity id="1" name="Network">
        <members>
        <representative id="1">
        <username>tom</username>
        <display_name>Tom</display_name>
        </representative>
        </members>
        <events>
        <event timestamp="UNIX" event_type="Session Transferred to Queue">
        <performed_by type="system" gsnumber="0">Pre-start Conference</performed_by>
        <body>Network</body>
        <data>
        <value name="priority" value="2"/>
        </data>
        </event>
        <event timestamp="UNIX" event_type="Conference Owner Changed">
        <destination type="representative" gsnumber="2">Tom</destination>
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
        <value name="support_teams" value="Network"/>
        <value name="user_id" value="1"/>
        </data>
        </event>
        <event timestamp="UNIX" event_type="Conference Member State Changed">
        <performed_by type="representative" gsnumber="2">Tom</performed_by>
        <data>
        <value name="os" value="Web"/>
        <value name="private_ip" value="Unknown"/>
        <value name="public_ip" value="Unknown"/>
        <value name="state" value="connected"/>
        </data>
        </event>
        <event timestamp="UNIX" event_type="Conference Owner Changed">
        <destination type="representative" gsnumber="2">Tom</destination>
        <data>
        <value name="owner" value="2"/>
        </data>
        </event>
        <event timestamp="UNIX" event_type="Chat Message">
        <performed_by type="representative" gsnumber="2">Tom</performed_by>
        <destination type="customer" gsnumber="1">Customer</destination>
        <body>Hello.</body>
        </event>
        </events>
        </team_activity>
        </team_activity_list>
    "#]],
    );
    let other = site.config("POST", "/team", &json!({ "name": "Printers" })).json();
    let none = site.report(&format!("generate_report=SupportTeam&team_id={}", other["id"]));
    assert!(none.contains("<error"), "{none}");
    let before = site.report("generate_report=SupportTeam&start_date=2020-01-01&duration=1");
    assert!(before.contains("<error"), "later events are not included: {before}");
}
