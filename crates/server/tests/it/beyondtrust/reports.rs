//! The Reporting API.

use expect_test::expect;
use protocol::{Client, ClientMessage, Right, ServerMessage};
use serde_json::{Value, json};

use super::{Site, check, element};
use crate::fixture::Peer;

#[tokio::test]
async fn a_session_from_its_key_to_its_report() {
    let site = Site::open("bt-story");
    let made = site.command(
        "action=generate_session_key&type=support&queue_id=general&external_key=CHG-7&session.custom.site=North%20%26%20South",
    );
    let key = element(&made, "short_key").to_owned();
    let ak = element(&made, "key_url").split("ak=").nth(1).unwrap().to_owned();
    assert_eq!((key.len(), ak.len()), (7, 32));
    // The address redirects to the page of the session, with its token behind a #.
    let front = site.fixture.ask("GET", &format!("/?ak={ak}"), &[], "");
    assert_eq!((front.status, front.headers["location"].clone()), (303, format!("{}/join#{ak}", site.fixture.url)));

    let sessions: Value = serde_json::from_str(&site.fixture.get("/api/sessions").1).unwrap();
    let id = sessions[0]["state"]["id"].as_str().unwrap().to_owned();
    assert!(
        !site.report("generate_report=SupportSessionListing&start_time=1&duration=0").contains("lsid"),
        "nobody came"
    );
    let body = json!({ "pass": { "by": "key", "key": key }, "client": "program" });
    let (_, entered) = site.fixture.post_as("/api/join/enter", &body, &[]);
    let mut customer =
        Peer::connect(&site.fixture, entered["admission"]["ticket"].as_str().unwrap(), Client::Program).await;
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
    assert_eq!(site.fixture.post(&format!("/api/sessions/{id}/reopen"), &Value::Null).0, 204);
    let mut tom = Peer::connect(&site.fixture, &site.fixture.technician_ticket(&id), Client::Console).await;
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
            <session_chat_view_url>https://HOST/session_download?lsid=l%3DHEX32%3Bh%3DMAC%3Ba%3Daccount-1%3Bt%3Dsd%3Bm%3Dchat&amp;dl_action=chat&amp;view=1</session_chat_view_url>
            <session_chat_download_url>https://HOST/session_download?lsid=l%3DHEX32%3Bh%3DMAC%3Ba%3Daccount-1%3Bt%3Dsd%3Bm%3Dchat&amp;dl_action=chat</session_chat_download_url>
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
            <event timestamp="UNIX" event_type="Session Start"/>
            <event timestamp="UNIX" event_type="Conference Owner Changed">
            <destination type="system" gsnumber="0">Pre-start Conference</destination>
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
            <event timestamp="UNIX" event_type="Conference Member State Changed">
            <performed_by type="customer" gsnumber="1">Customer</performed_by>
            <data>
            <value name="os" value="Linux® (x64)"/>
            <value name="private_ip" value="Unknown"/>
            <value name="public_ip" value="Unknown"/>
            <value name="state" value="connected"/>
            </data>
            </event>
            <event timestamp="UNIX" event_type="Chat Message">
            <performed_by type="customer" gsnumber="1">Customer</performed_by>
            <destination type="representative" gsnumber="2">Tom</destination>
            <encoded_body>SXQgZG9lcyABIG5vdCBwcmludCA8Yj4=</encoded_body>
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
            <value name="support_teams" value=""/>
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
    // A link in a report needs no sign-in, and cannot be forged.
    let url = element(&ended, "session_chat_download_url").replace("&amp;", "&");
    let path = url.strip_prefix(&site.fixture.url).unwrap();
    let chat = site.fixture.ask("GET", path, &[], "");
    assert!(chat.status == 200 && chat.text.contains("It does"), "{}", chat.text);
    let forged = path.replacen("h%3D", "h%3D0", 1);
    assert_eq!(site.fixture.ask("GET", &forged, &[], "").status, 404);
    assert_eq!(site.fixture.ask("GET", &path.replace("chat", "recording"), &[], "").status, 404);
    assert!(site.report(&format!("generate_report=SupportSessionRecording&lsid={id}")).contains("<error"));
    // The address belongs to its account: it works only as long as that account may read evidence.
    let opens = |path: &str| site.fixture.ask("GET", path, &[], "").status;
    assert_eq!(opens(&path.replacen("account-1", "account-2", 1)), 404);
    let account = |scopes: &[&str], enabled: bool| {
        let body = json!({ "name": "ServiceNow", "comments": "", "scopes": scopes, "enabled": enabled });
        assert_eq!(site.fixture.put("/api/accounts/1", &body).0, 200);
    };
    let reads = ["evidence:read"];
    for (scopes, enabled, status) in
        [(&reads[..], true, 200), (&reads, false, 404), (&[], true, 404), (&reads, true, 200)]
    {
        account(scopes, enabled);
        assert_eq!(opens(path), status, "{scopes:?} {enabled}");
    }
    assert_eq!(site.fixture.ask("DELETE", "/api/accounts/1", &[("cookie", &site.fixture.cookie)], "").status, 204);
    assert_eq!(opens(path), 404, "its account is gone");
}

#[test]
fn reports_accept_every_form_that_clients_use() {
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
