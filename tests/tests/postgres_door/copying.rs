//! COPY .. FROM STDIN and TO STDOUT.

use bytes::Bytes;
use futures::{SinkExt, StreamExt, TryStreamExt};
use tests::node::Node;
use tokio::sync::mpsc;
use tokio_postgres::binary_copy::{BinaryCopyInWriter, BinaryCopyOutRow, BinaryCopyOutStream};
use tokio_postgres::error::DbError;
use tokio_postgres::types::Type;
use tokio_postgres::{AsyncMessage, Client, NoTls};

/// A client, and the notices that it gets.
async fn connect(node: &Node) -> (Client, mpsc::UnboundedReceiver<DbError>) {
    let (client, mut connection) = node.settings().connect(NoTls).await.unwrap();
    let (told, notices) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut messages = futures::stream::poll_fn(move |cx| connection.poll_message(cx));
        while let Some(Ok(message)) = messages.next().await {
            if let AsyncMessage::Notice(notice) = message {
                let _ = told.send(notice);
            }
        }
    });
    (client, notices)
}

async fn copy(client: &Client, statement: &str, data: &[&str]) -> Result<u64, tokio_postgres::Error> {
    let sink = client.copy_in::<_, Bytes>(statement).await?;
    let mut sink = std::pin::pin!(sink);
    for piece in data {
        sink.send(Bytes::copy_from_slice(piece.as_bytes())).await?;
    }
    sink.finish().await
}

#[tokio::test]
async fn arrays_are_copied_in_as_they_are_written() {
    let node = Node::start().await;
    let (client, _notices) = connect(&node).await;
    client.simple_query("CREATE TABLE item (id int PRIMARY KEY, tags text[], sizes numeric(6, 2)[])").await.unwrap();
    let data = &["1\t{a,\"b c\",NULL}\t{1.5,2}\n", "2\t{}\t\\N\n", "3\ta,b\t{1}\n"];
    assert_eq!(copy(&client, "COPY item FROM STDIN", data).await.unwrap(), 2);
    let rows = client.query("SELECT tags, sizes::text FROM item ORDER BY id", &[]).await.unwrap();
    let rows: Vec<(Vec<Option<&str>>, Option<&str>)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(rows, [(vec![Some("a"), Some("b c"), None], Some("{1.50,2.00}")), (vec![], None)]);
    let reason = client.query_one("SELECT reason FROM caudal.quarantine", &[]).await.unwrap();
    assert!(reason.get::<_, &str>(0).contains("column tags: expected an array"));
    node.stop().await;
}

#[tokio::test]
async fn rows_are_copied_in_and_what_became_of_them_is_told() {
    let node = Node::start().await;
    let (client, mut notices) = connect(&node).await;
    client.simple_query("CREATE TABLE item (id int PRIMARY KEY, name text)").await.unwrap();
    let copied = copy(&client, "COPY item FROM STDIN", &["1\ton", "e\n2\t\\N\n", "3\tthr\\tee\n"]).await;
    assert_eq!(copied.unwrap(), 3);
    let told: serde_json::Value = serde_json::from_str(notices.recv().await.unwrap().detail().unwrap()).unwrap();
    let expected = serde_json::json!({"taken": 3, "corrected": 0, "unchanged": 0, "deleted": 0, "quarantined": {}});
    assert_eq!(told, expected);

    let csv = "COPY item (name, id) FROM STDIN WITH (FORMAT csv, HEADER)";
    let copied = copy(&client, csv, &["name,id\n\"o,ne\",1\n,2\n", "four,4\nfive,many\n"]).await;
    assert_eq!(copied.unwrap(), 3);
    let told: serde_json::Value = serde_json::from_str(notices.recv().await.unwrap().detail().unwrap()).unwrap();
    assert_eq!((&told["taken"], &told["corrected"], &told["unchanged"]), (&1.into(), &1.into(), &1.into()), "{told}");
    let quarantined: u64 = told["quarantined"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(quarantined, 1, "{told}");
    let rows = client.query("SELECT id, name FROM item ORDER BY id", &[]).await.unwrap();
    let rows: Vec<(i32, Option<&str>)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(rows, [(1, Some("o,ne")), (2, None), (3, Some("thr\tee")), (4, Some("four"))]);
    node.stop().await;
}

#[tokio::test]
async fn rows_in_binary_go_both_ways_with_the_driver_of_rust() {
    let node = Node::start().await;
    let (client, mut notices) = connect(&node).await;
    client.simple_query("CREATE TABLE item (id int PRIMARY KEY, name text)").await.unwrap();
    let types = [Type::INT4, Type::TEXT];
    let sink = client.copy_in("COPY item FROM STDIN (FORMAT binary)").await.unwrap();
    let mut writer = std::pin::pin!(BinaryCopyInWriter::new(sink, &types));
    writer.as_mut().write(&[&1_i32, &Some("one")]).await.unwrap();
    writer.as_mut().write(&[&2_i32, &None::<&str>]).await.unwrap();
    assert_eq!(writer.as_mut().finish().await.unwrap(), 2);
    let told = notices.recv().await.unwrap();
    assert_eq!(told.message(), "2 taken, 0 corrected, 0 unchanged");
    for (above, expected) in [(0, vec![(1, Some("one".to_owned())), (2, None)]), (2, vec![])] {
        let copy = format!("COPY (SELECT id, name FROM item WHERE id > {above} ORDER BY id) TO STDOUT (FORMAT binary)");
        let rows = BinaryCopyOutStream::new(client.copy_out(&copy).await.unwrap(), &types);
        let rows: Vec<BinaryCopyOutRow> = rows.try_collect().await.unwrap();
        let rows: Vec<(i32, Option<String>)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        assert_eq!(rows, expected);
    }
    node.stop().await;
}

#[tokio::test]
async fn data_that_is_not_rows_is_refused_with_its_row_and_the_session_goes_on() {
    let node = Node::start().await;
    let (client, _notices) = connect(&node).await;
    client.simple_query("CREATE TABLE item (id int PRIMARY KEY, name text)").await.unwrap();
    let error = copy(&client, "COPY item FROM STDIN", &["1\tone\n2\n"]).await.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!((error.code().code(), error.detail()), ("22P04", Some("row 2 of the data")));
    assert_eq!(error.message(), "missing data for column \"name\"");
    client.simple_query("SELECT 1").await.unwrap();
    assert_eq!(copy(&client, "COPY item FROM STDIN", &["1\tone\n"]).await.unwrap(), 1);
    node.stop().await;
}
