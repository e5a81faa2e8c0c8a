//! Other systems: who asks, and who is told.

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
