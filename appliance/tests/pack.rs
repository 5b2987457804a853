//! `caudal pack`: a pack is added to a running node, again, and in another version.

mod process;

use std::path::Path;
use std::process::Output;

use process::{Caudal, caudal, text};

fn add(node: &Caudal, pack: &str) -> Output {
    caudal().args(["pack", "add", pack, "--pg", &node.doors["pg"]]).output().unwrap()
}

/// What adding a pack prints, which must be a success.
fn added(node: &Caudal, pack: &str) -> String {
    let output = add(node, pack);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn energy_is_built_in_and_answers_its_specification() {
    let dir = tempfile::tempdir().unwrap();
    let node = Caudal::run(&dir.path().join("data"));
    let list = || text(&caudal().args(["pack", "list", "--pg", &node.doors["pg"]]).output().unwrap().stdout);
    assert!(list().contains("energy") && !list().contains("added energy"));
    assert!(added(&node, "energy").ends_with("comments\n"));
    assert_eq!(added(&node, "energy"), "energy 1 is there already\n");
    assert!(list().lines().any(|line| line.contains("energy") && line.matches(" 1 ").count() == 2), "{}", list());
    assert_eq!(node.rows("SELECT pack, version FROM caudal.schemas"), [["energy", "1"]]);
    let check = caudal().args(["pack", "check", "energy"]).output().unwrap();
    assert!(check.status.success(), "{}", text(&check.stderr));
    let told = text(&check.stdout);
    assert!(told.contains("Alert: meter offline\n    energy.meter_offline: Meters that have sent nothing"), "{told}");
    assert!(told.contains("left out: the second half"), "{told}");
}

#[test]
fn a_pack_in_a_folder_grows_and_its_views_become_others() {
    let dir = tempfile::tempdir().unwrap();
    let node = Caudal::run(&dir.path().join("data"));
    let folder = dir.path().join("cold");
    std::fs::create_dir(&folder).unwrap();
    let write = |path: &str, text: &str| std::fs::write(folder.join(path), text).unwrap();
    let pack = folder.to_str().unwrap().to_owned();
    let toml = |version: u32| {
        format!(
            "name = \"cold\"\nversion = \"{version}\"\nschema = \"cold\"\nabout = \"A cold room\"\nfiles = [\"all.sql\"]\n"
        )
    };
    write("spec.toml", "[[sentence]]\nsays = \"It is cold\"\nby = [\"cold.warm\"]\n");
    let table = "CREATE TABLE cold.room (room TEXT, at TIMESTAMPTZ, celsius NUMERIC(5, 2), PRIMARY KEY (room, at));\n";
    let views = |limit: i32| {
        format!(
            "-- Limits.\nCREATE MATERIALIZED VIEW cold.warmest AS SELECT room, max(celsius) AS celsius FROM cold.room GROUP BY room;
             CREATE MATERIALIZED VIEW cold.warm WITH (alert = 'critical') AS SELECT room, celsius FROM cold.warmest WHERE celsius > {limit};
             CREATE VIEW cold.names AS SELECT room FROM cold.warm;
             COMMENT ON MATERIALIZED VIEW cold.warm IS 'Rooms above {limit}';"
        )
    };
    write("pack.toml", &toml(1));
    write("all.sql", &(table.to_owned() + &views(5)));
    added(&node, &pack);
    node.execute("INSERT INTO cold.room VALUES ('a', '2026-01-01 00:00:00Z', 7), ('b', '2026-01-01 00:00:00Z', 9)");
    assert_eq!(node.rows("SELECT room FROM cold.names ORDER BY 1"), [["a"], ["b"]]);

    // A view that others read is another; a column more; what is the same stays.
    write("pack.toml", &toml(2));
    write(
        "all.sql",
        &(table.replace("celsius NUMERIC(5, 2)", "celsius NUMERIC(5, 2), door TEXT DEFAULT 'shut'") + &views(8)),
    );
    let told = added(&node, &pack);
    assert!(told.contains("ADD COLUMN") && told.contains("cold.warm") && !told.contains("VIEW cold.warmest"), "{told}");
    assert_eq!(node.rows("SELECT room FROM cold.names"), [["b"]]);
    assert_eq!(node.rows("SELECT door FROM cold.room WHERE room = 'a'"), [["shut"]]);
    assert_eq!(node.rows("SELECT obj_description('cold.warm'::regclass, 'pg_class')"), [["Rooms above 8"]]);
    assert_eq!(node.rows("SELECT version FROM caudal.schemas"), [["2"]]);
    assert_eq!(added(&node, &pack), "cold 2 is there already\n");

    // A view of one's own is in the way, and is named before anything is dropped.
    node.execute("CREATE MATERIALIZED VIEW mine AS SELECT count(*) AS n FROM cold.warm");
    write("all.sql", &(table.to_owned() + &views(3)));
    let refused = add(&node, &pack);
    assert!(!refused.status.success() && text(&refused.stderr).contains("mine"), "{}", text(&refused.stderr));
    assert_eq!(node.rows("SELECT n FROM mine"), [["1"]]);
    node.execute("DROP MATERIALIZED VIEW mine");
    added(&node, &pack);
    assert_eq!(node.rows("SELECT room FROM cold.names ORDER BY 1"), [["a"], ["b"]]);
}

#[test]
fn what_is_no_pack_is_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let node = Caudal::run(&dir.path().join("data"));
    let says = |pack: &str, words: &str| {
        let output = add(&node, pack);
        assert!(!output.status.success() && text(&output.stderr).contains(words), "{pack}: {}", text(&output.stderr));
    };
    says("nothing", "neither a pack that is built in (energy) nor a folder");
    let folder = |sql: &str| {
        let path = dir.path().join("bad");
        std::fs::create_dir_all(&path).unwrap();
        let toml = "name = \"bad\"\nversion = \"1\"\nschema = \"bad\"\nabout = \"\"\nfiles = [\"a.sql\"]\n";
        std::fs::write(path.join("pack.toml"), toml).unwrap();
        std::fs::write(path.join("spec.toml"), "sentence = []").unwrap();
        std::fs::write(path.join("a.sql"), sql).unwrap();
        path.to_str().unwrap().to_owned()
    };
    says(Path::new(&dir.path().join("data")).to_str().unwrap(), "pack.toml cannot be read");
    says(&folder("DROP TABLE bad.t"), "a pack is made of");
    says(&folder("CREATE TABLE t (a INT PRIMARY KEY)"), "not in the pack's schema bad");
    says(&folder("CREATE TABLE bad.t (a INT"), "a.sql: ");
    says(
        &folder("CREATE TABLE bad.t (a INT PRIMARY KEY); CREATE VIEW bad.v AS SELECT b FROM bad.t"),
        "add it again to go on",
    );
    assert_eq!(node.rows("SELECT name, pack FROM caudal.schemas"), [["bad", ""]], "what is there in part says so");
}
