//! The settings' page: what administrators may change while the server runs.

use protocol::{Right, Unrecorded};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::setting::{Kind, Setting};

/// What administrators may change while the server runs.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
#[ts(export)]
pub struct Settings {
    /// The organisation's name, as customers read it.
    pub organisation: String,
    /// How long a spoken key lives.
    pub key_minutes: u32,
    /// How long a link lives.
    pub link_hours: u32,
    /// Whether shared screens are recorded.
    pub record: bool,
    /// What happens when they cannot be.
    pub unrecorded: Unrecorded,
    /// When evidence is deleted; the first rule that fits counts.
    pub retention: Vec<RetentionRule>,
    /// What technicians may ask customers for at all.
    pub rights: Vec<Right>,
    /// What BeyondTrust's integrations find here.
    pub beyondtrust: CompatSettings,
    /// The invitation's subject: `{{number}}`, `{{subject}}`, `{{customer}}`, `{{technician}}`, `{{organisation}}`.
    pub mail_subject: String,
    /// The invitation's text; also `{{link}}` and `{{key}}`.
    pub mail_text: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            organisation: "Deskside".into(),
            key_minutes: 15,
            link_hours: 24,
            record: true,
            unrecorded: Unrecorded::default(),
            retention: Vec::new(),
            rights: Right::ALL.to_vec(),
            beyondtrust: CompatSettings::default(),
            mail_subject: "[{{number}}] {{subject}}: your support session".into(),
            mail_text: "Dear {{customer}},\n\n\
                {{technician}} from {{organisation}} is ready to help you with “{{subject}}” ({{number}}).\n\n\
                Please open this link to start:\n{{link}}\n\n\
                You decide what {{technician}} may see, and you can end the session at any time.\n\
                If you did not ask for help, please ignore this mail.\n\n\
                Kind regards\n{{organisation}}\n"
                .into(),
        }
    }
}

impl Setting for Settings {
    const KIND: Kind = Kind::General;
}

/// Sessions of this team and this type of incident are deleted so long after their end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct RetentionRule {
    /// Empty: of any team.
    pub team: String,
    /// Empty: of any type.
    pub kind: String,
    /// How many days after the end; 0 keeps them for good.
    pub days: u32,
}

/// What differs between versions of the original, and what integrations insist on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
#[ts(export)]
pub struct CompatSettings {
    /// The XML namespace of command answers.
    pub command_namespace: String,
    /// The XML namespace of `Support…` reports.
    pub reporting_namespace: String,
    /// The XML namespace of `Access…` reports, whose readers look for exactly this one.
    pub access_namespace: String,
    /// Whether `username` and `password` parameters do in place of a token: the client id and the secret.
    pub password_form: bool,
    /// Whether customers may start sessions by a team's or a technician's name, without a key.
    pub open_door: bool,
}

impl Default for CompatSettings {
    fn default() -> Self {
        Self {
            command_namespace: "http://www.bomgar.com/namespaces/API/command".into(),
            reporting_namespace: "https://www.beyondtrust.com/namespaces/API/reporting".into(),
            access_namespace: "http://www.beyondtrust.com/sra/namespaces/API/reporting".into(),
            password_form: false,
            open_door: false,
        }
    }
}
