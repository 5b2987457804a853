//! Statements and their results.

use std::time::{Duration, UNIX_EPOCH};

use futures::{SinkExt, TryStreamExt};
use tests::node::{Node, make_digits};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::raw::Raw;

const ALL_TYPES: &str = "CREATE TABLE sample (id int PRIMARY KEY, yes boolean, small int, big bigint, double double precision, \
     exact numeric(18, 6), name text, data bytea, day date, local timestamp, moment timestamptz)";

/// The cells of a simple query's last result.
async fn rows(client: &Client, sql: &str) -> Vec<Vec<Option<String>>> {
    let messages = client.simple_query(sql).await.unwrap();
    let cells = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|cell| row.get(cell).map(str::to_owned)).collect()),
        _ => None,
    };
    messages.iter().filter_map(cells).collect()
}

#[tokio::test]
async fn values_of_every_type_go_in_and_come_out_in_binary() {
    let node = Node::start().await;
    let client = node.connect().await;
    client.simple_query(ALL_TYPES).await.unwrap();
    let moment = UNIX_EPOCH + Duration::from_micros(1_767_323_045_678_000);
    let (exact, day) = (Raw(vec![0, 2, 0, 0, 0x40, 0, 0, 6, 0, 12, 0x13, 0x88]), Raw(9498_i32.to_be_bytes().to_vec()));
    let insert =
        client.prepare("INSERT INTO sample VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)").await.unwrap();
    let (double, name, data) = (0.1 + 0.2, "añö \u{1f33b}", vec![0_u8, 255, 92]);
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 11] =
        [&1_i32, &true, &-7_i32, &i64::MIN, &double, &exact, &name, &data, &day, &moment, &moment];
    assert_eq!(client.execute(&insert, &values).await.unwrap(), 1);
    let none: Option<i32> = None;
    client.execute("INSERT INTO sample (id, small) VALUES ($1, $2)", &[&2_i32, &none]).await.unwrap();

    let found = client.query("SELECT * FROM sample WHERE id <= $1 ORDER BY id", &[&2_i32]).await.unwrap();
    let types: Vec<&Type> = found[0].columns().iter().map(|column| column.type_()).collect();
    use Type as T;
    let expected = [
        T::INT4,
        T::BOOL,
        T::INT4,
        T::INT8,
        T::FLOAT8,
        T::NUMERIC,
        T::TEXT,
        T::BYTEA,
        T::DATE,
        T::TIMESTAMP,
        T::TIMESTAMPTZ,
    ];
    assert_eq!(types, expected.iter().collect::<Vec<_>>());
    let row = &found[0];
    assert_eq!((row.get::<_, i32>(0), row.get::<_, bool>(1), row.get::<_, i32>(2)), (1, true, -7));
    assert_eq!((row.get::<_, i64>(3), row.get::<_, f64>(4), row.get::<_, Raw>(5)), (i64::MIN, double, exact));
    assert_eq!((row.get::<_, &str>(6), row.get::<_, Vec<u8>>(7), row.get::<_, Raw>(8)), (name, data, day));
    let (local, at): (std::time::SystemTime, std::time::SystemTime) = (row.get(9), row.get(10));
    assert_eq!((local, at), (moment, moment));
    assert!((1..11).all(|column| found[1].get::<_, Option<Raw>>(column).is_none()), "what was not given is NULL");
    node.stop().await;
}

