//! The tables. Times are milliseconds since 1970 UTC.

/// Technicians.
pub mod user {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "user")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        #[sea_orm(unique)]
        pub login: String,
        pub name: String,
        pub email: String,
        pub team: String,
        pub administrator: bool,
        pub disabled: bool,
        pub password: String,
        /// Watch recordings, take evidence along, delete it; and whose: `own`, `team` or `all`.
        pub may_watch: bool,
        pub may_export: bool,
        pub may_delete: bool,
        pub reach: String,
        /// Who vouches for this account, and by which name; empty for accounts with a password.
        pub external: String,
        /// The secret of the second factor in base32; empty without one.
        pub totp: String,
        /// The step of the last code that was used: none works twice.
        pub totp_step: i64,
        /// The hashes of the recovery codes that are left, between commas.
        pub recovery: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Who is signed in: one row a browser.
pub mod login {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "login")]
    pub struct Model {
        /// SHA-256 of the cookie.
        #[sea_orm(primary_key, auto_increment = false)]
        pub hash: String,
        pub user: i32,
        pub until: i64,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Customers.
pub mod customer {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "customer")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
        pub email: String,
        pub company: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Incidents.
pub mod incident {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "incident")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub customer: i32,
        pub subject: String,
        #[sea_orm(column_type = "Text")]
        pub description: String,
        pub status: String,
        pub priority: String,
        /// What kind of request it is, in the organisation's own words.
        pub kind: String,
        pub owner: Option<i32>,
        pub team: String,
        /// The service desk that it comes from: empty for the one built in, `api` for another system that made it, else
        /// a receiver's number.
        pub desk: String,
        /// What that desk calls it.
        pub ticket: String,
        pub created: i64,
        pub updated: i64,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// What happened to an incident.
pub mod journal {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "journal")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub incident: i32,
        pub at: i64,
        /// `change`, `note`, `mail` or `remote_support`.
        pub kind: String,
        pub author: String,
        #[sea_orm(column_type = "Text")]
        pub text: String,
        /// The session of a `remote_support` entry; what the entry says is read from its timeline.
        pub session: Option<String>,
        /// The mail of a `mail` entry.
        pub mail: Option<i32>,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Sessions: what must be found without reading timelines, and the hashes of key and link.
pub mod session_row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "session")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub incident: i32,
        pub created: i64,
        pub key_hash: Option<String>,
        pub link_hash: Option<String>,
        /// The session is over and its evidence is stored: it is not loaded at start.
        pub stored: bool,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// The timelines, chained.
pub mod event_row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "event")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i64,
        pub session: String,
        pub seq: i32,
        pub at: i64,
        #[sea_orm(column_type = "Text")]
        pub body: String,
        pub hash: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Sessions that are over, read from their timelines: to be found and counted.
pub mod past {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "past")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub session: String,
        pub incident: i32,
        pub number: String,
        pub subject: String,
        pub kind: String,
        pub customer: String,
        pub owner: i32,
        pub owner_name: String,
        pub team: String,
        /// The accounts of all who helped, each between commas.
        pub people: String,
        pub started: i64,
        pub ended: i64,
        pub ending: String,
        /// Whether a customer came.
        pub joined: bool,
        /// Milliseconds from the key to the customer's coming, and from there to the end.
        pub waited: i64,
        pub handled: i64,
        pub messages: i32,
        pub files: i32,
        pub transfers: i32,
        pub holds: i32,
        pub rating: Option<i32>,
        /// Under legal hold.
        pub held: bool,
        pub recording_bytes: Option<i64>,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// What stays of sessions that were deleted.
pub mod tombstone_row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "tombstone")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub session: String,
        /// A `Tombstone` as JSON.
        #[sea_orm(column_type = "Text")]
        pub body: String,
        /// Everything is deleted.
        pub done: bool,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// The server's signatures under timelines.
