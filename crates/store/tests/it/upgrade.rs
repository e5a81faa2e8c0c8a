//! Databases of earlier versions: nothing is lost, and everything works.

use std::{collections::BTreeMap, fs, path::Path};

use platform::text::fold::fold;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, DatabaseConnection, EntityTrait, QueryFilter, QuerySelect,
    Statement,
};
use store::{
    holds,
    secrets::{Place, Secrets},
    tables::*,
    teams,
    transcript_fts::Search,
};

use crate::fixture::{
    BEFORE, OLDER, as_it_is, columns, every_entity, files, folder, rows, rows_with_names, tables, texts,
};

/// The session of the fixtures that is over.
const OVER: &str = "51515151515151515151515151515151";

/// Every row as it was stored, by table, with the columns of that version.
async fn everything(path: &Path) -> BTreeMap<String, (Vec<String>, Vec<String>)> {
    let db = as_it_is(path).await;
    let mut all = BTreeMap::new();
    for table in tables(&db).await {
        let columns = columns(&db, &table).await;
        let rows = rows(&db, &table, &columns).await;
        all.insert(table, (columns, rows));
    }
    db.close().await.unwrap();
    all
}

#[tokio::test]
async fn every_row_of_the_version_before_is_there() {
    for (sql, count) in [(BEFORE, 24), (OLDER, 15)] {
        let (_folder, path) = folder(sql).await;
        let before = everything(&path).await;
        assert_eq!(before.len(), count);
        store::open(&path).await.unwrap().close().await.unwrap();
        let db = as_it_is(&path).await;
        for (table, (columns, stored)) in before {
            assert!(!stored.is_empty(), "{table}");
            // A column that a migration drops is tested with that migration.
            let stays = self::columns(&db, &table).await;
            if columns.iter().all(|column| stays.contains(column)) {
                assert_eq!(rows_with_names(&db, &table, &columns).await, stored, "{table}");
            } else {
                assert_eq!((table.as_str(), rows(&db, &table, &stays).await.len()), ("past", stored.len()));
            }
        }
        let helped = session_person::Entity::find().all(&db).await.unwrap();
        let helped: Vec<_> = helped.iter().map(|row| (row.session.as_str(), row.user)).collect();
        assert_eq!(helped, [(OVER, 2)]);
    }
}

#[tokio::test]
async fn teams_are_referred_to_by_number() {
    for sql in [BEFORE, OLDER] {
        let (_folder, path) = folder(sql).await;
        let db = store::open(&path).await.unwrap();
        let first = teams::named(&db, "First line").await.unwrap().unwrap();
        assert_eq!(first.code_name, "first_line");
        let tom = user::Entity::find_by_id(2).one(&db).await.unwrap().unwrap();
        let printer = incident::Entity::find_by_id(1).one(&db).await.unwrap().unwrap();
        let past = session_history::Entity::find_by_id(OVER).one(&db).await.unwrap().unwrap();
        let restart = message_template::Entity::find_by_id(2).one(&db).await.unwrap().unwrap();
        assert_eq!([tom.team, printer.team, past.team, restart.team], [Some(first.id); 4]);
        let greeting = message_template::Entity::find_by_id(1).one(&db).await.unwrap().unwrap();
        assert_eq!(greeting.team, None);
    }
}

#[tokio::test]
async fn every_row_is_read_through_its_entity() {
    let (_folder, path) = folder(BEFORE).await;
    let db = store::open(&path).await.unwrap();
    macro_rules! read_all {
        ($($entity:ident),*) => {
            $(assert!(!$entity::Entity::find().all(&db).await.unwrap().is_empty(), stringify!($entity));)*
        };
    }
    every_entity!(read_all);
    let tom = user::Entity::find_by_id(2).one(&db).await.unwrap().unwrap();
    assert_eq!((tom.login.as_str(), tom.role, tom.totp_step, tom.reach.as_str()), ("tom", 1, 59_766_700, "team"));
    for row in event_row::Entity::find().all(&db).await.unwrap() {
        serde_json::from_str::<protocol::Event>(&row.body).unwrap();
    }
}