#[tokio::test]
async fn arrays_go_in_and_come_out_in_binary_and_in_text() {
    let node = Node::start().await;
    let client = node.connect().await;
    let table = "CREATE TABLE device (id int PRIMARY KEY, tags text[], limits bigint[], on_at timestamptz[])";
    client.simple_query(table).await.unwrap();
    let view = "CREATE MATERIALIZED VIEW tagged AS SELECT tag, array_agg(id ORDER BY id DESC) AS ids \
         FROM device, unnest(tags) AS tag GROUP BY tag";
    client.simple_query(view).await.unwrap();
    let moment = UNIX_EPOCH + Duration::from_micros(1_767_323_045_678_000);
    let tags = vec![Some("a b"), None, Some("\"{,}\\")];
    let insert = "INSERT INTO device VALUES ($1, $2, $3, $4)";
    let none: Option<Vec<i64>> = None;
    client.execute(insert, &[&1_i32, &tags, &vec![i64::MIN, 7], &vec![moment]]).await.unwrap();
    client.execute(insert, &[&2_i32, &vec!["a b"], &none, &Vec::<std::time::SystemTime>::new()]).await.unwrap();

    let found = client.query("SELECT * FROM device WHERE $1 = ANY (tags) ORDER BY id", &[&"a b"]).await.unwrap();
    let types: Vec<&Type> = found[0].columns().iter().map(|column| column.type_()).collect();
    assert_eq!(types, [&Type::INT4, &Type::TEXT_ARRAY, &Type::INT8_ARRAY, &Type::TIMESTAMPTZ_ARRAY]);
    assert_eq!(found[0].get::<_, Vec<Option<&str>>>(1), tags);
    assert_eq!(found[0].get::<_, Vec<i64>>(2), [i64::MIN, 7]);
    assert_eq!(found[0].get::<_, Vec<std::time::SystemTime>>(3), [moment]);
    assert_eq!(
        (found[1].get::<_, Option<Vec<i64>>>(2), found[1].get::<_, Vec<std::time::SystemTime>>(3)),
        (none, vec![])
    );
    let sought = client.query("SELECT id FROM device WHERE id = ANY ($1)", &[&vec![2_i32, 9]]).await.unwrap();
    assert_eq!(sought.iter().map(|row| row.get::<_, i32>(0)).collect::<Vec<_>>(), [2]);
    let kept = client.query("SELECT ids FROM tagged WHERE tag = 'a b'", &[]).await.unwrap();
    assert_eq!(kept[0].get::<_, Vec<i32>>(0), [2, 1]);

    client
        .execute("UPDATE device SET tags = tags || $2, limits = '{1,2}' WHERE id = $1", &[&2_i32, &vec!["x"]])
        .await
        .unwrap();
    let shown = client.simple_query("SELECT tags, limits, tags[2] FROM device ORDER BY id").await.unwrap();
    let shown: Vec<Vec<Option<&str>>> = shown
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some((0..3).map(|at| row.get(at)).collect()),
            _ => None,
        })
        .collect();
    let quoted = Some("{\"a b\",NULL,\"\\\"{,}\\\\\"}");
    assert_eq!(
        shown,
        [[quoted, Some("{-9223372036854775808,7}"), None], [Some("{\"a b\",x}"), Some("{1,2}"), Some("x")]]
    );
    let wrong = client.simple_query("INSERT INTO device (id, limits) VALUES (3, '{1,x}')").await.unwrap_err();
    assert_eq!(wrong.code().unwrap().code(), "22P02");
    let nested = client.simple_query("CREATE TABLE grid (id int PRIMARY KEY, cells int[][])").await.unwrap_err();
    assert_eq!(nested.code().unwrap().code(), "0A000");
    node.stop().await;
}

#[tokio::test]
async fn values_of_every_type_are_printed_as_postgresql_prints_them() {
    let node = Node::start().await;
    let client = node.connect().await;
    client.simple_query(ALL_TYPES).await.unwrap();
    let insert = "INSERT INTO sample VALUES (1, true, -7, 9223372036854775807, 'Infinity', -12.5, 'añö', '\\x00ff5c', \
         '2026-01-02', '2026-01-02 03:04:05', '2026-01-02 03:04:05.678Z')";
    client.simple_query(insert).await.unwrap();
    let expected = [
        "1",
        "t",
        "-7",
        "9223372036854775807",
        "Infinity",
        "-12.500000",
        "añö",
        "\\x00ff5c",
        "2026-01-02",
        "2026-01-02 03:04:05",
        "2026-01-02 03:04:05.678+00",
    ];
    assert_eq!(rows(&client, "SELECT * FROM sample").await, [expected.map(|cell| Some(cell.to_owned())).to_vec()]);
    node.stop().await;
}

