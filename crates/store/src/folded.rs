//! Columns in which searches look: folded texts, written with every row.

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, Condition, DatabaseConnection, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect,
    TransactionTrait,
    sea_query::{Expr, ExprTrait, Func, SimpleExpr},
};

use super::tables::{customer, incident};

/// So many rows are folded at once.
const BATCH: u64 = 500;

/// Whether a folded column holds a folded word. No character of the word is a wildcard.
pub fn holds(column: impl ColumnTrait, word: &str) -> SimpleExpr {
    Expr::expr(Func::cust("instr").args([Expr::col(column.as_column_ref()), Expr::val(word)])).gt(0)
}

/// Folds the rows that an older version has written.
pub async fn fill(db: &DatabaseConnection) -> Result<(), DbErr> {
    loop {
        let missing = Condition::any().add(customer::Column::Search.is_null()).add(customer::Column::Address.is_null());
        let rows = customer::Entity::find().filter(missing).limit(BATCH).all(db).await?;
        if rows.is_empty() {
            break;
        }
        let transaction = db.begin().await?;
        for row in rows {
            let name = row.name.clone();
            customer::ActiveModel { name: Set(name), ..row.into_active_model() }.update(&transaction).await?;
        }
        transaction.commit().await?;
    }
    loop {
        let rows = incident::Entity::find().filter(incident::Column::Search.is_null()).limit(BATCH).all(db).await?;
        if rows.is_empty() {
            break;
        }
        let transaction = db.begin().await?;
        for row in rows {
            let subject = row.subject.clone();
            incident::ActiveModel { subject: Set(subject), ..row.into_active_model() }.update(&transaction).await?;
        }
        transaction.commit().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use sea_orm::ConnectionTrait;

    use super::*;

    #[tokio::test]
    async fn a_folder_of_an_older_version_is_searched_like_any_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("older.sqlite");
        let db = crate::open(&path).await.unwrap();
        // As before there were folded columns.
        for sql in [
            "INSERT INTO customer (name, email, company) VALUES ('ÖZGÜR', 'Anna@bücher.example', '')",
            "INSERT INTO incident (customer, subject, description, status, priority, kind, owner, team, desk, ticket, \
             stamp, created, updated) VALUES (1, 'GRÖSSE', '', 'new', 'normal', '', NULL, '', '', '', '', 1, 7)",
            "DROP INDEX customer_address",
            "ALTER TABLE customer DROP COLUMN search",
            "ALTER TABLE customer DROP COLUMN address",
            "ALTER TABLE incident DROP COLUMN search",
        ] {
            db.execute_unprepared(sql).await.unwrap();
        }
        db.close().await.unwrap();
        let db = crate::open(&path).await.unwrap();
        let customer =
            customer::Entity::find().filter(holds(customer::Column::Search, "ozgur")).one(&db).await.unwrap();
        assert_eq!(customer.unwrap().address.as_deref(), Some("anna@xn--bcher-kva.example"));
        let incident =
            incident::Entity::find().filter(holds(incident::Column::Search, "grosse")).one(&db).await.unwrap();
        // Nobody has changed it.
        assert_eq!(incident.unwrap().updated, 7);
    }
}
