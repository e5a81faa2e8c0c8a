//! Search columns: folded texts that are written with every row.

use sea_orm::{
    ColumnTrait,
    sea_query::{Expr, ExprTrait, Func, SimpleExpr},
};

/// Whether a folded column contains a folded word. The word has no wildcards.
pub fn holds(column: impl ColumnTrait, word: &str) -> SimpleExpr {
    Expr::expr(Func::cust("instr").args([Expr::col(column.as_column_ref()), Expr::val(word)])).gt(0)
}