#[tokio::test]
async fn text_stands_for_bytes_wherever_it_meets_bytea() {
    let node = Node::start().await;
    let client = node.connect().await;
    client.simple_query("CREATE TABLE blob (id int PRIMARY KEY, data bytea)").await.unwrap();
    client.simple_query("CREATE TABLE word (id int PRIMARY KEY, hex text)").await.unwrap();
    client
        .simple_query("CREATE MATERIALIZED VIEW read AS SELECT id, CAST(hex AS bytea) AS data FROM word")
        .await
        .unwrap();
    client.simple_query("INSERT INTO blob VALUES (1, '\\x00ff'), (2, 'a\\000\\\\'), (3, X'00ff')").await.unwrap();
    client.simple_query("INSERT INTO word VALUES (1, '\\xCA fe'), (2, '\\xca0')").await.unwrap();
    client.execute("INSERT INTO blob VALUES (4, CAST($1 AS text)::bytea)", &[&"\\x0102"]).await.unwrap();
    let copied = client.copy_in("COPY blob FROM STDIN").await.unwrap();
    let mut copied = std::pin::pin!(copied);
    copied.send(bytes::Bytes::from_static(b"5\t\\\\x0304\n6\tZm9v\n")).await.unwrap();
    copied.finish().await.unwrap();

    let printed = [("1", "\\x00ff"), ("2", "\\x61005c"), ("3", "\\x00ff"), ("4", "\\x0102"), ("5", "\\x0304")];
    let mut printed: Vec<Vec<Option<String>>> =
        printed.map(|(id, data)| vec![Some(id.to_owned()), Some(data.to_owned())]).to_vec();
    printed.push(vec![Some("6".to_owned()), Some("\\x5a6d3976".to_owned())]);
    assert_eq!(rows(&client, "SELECT * FROM blob ORDER BY id").await, printed);
    assert_eq!(rows(&client, "SELECT id, data::text FROM blob ORDER BY id").await, printed);
    let found =
        rows(&client, "SELECT id FROM blob WHERE data = '\\x00FF' OR data = '\\x01 02'::bytea ORDER BY id").await;
    assert_eq!(found.concat(), ["1", "3", "4"].map(|id| Some(id.to_owned())));
    assert_eq!(rows(&client, "SELECT data FROM read").await.concat(), [Some("\\xcafe".to_owned())]);
    let kept = rows(&client, "SELECT message FROM caudal.errors WHERE view = 'read'").await;
    assert_eq!(kept.concat(), [Some("invalid input syntax for type bytea: \"\\xca0\"".to_owned())]);

    for wrong in
        ["INSERT INTO blob VALUES (7, '\\x0')", "SELECT 'a\\b'::bytea", "SELECT 1 FROM blob WHERE data > '\\xzz'"]
    {
        let error = client.simple_query(wrong).await.unwrap_err();
        let error = error.as_db_error().unwrap();
        assert_eq!(error.code().code(), "22P02", "{wrong}");
        assert!(
            error.message().starts_with("invalid input syntax for type bytea: \"\\") || wrong.contains("a\\b"),
            "{error:?}"
        );
    }
    node.stop().await;
}

#[tokio::test]
async fn a_query_with_values_within_can_be_inserted() {
    let node = Node::start().await;
    let client = node.connect().await;
    client.simple_query("CREATE TABLE item (id int PRIMARY KEY, name text, price numeric(6, 2))").await.unwrap();
    let insert = "INSERT INTO item (name, id) SELECT 'n' || b.x, a.x * 10 + b.x FROM (VALUES (1), (2)) AS a (x), (VALUES (3)) AS b (x)";
    client.simple_query(insert).await.unwrap();
    let insert = "INSERT INTO item WITH v AS (SELECT * FROM (VALUES (7, 'x', 1.5)) AS v) SELECT * FROM v";
    client.simple_query(insert).await.unwrap();
    let told = rows(&client, "SELECT id, name, price FROM item ORDER BY id").await;
    let text = |cells: [&str; 3]| cells.map(|cell| (!cell.is_empty()).then(|| cell.to_owned())).to_vec();
    assert_eq!(told, [["7", "x", "1.50"], ["13", "n3", ""], ["23", "n3", ""]].map(text));
    let error = client.simple_query("INSERT INTO item SELECT * FROM (VALUES (1), (2)) AS a (x)").await.unwrap_err();
    assert!(error.as_db_error().unwrap().message().contains("3 columns"), "{error:?}");
    node.stop().await;
}

