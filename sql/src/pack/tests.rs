//! What is done for a pack to be there, worked out from what is.

use super::*;
use crate::catalog::PackVersion;

const TOML: &str = "name = \"cold\"\nversion = \"2\"\nschema = \"cold\"\nabout = \"\"\nfiles = [\"all.sql\"]";

const SQL: &str = "-- What doors say.
    CREATE TABLE cold.door (room TEXT, at TIMESTAMPTZ, open BOOLEAN NOT NULL DEFAULT false, PRIMARY KEY (room, at));
    COMMENT ON COLUMN cold.door.open IS 'Whether it is open';
    CREATE MATERIALIZED VIEW cold.last AS SELECT room, max(at) AS at FROM cold.door GROUP BY room;
    CREATE VIEW cold.names AS SELECT room FROM cold.last;
    CREATE VIEW cold.other AS SELECT 1 AS one";

fn pack() -> Pack {
    Pack::of(&|path| {
        Ok(match path {
            "pack.toml" => TOML,
            "spec.toml" => "sentence = []",
            _ => SQL,
        }
        .to_owned())
    })
    .unwrap()
}

/// What there is once all of the pack has been made.
fn made() -> Present {
    let version = PackVersion { name: "cold".to_owned(), version: "2".to_owned() };
    let mut present = Present { schemas: [("cold".to_owned(), Some(version))].into(), ..Present::default() };
    for statement in pack().statements {
        let relation = |sql: &str| PresentRelation { sql: sql.to_owned(), ..PresentRelation::default() };
        match statement.made {
            Made::Table { name, columns } => {
                let columns = columns.into_iter().map(|column| (column.name, None)).collect();
                present.relations.insert(name, PresentRelation { columns, ..relation(&statement.sql) });
            }
            Made::View { name, reads, .. } => {
                present.relations.insert(name, PresentRelation { reads, ..relation(&statement.sql) });
            }
            Made::Comment { relation, column, text } => {
                let columns = &mut present.relations.get_mut(&relation).unwrap().columns;
                columns.insert(column.unwrap(), Some(text));
            }
        }
    }
    present
}

fn begins(steps: &[String], words: &[&str]) {
    assert!(
        steps.len() == words.len() && steps.iter().zip(words).all(|(step, words)| step.starts_with(words)),
        "{steps:#?}"
    );
}

const PACKED: &str = "ALTER SCHEMA \"cold\" SET OPTIONS (pack = 'cold', version = '2')";

#[test]
fn what_is_missing_is_made_in_order_and_then_nothing() {
    let steps = pack().steps(&Present::default()).unwrap();
    let made_of =
        ["CREATE SCHEMA", "CREATE TABLE", "COMMENT", "CREATE MATERIALIZED", "CREATE VIEW", "CREATE VIEW", PACKED];
    begins(&steps, &made_of);
    assert_eq!(pack().steps(&made()).unwrap(), Vec::<String>::new());
    let mut broken_off = made();
    broken_off.schemas.insert("cold".to_owned(), None);
    broken_off.relations.remove("cold.other");
    begins(&pack().steps(&broken_off).unwrap(), &["CREATE VIEW cold.other", PACKED]);
}

#[test]
fn what_is_another_is_replaced_with_what_reads_it() {
    let mut present = made();
    present.relations.get_mut("cold.last").unwrap().sql =
        "CREATE MATERIALIZED VIEW cold.last AS SELECT 1 AS room".to_owned();
    present.relations.get_mut("cold.door").unwrap().columns.remove("open");
    let words = [
        "DROP VIEW \"cold\".\"names\"",
        "DROP MATERIALIZED VIEW \"cold\".\"last\"",
        "ALTER TABLE \"cold\".\"door\" ADD COLUMN open BOOLEAN NOT NULL DEFAULT false",
        "COMMENT ON COLUMN cold.door.open",
        "CREATE MATERIALIZED VIEW cold.last",
        "CREATE VIEW cold.names",
        PACKED,
    ];
    begins(&pack().steps(&present).unwrap(), &words);
    // One that nobody reads answers until the new one does.
    let mut present = made();
    present.relations.get_mut("cold.names").unwrap().sql =
        "CREATE OR REPLACE VIEW cold.names AS SELECT 1 AS room".to_owned();
    begins(&pack().steps(&present).unwrap(), &["CREATE OR REPLACE VIEW cold.names AS SELECT room", PACKED]);
}

#[test]
fn what_is_not_the_packs_is_left_alone() {
    let mut present = made();
    present.relations.get_mut("cold.last").unwrap().sql = "another".to_owned();
    let mine = PresentRelation { reads: ["cold.names".to_owned()].into(), ..PresentRelation::default() };
    present.relations.insert("mine".to_owned(), mine);
    let refused = pack().steps(&present).unwrap_err();
    assert!(refused.0.contains("view mine reads cold.names"), "{refused}");
    let warm = PackVersion { name: "warm".to_owned(), version: "1".to_owned() };
    let schemas = [("cold".to_owned(), Some(warm))].into();
    let refused = pack().steps(&Present { schemas, ..Present::default() }).unwrap_err();
    assert!(refused.0.contains("pack warm"), "{refused}");
}

#[test]
fn the_packs_that_are_built_in_are_well() {
    for name in Pack::builtin_names() {
        let pack = Pack::builtin(name).unwrap().unwrap();
        assert_eq!((pack.manifest.name.as_str(), pack.faults()), (name, vec![]));
    }
}
