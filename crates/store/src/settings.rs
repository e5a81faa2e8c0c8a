//! The settings page: what administrators may change while the server runs.

use protocol::{Right, Unrecorded};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{
    setting::{ByTeam, Kind, Setting},
    teams::TeamId,
};

/// What administrators may change while the server runs.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
#[ts(export, concrete(Team = String))]
pub struct Settings<Team = Option<TeamId>> {
    /// The organisation's name, as customers read it.
    pub organisation: String,
    /// How long a session key is valid.
    pub key_minutes: u32,
    /// How long a session link is valid.
    pub link_hours: u32,
    /// Whether shared screens are recorded.
    pub record: bool,
    /// What happens when recording fails.
    pub unrecorded: Unrecorded,
    /// When evidence is deleted. The first matching rule applies.
    pub retention: Vec<RetentionRule<Team>>,
    /// The rights that technicians may request.
    pub rights: Vec<Right>,
    /// Compatibility with BeyondTrust's integrations.
    pub beyondtrust: CompatSettings,
    /// The subject of invitations: `{{number}}`, `{{subject}}`, `{{customer}}`, `{{technician}}`, `{{organisation}}`.
    pub mail_subject: String,
    /// The text of invitations; also `{{link}}` and `{{key}}`.
    pub mail_text: String,
}

impl<Team> Default for Settings<Team> {
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

impl<Team> ByTeam<Team> for Settings<Team> {
    type With<Other> = Settings<Other>;

    fn map_teams<Other>(self, mut map: impl FnMut(Team) -> Other) -> Settings<Other> {
        let Self { organisation, key_minutes, link_hours, record, unrecorded, .. } = self;
        let Self { retention, rights, beyondtrust, mail_subject, mail_text, .. } = self;
        let retention = retention.into_iter().map(|r| RetentionRule { team: map(r.team), kind: r.kind, days: r.days });
        Settings {
            organisation,
            key_minutes,
            link_hours,
            record,
            unrecorded,
            retention: retention.collect(),
            rights,
            beyondtrust,
            mail_subject,
            mail_text,
        }
    }
}

/// How long sessions of a team and a type of incident are kept after their end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export, concrete(Team = String))]
pub struct RetentionRule<Team = Option<TeamId>> {
    /// Empty for all teams.
    pub team: Team,
    /// Empty for all types.
    pub kind: String,
    /// Days after the end of a session; 0 keeps sessions for good.
    pub days: u32,
}

/// What differs between versions of BeyondTrust's API, and what integrations require.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
#[ts(export)]
pub struct CompatSettings {
    /// The XML namespace of responses to commands.
    pub command_namespace: String,
    /// The XML namespace of `Support…` reports.
    pub reporting_namespace: String,
    /// The XML namespace of `Access…` reports, whose clients require exactly this one.
    pub access_namespace: String,
    /// Whether the parameters `username` and `password` may carry client id and secret instead of a token.
    pub password_form: bool,
    /// Whether customers may start sessions with the name of a team or technician, without a key.
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