#[tokio::test]
async fn intervals_are_multiplied_and_divided_by_numbers() {
    let node = Node::start().await;
    let client = node.connect().await;
    client.simple_query("CREATE TABLE t (n int PRIMARY KEY)").await.unwrap();
    let view = "CREATE MATERIALIZED VIEW later AS SELECT n, TIMESTAMPTZ '2026-01-31 00:00:00Z' + n * INTERVAL '1 month' AS at FROM t";
    client.simple_query(view).await.unwrap();
    client.simple_query("INSERT INTO t VALUES (1), (2)").await.unwrap();
    for (sql, told) in [
        ("SELECT min(at) FROM later", "2026-02-28 00:00:00+00"),
        ("SELECT max(at) FROM later", "2026-03-31 00:00:00+00"),
        ("SELECT TIMESTAMP '2026-01-01' + INTERVAL '2 hours' * 1.5", "2026-01-01 03:00:00"),
        ("SELECT TIMESTAMP '2026-01-01' + INTERVAL '1 day' / 4", "2026-01-01 06:00:00"),
        ("SELECT TIMESTAMP '2026-01-01' + 0.5 * INTERVAL '1 month'", "2026-01-16 00:00:00"),
    ] {
        assert_eq!(rows(&client, sql).await.concat(), [Some(told.to_owned())], "{sql}");
    }
    let error = client.simple_query("SELECT INTERVAL '1 day' / (n - 1) FROM t").await.unwrap_err();
    assert_eq!(error.as_db_error().unwrap().code().code(), "22012", "{error:?}");
    node.stop().await;
}

#[tokio::test]
async fn relations_tell_their_size_their_errors_and_what_they_lack() {
    let node = Node::start().await;
    let client = node.connect().await;
    for definition in [
        "CREATE TABLE item (id int PRIMARY KEY, part int)",
        "CREATE MATERIALIZED VIEW share AS SELECT id, 10 / part AS share FROM item",
        "CREATE MATERIALIZED VIEW total AS SELECT sum(10 / part) AS total FROM item",
        "CREATE MATERIALIZED VIEW shares AS SELECT count(*) AS n FROM share",
        "CREATE MATERIALIZED VIEW twice AS SELECT total * 2 AS total FROM total",
        "CREATE MATERIALIZED VIEW items AS SELECT count(*) AS n FROM item",
        "CREATE MATERIALIZED VIEW lonely AS SELECT i.id, s.share FROM item i LEFT JOIN share s ON i.id = s.id",
        "CREATE MATERIALIZED VIEW paired AS SELECT i.id, s.share FROM item i JOIN share s ON i.id = s.id",
        "CREATE VIEW plain AS SELECT * FROM item",
        "INSERT INTO item VALUES (1, 5), (2, 0), (3, 2)",
    ] {
        client.simple_query(definition).await.unwrap();
    }
    let ask = "SELECT name, rows_estimate, errors, incomplete FROM caudal.relations WHERE name NOT LIKE 'caudal.%' ORDER BY name";
    let told = async || -> Vec<String> {
        let cell = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "-".to_owned());
        rows(&client, ask).await.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join(" ")).collect()
    };
    let expected = [
        "item 3 0 f",
        "items 1 0 f",
        "lonely 3 0 t",
        "paired 2 0 f",
        "plain - 0 f",
        "share 2 1 f",
        "shares 1 0 t",
        "total 1 1 t",
        "twice 1 0 t",
    ];
    assert_eq!(told().await, expected);
    let sizes = "SELECT bytes_estimate > 20 AND bytes_estimate < 200 FROM caudal.relations WHERE name = 'item'";
    assert_eq!(rows(&client, sizes).await.concat(), [Some("t".to_owned())]);
    client.simple_query("INSERT INTO item VALUES (2, 1)").await.unwrap();
    let mended = [
        "item 3 0 f",
        "items 1 0 f",
        "lonely 3 0 f",
        "paired 3 0 f",
        "plain - 0 f",
        "share 3 0 f",
        "shares 1 0 f",
        "total 1 0 f",
        "twice 1 0 f",
    ];
    assert_eq!(told().await, mended);

    let many = "INSERT INTO item SELECT a.d + 10 * b.d + 100 * c.d + 1000 * d.d + 10000 * e.d, 1 FROM digit a, digit b, \
                digit c, digit d, digit e WHERE e.d < 2";
    make_digits(&client).await;
    client.simple_query(many).await.unwrap();
    let estimate = "SELECT rows_estimate >= 10000 FROM caudal.relations WHERE name = 'item'";
    assert_eq!(rows(&client, estimate).await.concat(), [Some("t".to_owned())]);
    node.stop().await;
}

