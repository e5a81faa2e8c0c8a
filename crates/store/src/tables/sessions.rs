//! Sessions, their timelines, and what remains of them.

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
        pub team: String,
        /// Whether those who only watched were left out of the people who helped.
        pub people_by_role: bool,
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

/// Who helped in sessions that are over.
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
        /// A `Standing` as JSON: whose the session was. Nothing, where that was not kept.
        #[sea_orm(column_type = "Text")]
        pub standing: String,
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
