//! A script in Python, asked of a node and of a real PostgreSQL.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::clients;
use crate::node::Node;
use crate::postgresql::PostgreSql;
use crate::skip;

/// What a script tells in JSON of the database `caudal` of each: the node's, and PostgreSQL's. It is given `before`, and then
/// the address, the port and the password. `None`, said, where there is no Python for it.
pub async fn told(script: &Path, before: &[&Path], node: &Node, postgresql: &PostgreSql) -> Option<(Value, Value)> {
    let python = match tokio::task::spawn_blocking(clients::python).await.expect("it does not panic") {
        Ok(python) => python,
        Err(why) => {
            skip(why);
            return None;
        }
    };
    let run = async |host: &Path, port: u16, password: &str| -> Value {
        let mut command = Command::new(&python);
        command.arg(script).args(before).arg(host).arg(port.to_string()).arg(password);
        let output = tokio::task::spawn_blocking(move || command.output()).await.expect("it does not panic");
        let output = output.expect("Python is there");
        assert!(output.status.success(), "{}: {}", script.display(), String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("a script tells in JSON")
    };
    let (socket, port) = postgresql.place();
    let expected = run(socket, port, "none").await;
    Some((run(Path::new("127.0.0.1"), node.postgres.port(), "caudal").await, expected))
}