#[tokio::test]
async fn seconds_that_are_a_parameter_are_a_number() {
    let node = Node::start().await;
    let client = node.connect().await;
    let prepared = client.prepare("SELECT to_timestamp($1)::text").await.unwrap();
    assert_eq!(prepared.params(), [Type::FLOAT8]);
    let row = client.query_one(&prepared, &[&1.5_f64]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "1970-01-01 00:00:01.5+00");
    node.stop().await;
}

#[tokio::test]
async fn a_prepared_statement_runs_again_with_other_parameters() {
    let node = Node::start().await;
    let client = node.connect().await;
    client.simple_query("CREATE TABLE item (id int PRIMARY KEY, name text)").await.unwrap();
    client.simple_query("INSERT INTO item VALUES (1, 'one'), (2, 'two')").await.unwrap();
    let statement = client.prepare("SELECT name FROM item WHERE id = $1").await.unwrap();
    assert_eq!(statement.params(), [Type::INT4]);
    for (id, name) in [(1, "one"), (2, "two"), (1, "one")] {
        assert_eq!(client.query_one(&statement, &[&id]).await.unwrap().get::<_, &str>(0), name);
    }
    assert!(client.query_opt(&statement, &[&3]).await.unwrap().is_none());
    node.stop().await;
}

#[tokio::test]
async fn a_text_of_several_statements_runs_up_to_the_first_that_fails() {
    let node = Node::start().await;
    let client = node.connect().await;
    client.simple_query("CREATE TABLE item (id int PRIMARY KEY)").await.unwrap();
    let text = "INSERT INTO item VALUES (1); SELECT 'ä;', nonsense; INSERT INTO item VALUES (2)";
    let error = client.simple_query(text).await.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(error.code().code(), "42703");
    if let Some(tokio_postgres::error::ErrorPosition::Original(position)) = error.position() {
        let here: String = text.chars().skip(*position as usize - 1).collect();
        assert!(here.starts_with("nonsense"), "the position is one in the whole text: {here}");
    }
    assert_eq!(rows(&client, "SELECT id FROM item").await, [[Some("1".to_owned())]]);
    assert_eq!(rows(&client, "").await, Vec::<Vec<_>>::new());
    node.stop().await;
}

#[tokio::test]
async fn an_error_has_its_code_and_position_and_the_session_goes_on() {
    let node = Node::start().await;
    let client = node.connect().await;
    for (sql, code) in [("SELEC 1", "42601"), ("SELECT * FROM missing", "42P01"), ("SELECT 1/0", "22012")] {
        let error = client.query(sql, &[]).await.unwrap_err();
        assert_eq!(error.code().map(|code| code.code()), Some(code), "{sql}: {error}");
        let error = client.simple_query(sql).await.unwrap_err();
        assert_eq!(error.code().map(|code| code.code()), Some(code), "{sql}: {error}");
    }
    let error = client.simple_query("SELECT * FROM missing").await.unwrap_err();
    let position = error.as_db_error().unwrap().position().cloned();
    assert_eq!(position, Some(tokio_postgres::error::ErrorPosition::Original(15)));
    assert_eq!(rows(&client, "SELECT 1").await, [[Some("1".to_owned())]]);
    node.stop().await;
}

#[tokio::test]
async fn a_million_rows_come_each_once() {
    let node = Node::start().await;
    let client = node.connect().await;
    make_digits(&client).await;
    let query = "SELECT ((((a.d * 10 + b.d) * 10 + c.d) * 10 + d.d) * 10 + e.d) * 10 + f.d AS n \
         FROM digit a, digit b, digit c, digit d, digit e, digit f";
    let rows = client.query_raw::<_, i32, _>(query, []).await.unwrap();
    let mut rows = std::pin::pin!(rows);
    let mut seen = vec![false; 1_000_000];
    while let Some(row) = rows.try_next().await.unwrap() {
        let number = row.get::<_, i64>(0) as usize;
        assert!(!std::mem::replace(&mut seen[number], true), "{number} came twice");
    }
    assert!(seen.iter().all(|&seen| seen));
    node.stop().await;
}

