//! 2: whoever helped in a session that is over is a row of a table in place of an entry of a list in a column.

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr};

use super::Migration;

pub(super) const MIGRATION: Migration =
    Migration { number: 2, name: "people of sessions", apply: |db| Box::pin(apply(db)) };

/// The list has each account between commas of its own: `,4,,6,`.
const SQL: &str = "
CREATE TABLE session_person (
    session varchar NOT NULL,
    user integer NOT NULL,
    PRIMARY KEY (session, user)
);
CREATE INDEX session_person_user ON session_person (user);
INSERT OR IGNORE INTO session_person (session, user)
    SELECT past.session, listed.value
    FROM past, json_each('[' || trim(replace(past.people, ',,', ','), ',') || ']') AS listed;
ALTER TABLE past DROP COLUMN people;
";

async fn apply(db: &DatabaseTransaction) -> Result<(), DbErr> {
    db.execute_unprepared(SQL).await.map(drop)
}

#[cfg(test)]
mod tests {
    use sea_orm::{EntityTrait, QueryOrder};

    use super::super::{ALL, apply as migrate, begin};
    use crate::tables::session_person::{Column, Entity};

    #[tokio::test]
    async fn every_account_of_every_list_gets_its_row() {
        let db = sea_orm::Database::connect("sqlite::memory:").await.unwrap();
        let transaction = begin(&db).await.unwrap();
        migrate(&transaction, &ALL[..1]).await.unwrap();
        for (session, people) in [("a", ",4,,6,"), ("b", ""), ("c", ",4,"), ("d", ",12,,13,,4,")] {
            let columns = "incident, number, subject, kind, customer, owner, owner_name, team, started, ended, ending, \
                joined, waited, handled, messages, files, transfers, holds, held, people_by_role";
            let values = "1, '', '', '', '', 1, '', '', 0, 0, '', 0, 0, 0, 0, 0, 0, 0, 0, 1";
            let sql =
                format!("INSERT INTO past (session, people, {columns}) VALUES ('{session}', '{people}', {values})");
            sea_orm::ConnectionTrait::execute_unprepared(&transaction, &sql).await.unwrap();
        }
        migrate(&transaction, &ALL[1..2]).await.unwrap();
        let rows = Entity::find().order_by_asc(Column::Session).order_by_asc(Column::User).all(&transaction).await;
        let rows: Vec<_> = rows.unwrap().into_iter().map(|row| (row.session, row.user)).collect();
        let expected = [("a", 4), ("a", 6), ("c", 4), ("d", 4), ("d", 12), ("d", 13)];
        assert_eq!(rows, expected.map(|(session, user)| (session.to_owned(), user)));
    }
}
