//! Accounts, and what people have set.

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
        /// Which role it has in sessions; 0 without one: it may ask for everything.
        pub role: i32,
        /// Who vouches for this account, and by which name; empty for accounts with a password.
        pub external: String,
        /// The secret of the second factor in base32; empty without one.
        pub totp: String,
        /// The step of the last code that was used: none works twice.
        pub totp_step: i64,
        /// The hashes of the recovery codes that are left, between commas.
        pub recovery: String,
        /// The language that another system chose for mails to its owner.
        pub email_language: Option<String>,
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
        /// When they showed for the last time who they are.
        pub confirmed: i64,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Key pairs on people's own devices.
pub mod passkey {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "passkey")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub user: i32,
        /// How its owner calls it.
        pub name: String,
        /// How the device calls it, in base64url.
        #[sea_orm(unique)]
        pub credential: String,
        /// The public key and what belongs to it, as JSON.
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
        /// Whose it is; empty for everybody.
        pub team: String,
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