#[tokio::test]
async fn update_by_the_full_key_goes_through_the_log_and_views_follow() {
    let node = Node::start().await;
    let client = node.connect().await;
    client
        .batch_execute(
            "CREATE TABLE price (item text, shop int, cents bigint, note text, PRIMARY KEY (item, shop));
             CREATE MATERIALIZED VIEW total AS SELECT item, sum(cents) AS cents FROM price GROUP BY item;
             INSERT INTO price VALUES ('milk', 1, 100, 'a'), ('milk', 2, 120, 'b');",
        )
        .await
        .unwrap();
    let update = "UPDATE price SET cents = cents + $1, note = $2 WHERE shop = $3 AND item = $4";
    assert_eq!(client.execute(update, &[&7_i64, &"c", &2_i32, &"milk"]).await.unwrap(), 1);
    assert_eq!(client.execute(update, &[&7_i64, &"c", &3_i32, &"milk"]).await.unwrap(), 0, "there is no such row");
    let row = client.query_one("SELECT cents, note FROM price WHERE shop = 2", &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, &str>(1)), (127, "c"));
    let total = client.query_one("SELECT CAST(cents AS BIGINT) FROM total", &[]).await.unwrap();
    assert_eq!(total.get::<_, i64>(0), 227, "the view has followed when UPDATE returns");
    let code = async |sql: &str| client.batch_execute(sql).await.unwrap_err().code().unwrap().code().to_owned();
    assert_eq!(code("UPDATE price SET cents = 1").await, "0A000");
    assert_eq!(code("UPDATE price SET cents = 1 WHERE item = 'milk'").await, "0A000");
    assert_eq!(code("UPDATE price SET shop = 5 WHERE item = 'milk' AND shop = 1").await, "0A000");
    assert_eq!(code("UPDATE price SET colour = 1 WHERE item = 'milk' AND shop = 1").await, "42703");
    assert_eq!(code("UPDATE total SET cents = 1 WHERE item = 'milk'").await, "42809");
    client.batch_execute("CREATE TABLE v (k int PRIMARY KEY, n int, x text) WITH (version = 'n')").await.unwrap();
    client.batch_execute("INSERT INTO v VALUES (1, 1, 'a')").await.unwrap();
    assert_eq!(code("UPDATE v SET x = 'b' WHERE k = 1").await, "0A000");
    client.batch_execute("UPDATE v SET x = 'b', n = n + 1 WHERE k = 1").await.unwrap();
    let row = client.query_one("SELECT n, x FROM v", &[]).await.unwrap();
    assert_eq!((row.get::<_, i32>(0), row.get::<_, &str>(1)), (2, "b"));
    node.stop().await;
}

