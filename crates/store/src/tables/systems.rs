//! Other systems: API accounts and receivers.

/// Accounts of systems that use the API.
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
        /// `Scope` words, separated by spaces.
        pub scopes: String,
        pub enabled: bool,
        pub created: i64,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Bearer tokens: short-lived ones of accounts, and longer ones made in the console.
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

/// Responses to requests with an idempotency key.
pub mod answered {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "answered")]
    pub struct Model {
        /// SHA-256 of the caller and their key.
        #[sea_orm(primary_key, auto_increment = false)]
        pub hash: String,
        /// SHA-256 of the request.
        pub request: String,
        pub at: i64,
        /// 0 while the first request is being processed.
        pub status: i32,
        #[sea_orm(column_type = "Text")]
        pub body: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Receivers: service desks and other systems that are told what happens.
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
        /// The secret with which deliveries are signed, or the token for the service desk.
        pub secret: String,
        /// The events that it subscribes to, separated by commas; empty for all.
        #[sea_orm(column_type = "Text")]
        pub events: String,
        /// A certificate authority to trust in addition to the system's (PEM).
        #[sea_orm(column_type = "Text")]
        pub authority: String,
        pub enabled: bool,
        /// The wait before the first retry.
        pub retry_seconds: i32,
        /// How long to retry before a delivery is given up; 0 for no limit.
        pub retry_hours: i32,
        pub created: i64,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Deliveries to receivers and their outcome. The content is read from the timeline when a delivery is sent.
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
        /// The receiver's last response, or why it could not be reached.
        #[sea_orm(column_type = "Text")]
        pub answer: String,
        pub delivered: Option<i64>,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
