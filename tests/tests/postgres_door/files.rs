//! No statement reads or writes a file of the server, or runs anything there, whoever asks.

use tests::node::Node;

/// Each way that a database of this kind may have to a file. `{in}` is a file that there is, `{out}` one that there is not.
const DOORS: [&str; 44] = [
    "COPY t FROM '{in}'",
    "COPY t FROM '{in}' WITH (FORMAT csv)",
    "COPY t TO '{out}'",
    "COPY (SELECT 1) TO '{out}'",
    "COPY (SELECT 1) TO '{out}' STORED AS CSV",
    "COPY (SELECT 1) TO '{out}' WITH (FORMAT parquet)",
    "COPY t FROM PROGRAM 'cat {in}'",
    "COPY t TO PROGRAM 'tee {out}'",
    "COPY (SELECT 1) TO PROGRAM 'tee {out}'",
    "COPY (SUBSCRIBE t) TO '{out}'",
    "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '{in}'",
    "CREATE EXTERNAL TABLE x (a text) STORED AS CSV LOCATION '{in}' OPTIONS ('format.has_header' 'true')",
    "CREATE UNBOUNDED EXTERNAL TABLE x (a text) STORED AS CSV LOCATION '{in}'",
    "CREATE TABLE x (a text) LOCATION '{in}'",
    "CREATE TABLE x (a text) WITH (location = '{in}')",
    "CREATE TABLE x (a text) WITH (topic = '../../{out}')",
    "CREATE FOREIGN TABLE x (a text) SERVER s OPTIONS (filename '{in}')",
    "CREATE SERVER s FOREIGN DATA WRAPPER file_fdw",
    "CREATE EXTENSION file_fdw",
    "CREATE FUNCTION f() RETURNS text LANGUAGE c AS '{in}', 'f'",
    "CREATE FUNCTION f() RETURNS text LANGUAGE plpythonu AS 'return open(''{in}'').read()'",
    "LOAD '{in}'",
    "SELECT * FROM '{in}'",
    "SELECT * FROM \"{in}\"",
    "SELECT * FROM \"file://{in}\"",
    "SELECT * FROM read_csv('{in}')",
    "SELECT * FROM read_csv_auto('{in}')",
    "SELECT * FROM read_parquet('{in}')",
    "SELECT * FROM read_json('{in}')",
    "SELECT * FROM read_text('{in}')",
    "SELECT * FROM glob('{in}*')",
    "SELECT * FROM parquet_metadata('{in}')",
    "SELECT * FROM url_table('{in}')",
    "SELECT pg_read_file('{in}')",
    "SELECT pg_read_binary_file('{in}')",
    "SELECT * FROM pg_ls_dir('{in}/..')",
    "SELECT * FROM pg_stat_file('{in}')",
    "SELECT lo_import('{in}')",
    "SELECT lo_export(1, '{out}')",
    "INSERT OVERWRITE DIRECTORY '{out}' SELECT 1",
    "INSERT INTO \"{out}\" VALUES (1)",
    "UNLOAD ('SELECT 1') TO '{out}'",
    "ATTACH DATABASE '{out}' AS x",
    "EXPORT DATABASE '{out}'",
];

#[tokio::test]
async fn no_statement_reaches_a_file_of_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let (there, absent) = (dir.path().join("canary.csv"), dir.path().join("out.csv"));
    std::fs::write(&there, "canary\nsinging\n").unwrap();
    let node = Node::start().await;
    let client = node.connect().await;
    client.batch_execute("CREATE TABLE t (a text); INSERT INTO t VALUES ('x')").await.unwrap();
    for door in DOORS {
        let statement = door.replace("{in}", there.to_str().unwrap()).replace("{out}", absent.to_str().unwrap());
        let views = [format!("CREATE MATERIALIZED VIEW v AS {statement}"), format!("CREATE VIEW v AS {statement}")];
        let explained = [format!("EXPLAIN {statement}"), format!("EXPLAIN ANALYZE {statement}")];
        for tried in std::iter::once(&statement).chain(&views).chain(&explained) {
            let error = client.batch_execute(tried).await.expect_err(tried);
            let told = error.as_db_error().unwrap_or_else(|| panic!("{tried}: {error}"));
            assert!(!told.to_string().contains("singing"), "{tried}: {told}");
        }
        let error = client.prepare(&statement).await;
        let ran = match &error {
            Ok(prepared) => client.query(prepared, &[]).await.map(drop),
            Err(_) => continue,
        };
        assert!(ran.is_err(), "{statement}");
    }
    let files: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, ["canary.csv"], "nothing was written");
    assert_eq!(std::fs::read(&there).unwrap(), b"canary\nsinging\n");
    let rows = client.query("SELECT a FROM t", &[]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>(), ["x"]);
    node.stop().await;
}