#[tokio::test]
async fn a_number_with_a_point_meets_a_double_as_a_double() {
    let node = Node::start().await;
    let client = node.connect().await;
    client
        .batch_execute(
            "CREATE TABLE t (k int PRIMARY KEY, d double precision, n numeric(10, 2));
             INSERT INTO t VALUES (1, 'NaN', 1.5), (2, 1e300, 2), (3, 1.5, 3), (4, NULL, NULL), (5, 0.1, 0.1);",
        )
        .await
        .unwrap();
    // What PostgreSQL 15 says, - for NULL.
    let expected = [
        ("d > 1.5", "t t f - f"),
        ("1.5 >= d", "f f t - t"),
        ("d = 0.1", "f f f - t"),
        ("d > -1.5", "t t t - t"),
        ("d <> n", "t t t - f"),
        ("d IS DISTINCT FROM 1.5", "t t f t t"),
        ("d BETWEEN 0.1 AND 2.5", "f f t - t"),
        ("d IN (1.5, 1e300)", "f t t - f"),
        ("n NOT IN (1.5::double precision, 0.1)", "f t t - f"),
        ("d = ANY (ARRAY[1.5, 0.1])", "f f t - t"),
        ("coalesce(d, 2.5)", "NaN 1e+300 1.5 2.5 0.1"),
        ("nullif(d, 1.5)", "NaN 1e+300 - - 0.1"),
        ("greatest(d, n)", "NaN 1e+300 3 - 0.1"),
        ("CASE WHEN k > 1 THEN d ELSE 0.5 END", "0.5 1e+300 1.5 - 0.1"),
        ("CASE d WHEN 1.5 THEN 'x' ELSE 'y' END", "y y x y y"),
        ("d >= 123456789012345678901234567890123456789.5", "t t f - f"),
    ];
    for (at, (expression, answer)) in expected.into_iter().enumerate() {
        let view = format!("CREATE MATERIALIZED VIEW v{at} AS SELECT k, {expression} AS x FROM t");
        client.batch_execute(&view).await.unwrap_or_else(|error| panic!("{expression}: {error:?}"));
        for from in [format!("SELECT {expression} AS x FROM t ORDER BY k"), format!("SELECT x FROM v{at} ORDER BY k")] {
            let found: Vec<String> =
                rows(&client, &from).await.concat().into_iter().map(|cell| cell.unwrap_or("-".into())).collect();
            assert_eq!(found.join(" "), answer, "{from}");
        }
    }
    let over_rows = [
        ("SELECT d FROM t UNION SELECT n FROM t", "0.1 1.5 1e+300 2 3 NaN -"),
        ("SELECT a.k FROM t a JOIN t b ON a.d = b.n", "3 5"),
        ("SELECT k FROM t WHERE d IN (SELECT n FROM t)", "3 5"),
        ("SELECT count(*) FILTER (WHERE d > 1.5) AS n FROM t", "2"),
    ];
    for (at, (query, answer)) in over_rows.into_iter().enumerate() {
        client.batch_execute(&format!("CREATE MATERIALIZED VIEW r{at} AS {query}")).await.unwrap();
        for from in [query.to_owned(), format!("SELECT * FROM r{at}")] {
            let mut found: Vec<String> =
                rows(&client, &from).await.concat().into_iter().map(|cell| cell.unwrap_or("~".into())).collect();
            found.sort_unstable();
            assert_eq!(found.join(" ").replace('~', "-"), answer, "{from}");
        }
    }
    assert_eq!(rows(&client, "SELECT 1e400 > 1e300, 1e3 = 1000").await.concat(), [Some("t".into()), Some("t".into())]);
    node.stop().await;
}

#[tokio::test]
async fn moments_are_of_the_sessions_zone_and_views_are_not() {
    let node = Node::start().await;
    let client = node.connect().await;
    client
        .batch_execute(
            "CREATE TABLE m (k int PRIMARY KEY, at timestamptz);
             CREATE MATERIALIZED VIEW days AS SELECT k, date_trunc('day', at) AS day, at::date AS date FROM m;
             CREATE VIEW plain AS SELECT k, to_char(at, 'HH24:MI') AS clock, '2026-07-01'::timestamptz AS since FROM m;
             SET TIME ZONE 'Europe/Madrid';
             INSERT INTO m VALUES (1, '2026-07-01 00:30'), (2, '2026-12-01 23:30+00')",
        )
        .await
        .unwrap();
    let shown = async |query: &str| -> Vec<String> {
        let messages = client.simple_query(query).await.unwrap();
        let row = |message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|at| row.get(at).unwrap_or("NULL")).collect::<Vec<_>>().join(" | "))
            }
            _ => None,
        };
        messages.into_iter().filter_map(row).collect()
    };
    assert_eq!(
        shown("SELECT at, at::date FROM m ORDER BY k").await,
        ["2026-07-01 00:30:00+02 | 2026-07-01", "2026-12-02 00:30:00+01 | 2026-12-02"]
    );
    assert_eq!(
        shown("SELECT day, date FROM days ORDER BY k").await,
        ["2026-06-30 02:00:00+02 | 2026-06-30", "2026-12-01 01:00:00+01 | 2026-12-01"]
    );
    assert_eq!(
        shown("SELECT clock, since FROM plain ORDER BY k").await,
        ["22:30 | 2026-07-01 02:00:00+02", "23:30 | 2026-07-01 02:00:00+02"]
    );
    assert_eq!(shown("SELECT k FROM m WHERE at >= '2026-12-02' ORDER BY k").await, ["2"]);
    assert_eq!(shown("SHOW TimeZone; RESET TimeZone; SHOW TimeZone").await, ["Europe/Madrid", "UTC"]);
    node.stop().await;
}
