//! The migrations make what the entities describe. Whoever changes an entity adds a migration.

use std::{collections::BTreeSet, path::Path};

use sea_orm::{ConnectionTrait, Database, DatabaseConnection, EntityName, EntityTrait, Schema};
use store::tables::*;

use crate::fixture::{BEFORE, OLDER, every_entity, folder, query, tables, texts};

/// Unique over these columns by a migration alone: no entity can say so.
const UNIQUE_BY_MIGRATION: [(&str, &str); 1] = [("event", "session,seq")];

/// What a table is, but for the order of its columns and their defaults: a column that was added later stands last and
/// has a default for older rows.
#[derive(Debug, PartialEq, Eq)]
struct Table {
    /// Name, type, whether it may be missing, place in the primary key.
    columns: BTreeSet<(String, String, bool, i32)>,
    unique: BTreeSet<String>,
    foreign_keys: BTreeSet<String>,
    /// Whether numbers of rows that are gone are never given again.
    autoincrement: bool,
}

/// Two types that SQLite keeps alike: earlier versions called large numbers `bigint`.
fn as_kept(kind: &str) -> String {
    let kind = kind.to_lowercase();
    if kind == "bigint" { "integer".into() } else { kind }
}

async fn table(db: &DatabaseConnection, name: &str) -> Table {
    let sql = format!("SELECT name, type, \"notnull\", pk FROM pragma_table_info('{name}')");
    let columns = query(db, &sql).await.into_iter().map(|row| {
        let text = |column| row.try_get::<String>("", column).unwrap();
        let number = |column| row.try_get::<i32>("", column).unwrap();
        (text("name"), as_kept(&text("type")), number("notnull") == 0, number("pk"))
    });
    let columns = columns.collect();
    let unique = format!(
        "SELECT (SELECT group_concat(name) FROM pragma_index_info(i.name)) FROM pragma_index_list('{name}') i \
         WHERE \"unique\" AND origin <> 'pk'"
    );
    let foreign =
        format!("SELECT \"from\" || ' ' || \"table\" || '.' || \"to\" FROM pragma_foreign_key_list('{name}')");
    let sql = format!("SELECT sql FROM sqlite_master WHERE name = '{name}'");
    Table {
        columns,
        unique: texts(db, &unique).await.into_iter().collect(),
        foreign_keys: texts(db, &foreign).await.into_iter().collect(),
        autoincrement: texts(db, &sql).await.concat().contains("AUTOINCREMENT"),
    }
}

/// A database with the tables that the entities describe.
async fn by_entities() -> (DatabaseConnection, usize) {
    async fn create(db: &DatabaseConnection, entity: impl EntityTrait) {
        db.execute(&Schema::new(db.get_database_backend()).create_table_from_entity(entity)).await.unwrap();
        for index in Schema::new(db.get_database_backend()).create_index_from_entity(entity) {
            db.execute(&index).await.unwrap();
        }
    }
    let db = Database::connect("sqlite::memory:").await.unwrap();
    macro_rules! create_all {
        ($($entity:ident),*) => {{
            $(create(&db, $entity::Entity).await;)*
            [$($entity::Entity.table_name()),*].len()
        }};
    }
    let count = every_entity!(create_all);
    (db, count)
}

async fn check(path: &Path) {
    let (made, expected) = (store::open(path).await.unwrap(), by_entities().await.0);
    let names = tables(&made).await;
    let own = ["schema_version", "transcript_fts"];
    let described: Vec<_> = names.iter().filter(|name| !own.contains(&name.as_str())).collect();
    assert_eq!(described, tables(&expected).await.iter().collect::<Vec<_>>(), "tables");
    for name in described {
        let mut expected = table(&expected, name).await;
        let by_migration = UNIQUE_BY_MIGRATION.iter().filter(|(table, _)| table == name);
        expected.unique.extend(by_migration.map(|(_, columns)| (*columns).to_owned()));
        let made = table(&made, name).await;
        let columns: Vec<_> = made.columns.symmetric_difference(&expected.columns).collect();
        assert!(columns.is_empty(), "{name}: a changed entity needs a migration: {columns:?}");
        assert_eq!(made, expected, "{name}: a changed entity needs a migration");
    }
}

#[tokio::test]
async fn a_new_database_is_what_the_entities_describe() {
    let folder = tempfile::tempdir().unwrap();
    check(&folder.path().join("new.sqlite")).await;
}

#[tokio::test]
async fn databases_of_earlier_versions_become_what_the_entities_describe() {
    for sql in [BEFORE, OLDER] {
        let (_folder, path) = folder(sql).await;
        check(&path).await;
    }
}

#[tokio::test]
async fn every_entity_is_compared() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tables");
    let sources = std::fs::read_dir(folder).unwrap().map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    let declared: usize = sources.map(|source| source.matches("DeriveEntityModel").count()).sum();
    assert_eq!(by_entities().await.1, declared, "a new entity goes into the list of fixture.rs");
}
