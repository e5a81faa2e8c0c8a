//! Columns in which searches look: folded texts, written with every row.

use sea_orm::{
    ColumnTrait,
    sea_query::{Expr, ExprTrait, Func, SimpleExpr},
};

/// Whether a folded column holds a folded word. No character of the word is a wildcard.
pub fn holds(column: impl ColumnTrait, word: &str) -> SimpleExpr {
    Expr::expr(Func::cust("instr").args([Expr::col(column.as_column_ref()), Expr::val(word)])).gt(0)
}
