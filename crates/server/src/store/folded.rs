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
