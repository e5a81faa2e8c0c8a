//! Accounts, sign-ins, settings and teams.

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
        /// A number in `team`.
        pub team: Option<i32>,
        pub administrator: bool,
        pub disabled: bool,
        pub password: String,
        /// Watch recordings, export evidence, delete evidence.
        pub may_watch: bool,
        pub may_export: bool,
        pub may_delete: bool,
        /// Whose sessions it may see: `own`, `team` or `all`.
        pub reach: String,
        /// Its role in sessions; 0 without one, which may request everything.
        pub role: i32,
        /// The external identity that signs in to this account; empty for accounts with a password.
        pub external: String,
        /// The secret of the second factor in base32; empty without one.
        pub totp: String,
        /// The time step of the last code that was used. No code works twice.
        pub totp_step: i64,
        /// The hashes of the unused recovery codes, separated by commas.
        pub recovery: String,
        /// The language that another system chose for mails to its owner.
        pub email_language: Option<String>,
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

/// Sign-ins: one row for each browser.
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
        /// When the person last confirmed who they are.
        pub confirmed: i64,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Passkeys.
pub mod passkey {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "passkey")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub user: i32,
        /// The owner's name for it.
        pub name: String,
        /// The credential id in base64url.
        #[sea_orm(unique)]
        pub credential: String,
        /// The credential with its public key, as JSON.
        #[sea_orm(column_type = "Text")]
        pub body: String,
        pub created: i64,
        /// 0 before its first use.
        pub used: i64,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Settings that administrators edit: one row for each kind, as JSON.
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

/// Message templates.
pub mod message_template {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "canned")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub title: String,
        #[sea_orm(column_type = "Text")]
        pub text: String,
        /// The team that uses it; missing for everybody.
        pub team: Option<i32>,
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

/// Teams. Rows of other tables and settings refer to them by number.
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