#[tokio::test]
async fn an_older_database_gets_the_columns_that_came_later() {
    let (_folder, path) = folder(OLDER).await;
    let db = store::open(&path).await.unwrap();
    let mara = user::Entity::find_by_id(1).one(&db).await.unwrap().unwrap();
    assert_eq!((mara.may_watch, mara.may_export, mara.reach.as_str(), mara.role), (true, false, "team", 0));
    assert_eq!((mara.totp.as_str(), mara.totp_step, mara.email_language), ("", 0, None));
    let ada = customer::Entity::find_by_id(1).one(&db).await.unwrap().unwrap();
    assert_eq!(ada.address.as_deref(), Some("ada@xn--bcher-kva.example"));
    let vpn = incident::Entity::find_by_id(3).one(&db).await.unwrap().unwrap();
    assert_eq!((vpn.kind.as_str(), vpn.desk, vpn.updated), ("", IncidentSource::BuiltIn, 1_793_013_600_000));
    let past = session_history::Entity::find_by_id(OVER).one(&db).await.unwrap().unwrap();
    assert!(!past.people_by_role);
    assert!(receiver::Entity::find().all(&db).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_was_stored_before_is_found() {
    for sql in [BEFORE, OLDER] {
        let (_folder, path) = folder(sql).await;
        let db = store::open(&path).await.unwrap();
        for (word, found) in [("LÖWENSTEIN", 1), ("sohne", 1), ("蓝天", 2), ("o'neil", 3)] {
            let rows = customer::Entity::find().filter(holds(customer::Column::Search, &fold(word)));
            assert_eq!(ids(rows.select_only().column(customer::Column::Id), &db).await, [found], "{word}");
        }
        for (word, found) in [("strasse", 1), ("GRÖSSE", 1), ("打印", 2), ("50%", 3)] {
            let rows = incident::Entity::find().filter(holds(incident::Column::Search, &fold(word)));
            assert_eq!(ids(rows.select_only().column(incident::Column::Id), &db).await, [found], "{word}");
        }
        let visible = Statement::from_string(db.get_database_backend(), "SELECT id FROM session");
        for (typed, who) in [("buro druck", "Ada Löwenstein"), ("screen quick", "Tom Becker")] {
            let found = Search::new(typed).unwrap().find(&db, &visible, 9).await.unwrap();
            assert_eq!(found.len(), 1, "{typed}");
            assert_eq!((found[0].session.as_str(), found[0].who.as_str()), (OVER, who));
        }
    }
}

async fn ids(rows: sea_orm::Select<impl EntityTrait>, db: &DatabaseConnection) -> Vec<i32> {
    rows.into_tuple().all(db).await.unwrap()
}

#[tokio::test]
async fn opening_twice_changes_nothing() {
    for sql in [BEFORE, OLDER] {
        let (folder, path) = folder(sql).await;
        store::open(&path).await.unwrap().close().await.unwrap();
        let once = files(folder.path());
        store::open(&path).await.unwrap().close().await.unwrap();
        assert!(files(folder.path()) == once);
    }
}

#[tokio::test]
async fn a_database_says_its_version() {
    let (_folder, path) = folder(BEFORE).await;
    let db = store::open(&path).await.unwrap();
    let version = texts(&db, "SELECT CAST(MAX(number) AS TEXT) FROM schema_version").await;
    assert_eq!(version, [store::SCHEMA_VERSION.to_string()]);
}

#[tokio::test]
async fn numbers_of_rows_go_on_and_nothing_is_entered_twice() {
    for sql in [BEFORE, OLDER] {
        let (_folder, path) = folder(sql).await;
        let db = store::open(&path).await.unwrap();
        customer::Entity::delete_by_id(3).exec(&db).await.unwrap();
        let text = |text: &str| Set(text.to_owned());
        let row = customer::ActiveModel {
            name: text("Dana"),
            email: text("d@e.example"),
            company: text(""),
            ..Default::default()
        };
        assert_eq!(row.insert(&db).await.unwrap().id, 4);
        let again = format!("INSERT INTO event (session, seq, at, body, hash) VALUES ('{OVER}', 1, 0, '', '')");
        assert!(db.execute_unprepared(&again).await.is_err());
    }
}

#[tokio::test]
async fn sealed_secrets_open_with_the_same_key() {
    let (folder, path) = folder(BEFORE).await;
    let db = store::open(&path).await.unwrap();
    let vault = folder.path().join("vault.key");
    fs::write(&vault, [7; 32]).unwrap();
    let secrets = Secrets::open(&vault).unwrap();
    let tom = user::Entity::find_by_id(2).one(&db).await.unwrap().unwrap();
    assert_eq!(secrets.unseal(Place::Totp(2), &tom.totp).unwrap(), "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP");
    let desk = receiver::Entity::find_by_id(1).one(&db).await.unwrap().unwrap();
    assert_eq!(secrets.unseal(Place::Receiver(1), &desk.secret).unwrap(), "1-14-4f6c1d2b3a");
}

#[tokio::test]
async fn passwords_still_fit() {
    for sql in [BEFORE, OLDER] {
        let (_folder, path) = folder(sql).await;
        let db = store::open(&path).await.unwrap();
        let passwords = platform::passwords::Passwords::new().unwrap();
        let mara = user::Entity::find_by_id(1).one(&db).await.unwrap().unwrap();
        assert!(passwords.fits("mara before the upgrade".into(), Some(mara.password)).await.unwrap());
    }
}
