//! The pack on a node whose clock the test sets.

use sql::pack::{Made, Pack, Present};
use tests::clocked::Node;

/// A materialised view of the pack and its query.
pub struct View {
    pub name: String,
    pub query: String,
}

pub fn energy() -> Pack {
    Pack::builtin("energy").expect("it is built in").expect("it is well")
}

/// A node with the pack where it is this time.
pub async fn node(time: &str) -> Node {
    let node = Node::new(time).await;
    for step in energy().steps(&Present::default()).unwrap() {
        node.run(&step).await;
    }
    node
}

/// The pack's materialised views in the order of their making.
pub fn views() -> Vec<View> {
    let mut views = Vec::new();
    for statement in energy().statements {
        if let Made::View { name, materialized: true, .. } = statement.made {
            let (_, query) = statement.sql.split_once(" AS\n").expect("a view's query begins a line");
            views.push(View { name, query: query.to_owned() });
        }
    }
    views
}

/// The rows of a query in a fixed order.
pub async fn sorted(node: &Node, query: &str) -> Vec<String> {
    let rows = node.rows(query).await;
    let mut rows: Vec<String> = rows.split(';').map(str::to_owned).collect();
    rows.sort();
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_has_a_comment_and_the_pack_answers_its_specification() {
    let pack = energy();
    assert_eq!(pack.faults(), Vec::<String>::new());
    let node = node("2026-05-01 08:00:00").await;
    let silent = "SELECT c.relname, a.attname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid WHERE n.nspname = 'energy' AND c.relkind IN ('r', 'v', 'm') AND a.attnum > 0
        AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL)";
    assert_eq!(node.rows(silent).await, "");
    let keyless = "SELECT name FROM caudal.relations WHERE kind = 'materialized view' AND key IS NULL";
    assert_eq!(node.rows(keyless).await, "", "each materialised view can be a resource");
    assert_eq!(
        node.rows("SELECT pack, version FROM caudal.schemas").await,
        format!("energy,{}", pack.manifest.version)
    );
    let nowhere = node.refused("INSERT INTO energy.customers (customer_id, zone) VALUES ('ana', 'Nowhere/None')").await;
    assert!(nowhere.message.contains("zone_is_known") && nowhere.message.contains("Nowhere/None"), "{nowhere:?}");
    node.database.close().await;
}
