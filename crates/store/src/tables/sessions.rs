//! Sessions, their timelines, and their evidence.

/// Sessions: what must be found without reading timelines, with the hashes of key and link.
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
        /// The session has ended and its evidence is stored, so it is not loaded at start.
        pub stored: bool,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// The entries of timelines, chained by hashes.
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

/// The session index: ended sessions for search and reports, read from their timelines.
pub mod session_history {
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
        /// The owner's team, a number in `team`.
        pub team: Option<i32>,
        /// Whether `session_person` leaves supervisors out; older versions counted them.
        pub people_by_role: bool,
        pub started: i64,
        pub ended: i64,
        pub ending: String,
        /// Whether a customer joined.
        pub joined: bool,
        /// Milliseconds from issuing the key until the customer joined.
        pub waited: i64,
        /// Milliseconds from then until the end.
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
    pub enum Relation {
        #[sea_orm(
            belongs_to = "crate::tables::team::Entity",
            from = "Column::Team",
            to = "crate::tables::team::Column::Id"
        )]
        Team,
    }
    impl ActiveModelBehavior for ActiveModel {}
}

/// Who helped in ended sessions.
pub mod session_person {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "session_person")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub session: String,
        /// The account.
        #[sea_orm(primary_key, auto_increment = false)]
        pub user: i32,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Tombstones of deleted sessions.
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
        /// A `Standing` as JSON: who could see the session. Empty in rows of older versions.
        #[sea_orm(column_type = "Text")]
        pub standing: String,
        /// Whether everything else is deleted.
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

/// Tokens with which a customer resumes a session, or hands it over to the support program.
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

/// Invitation links of experts.
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