pub mod seal_row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "seal")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub session: String,
        pub at: i64,
        /// A `Seal` as JSON.
        #[sea_orm(column_type = "Text")]
        pub body: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// What lets a customer come back: tokens to resume by, and to go on with the support program.
pub mod admission {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "admission")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub hash: String,
        pub session: String,
        pub participant: i32,
        /// Works once, for the support program.
        pub handover: bool,
        pub until: i64,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Mails, sent or waiting in the outbox.
pub mod mail_row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "mail")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub incident: i32,
        pub at: i64,
        pub sender: String,
        pub recipient: String,
        pub subject: String,
        #[sea_orm(column_type = "Text")]
        pub text: String,
        #[sea_orm(column_type = "Text")]
        pub html: String,
        /// Handed to a mail server; otherwise it lies in the outbox.
        pub sent: bool,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// What administrators have set: one row, JSON.
pub mod setting {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "setting")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        #[sea_orm(column_type = "Text")]
        pub body: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// What technicians say again and again.
pub mod canned {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "canned")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub title: String,
        #[sea_orm(column_type = "Text")]
        pub text: String,
        /// Whose it is; empty for everybody.
        pub team: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// The links by which experts come.
pub mod expert {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "expert")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub hash: String,
        pub session: String,
        /// The invitation's number within the session.
        pub number: i32,
        pub until: i64,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Teams, by name: accounts and incidents say which they belong to.
pub mod team {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "team")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        #[sea_orm(unique)]
        pub name: String,
        /// What other systems call it.
        pub code_name: String,
        #[sea_orm(column_type = "Text")]
        pub comments: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Other systems that may ask this server.
pub mod api_account {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "api_account")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
        #[sea_orm(column_type = "Text")]
        pub comments: String,
        #[sea_orm(unique)]
        pub client_id: String,
        /// SHA-256 of the secret.
        pub secret: String,
        /// `Scope` words between spaces.
        pub scopes: String,
        pub enabled: bool,
        pub created: i64,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Bearer tokens: of an account for an hour, or made in the console for longer.
pub mod api_token {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "api_token")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        /// SHA-256 of the token.
        #[sea_orm(unique)]
        pub hash: String,
        pub account: Option<i32>,
        pub name: String,
        pub scopes: String,
        pub created: i64,
        pub until: i64,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Answers to requests that carried an idempotency key.
pub mod answered {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "answered")]
    pub struct Model {
        /// SHA-256 over who asked and their key.
        #[sea_orm(primary_key, auto_increment = false)]
        pub hash: String,
        /// SHA-256 over the request.
        pub request: String,
        pub at: i64,
        /// 0 while the first request is at work.
        pub status: i32,
        #[sea_orm(column_type = "Text")]
        pub body: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Who is told what happens: service desks and other systems.
pub mod receiver {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "receiver")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        /// A `ReceiverKind`.
        pub kind: String,
        pub name: String,
        pub url: String,
        /// What signs, or the token by which it is asked.
        pub secret: String,
        /// The events it wants, between commas; empty for all.
        #[sea_orm(column_type = "Text")]
        pub events: String,
        /// A certificate authority to trust beside the system's (PEM).
        #[sea_orm(column_type = "Text")]
        pub authority: String,
        pub enabled: bool,
        /// The first pause before it is tried again.
        pub retry_seconds: i32,
        /// After so long it is given up; 0 for never.
        pub retry_hours: i32,
        pub created: i64,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// What waits for a receiver, and what became of it. What it says is read from the timeline when it leaves.
pub mod delivery {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "delivery")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i64,
        pub receiver: i32,
        pub session: String,
        pub seq: i32,
        pub event: String,
        pub created: i64,
        pub attempts: i32,
        /// When it is tried next.
        pub due: i64,
        /// `waiting`, `delivered`, `given_up` or `dropped`.
        pub state: String,
        /// What the receiver said last, or why it could not be reached.
        #[sea_orm(column_type = "Text")]
        pub answer: String,
        pub delivered: Option<i64>,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
