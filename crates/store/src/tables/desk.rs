//! The built-in service desk.

/// Customers.
pub mod customer {
    use sea_orm::{ActiveValue, entity::prelude::*};

    use super::fill;
    use platform::text::{address, fold::fold};

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "customer")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
        pub email: String,
        pub company: String,
        /// The canonical mail address for comparisons; `NULL` in rows of older versions until they are folded.
        pub address: Option<String>,
        /// Name, address and company, folded for searches; `NULL` likewise.
        #[sea_orm(column_type = "Text", nullable)]
        pub search: Option<String>,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[async_trait::async_trait]
    impl ActiveModelBehavior for ActiveModel {
        async fn before_save<C: ConnectionTrait>(mut self, db: &C, insert: bool) -> Result<Self, DbErr> {
            if !insert && [&self.name, &self.email, &self.company].iter().any(|v| v.is_not_set()) {
                let id = self.id.try_as_ref().copied().unwrap_or_default();
                if let Some(row) = Entity::find_by_id(id).one(db).await? {
                    fill(&mut self.name, row.name);
                    fill(&mut self.email, row.email);
                    fill(&mut self.company, row.company);
                }
            }
            let text = |value: &ActiveValue<String>| value.try_as_ref().cloned().unwrap_or_default();
            let (name, email, company) = (text(&self.name), text(&self.email), text(&self.company));
            self.address = ActiveValue::Set(Some(address::canonical(&email)));
            self.search = ActiveValue::Set(Some(fold(&format!("{name}\n{email}\n{company}"))));
            Ok(self)
        }
    }
}

/// Fills in a value that is not set from the stored row.
fn fill(value: &mut sea_orm::ActiveValue<String>, stored: String) {
    if value.is_not_set() {
        *value = sea_orm::ActiveValue::Unchanged(stored);
    }
}

/// Incidents.
pub mod incident {
    use sea_orm::{ActiveValue, entity::prelude::*};

    use super::{super::IncidentSource, fill};
    use platform::text::fold::fold;

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
        /// The type of incident, as the organisation names it.
        pub kind: String,
        pub owner: Option<i32>,
        /// A number in `team`.
        pub team: Option<i32>,
        /// The service desk that it comes from.
        pub desk: IncidentSource,
        /// Its number or key at that desk.
        pub ticket: String,
        /// When it last changed there, in that desk's format.
        pub stamp: String,
        pub created: i64,
        pub updated: i64,
        /// Subject, description and ticket, folded for searches; `NULL` in rows of older versions until they are
        /// folded.
        #[sea_orm(column_type = "Text", nullable)]
        pub search: Option<String>,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(
            belongs_to = "crate::tables::team::Entity",
            from = "Column::Team",
            to = "crate::tables::team::Column::Id"
        )]
        Team,
    }

    #[async_trait::async_trait]
    impl ActiveModelBehavior for ActiveModel {
        async fn before_save<C: ConnectionTrait>(mut self, db: &C, insert: bool) -> Result<Self, DbErr> {
            let texts = [&self.subject, &self.description, &self.ticket];
            if !insert && texts.iter().all(|v| !v.is_set()) && !self.search.is_set() {
                return Ok(self);
            }
            if !insert && texts.iter().any(|v| v.is_not_set()) {
                let id = self.id.try_as_ref().copied().unwrap_or_default();
                if let Some(row) = Entity::find_by_id(id).one(db).await? {
                    fill(&mut self.subject, row.subject);
                    fill(&mut self.description, row.description);
                    fill(&mut self.ticket, row.ticket);
                }
            }
            let text = |value: &ActiveValue<String>| value.try_as_ref().cloned().unwrap_or_default();
            let texts = [&self.subject, &self.description, &self.ticket].map(text);
            self.search = ActiveValue::Set(Some(fold(&texts.join("\n"))));
            Ok(self)
        }
    }
}

/// The journal of an incident.
pub mod journal {
    use sea_orm::{ActiveValue::Set, entity::prelude::*};

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "journal")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub incident: i32,
        pub at: i64,
        /// `change`, `note`, `mail`, `letter`, `screenshot` or `remote_support`.
        pub kind: String,
        pub author: String,
        #[sea_orm(column_type = "Text")]
        pub text: String,
        /// The session of a `remote_support` entry. Its content is read from the timeline.
        pub session: Option<String>,
        /// The mail of a `mail` or `letter` entry.
        pub mail: Option<i32>,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}

    /// An entry without a session or mail.
    pub fn entry(incident: i32, at: i64, kind: &str, author: &str, text: String) -> ActiveModel {
        ActiveModel {
            incident: Set(incident),
            at: Set(at),
            kind: Set(kind.into()),
            author: Set(author.into()),
            text: Set(text),
            session: Set(None),
            mail: Set(None),
            ..Default::default()
        }
    }
}

/// Mails that were sent or wait in the outbox, without links and keys.
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
        /// Whether a mail server accepted it; otherwise it is in the outbox.
        pub sent: bool,
        /// Its Message-ID without brackets, to which replies refer; empty if another desk sent it.
        pub name: String,
        /// The account that wrote it.
        pub author: i32,
        /// Subject and text with live links and keys, encrypted; empty when the mail is sent or they have expired.
        #[sea_orm(column_type = "Text")]
        pub sealed: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Received mails. The originals of those that belong to an incident are stored in the vault.
pub mod received_mail {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "letter")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        /// Its Message-ID without brackets. Unique, so that no mail is stored twice.
        #[sea_orm(unique)]
        pub name: String,
        pub at: i64,
        pub sender: String,
        pub sender_name: String,
        pub subject: String,
        #[sea_orm(column_type = "Text")]
        pub text: String,
        #[sea_orm(column_type = "Text")]
        pub quoted: String,
        /// A list of `AttachmentInfo` as JSON.
        #[sea_orm(column_type = "Text")]
        pub attachments: String,
        pub incident: Option<i32>,
        /// Why it was rejected; empty if it belongs to an incident.
        pub kept_out: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
