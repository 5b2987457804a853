//! psql, PostgreSQL's own client, where it is installed.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use tests::node::Node;

/// Runs psql with a script; `None` where there is none.
async fn psql(node: &Node, script: &str) -> Option<Output> {
    let mut command = Command::new("psql");
    command.args(["--no-psqlrc", "--set=VERBOSITY=verbose", "--file=-"]);
    command.arg(format!("postgresql://caudal:caudal@127.0.0.1:{}/caudal", node.postgres.port()));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        eprintln!("skipped: psql is not installed");
        return None;
    };
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    Some(tokio::task::spawn_blocking(|| child.wait_with_output().unwrap()).await.unwrap())
}

#[tokio::test]
async fn psql_creates_fills_and_reads() {
    let node = Node::start().await;
    let script = "CREATE TABLE item (id int PRIMARY KEY, price numeric(8, 2));\n\
         INSERT INTO item VALUES (1, 0.5), (2, NULL);\n\
         COPY item FROM STDIN WITH (FORMAT csv);\n3,12\n\\.\n\
         SELECT * FROM item ORDER BY id;\n\
         SELECT nonsense;\n";
    if let Some(output) = psql(&node, script).await {
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        let expected = "CREATE TABLE\nINSERT 0 2\nCOPY 1\n id | price \n----+-------\n  1 |  0.50\n  2 |      \n  3 | 12.00\n(3 rows)\n\n";
        assert_eq!(out, expected, "{err}");
        assert!(err.contains("ERROR:  42703:"), "{err}");
        assert!(err.contains("NOTICE:  00000: 1 taken, 0 corrected, 0 unchanged"), "{err}");
    }
    node.stop().await;
}
