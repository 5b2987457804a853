//! A role does what it was granted and nothing else, until it is taken back, whichever way it asks.

use sql::Identity;
use tests::node::Node;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

const SCHEMA: &str = "
    CREATE TABLE readings (circuit TEXT, at INT, w INT, PRIMARY KEY (circuit, at));
    CREATE TABLE notes (id INT PRIMARY KEY, words TEXT);
    CREATE MATERIALIZED VIEW totals AS SELECT circuit, sum(w) AS w FROM readings GROUP BY circuit;
    CREATE VIEW loudest AS SELECT circuit, w FROM totals WHERE w > 10;
    INSERT INTO readings VALUES ('oven', 1, 20), ('fridge', 1, 5);
    INSERT INTO notes VALUES (1, 'private');
    CREATE USER ana PASSWORD 'a';
    CREATE ROLE readers;
    CREATE ROLE meter LOGIN PASSWORD 'm';
    CREATE ROLE sleeper PASSWORD 's';
    GRANT SELECT ON loudest, totals TO readers;
    GRANT readers TO ana;
    GRANT INSERT ON readings TO meter";

/// Ways to read `notes`, or what is only known from it.
const READS: [&str; 14] = [
    "SELECT * FROM notes",
    "SELECT 1 FROM loudest, notes",
    "SELECT * FROM loudest WHERE EXISTS (SELECT 1 FROM notes)",
    "SELECT (SELECT max(words) FROM notes)",
    "WITH n AS (SELECT * FROM notes) SELECT * FROM n",
    "SELECT * FROM notes WHERE EXISTS (WITH notes AS (SELECT 1) SELECT 1 FROM notes)",
    "SELECT * FROM loudest UNION ALL SELECT words, id FROM notes",
    "COPY notes TO STDOUT",
    "COPY (SELECT words FROM notes) TO STDOUT",
    "SUBSCRIBE notes",
    "COPY (SUBSCRIBE (SELECT words FROM notes)) TO STDOUT",
    "EXPLAIN SELECT * FROM notes",
    "EXPLAIN ANALYZE SELECT * FROM notes",
    "INSERT INTO readings SELECT words, id, 1 FROM notes",
];

const CHANGES: [&str; 14] = [
    "INSERT INTO readings VALUES ('oven', 2, 1)",
    "UPDATE notes SET words = 'mine' WHERE id = 1",
    "DELETE FROM notes WHERE id = 1",
    "COPY readings FROM STDIN",
    "CREATE TABLE mine (a INT)",
    "CREATE VIEW mine AS SELECT * FROM loudest",
    "CREATE MATERIALIZED VIEW mine AS SELECT * FROM totals",
    "ALTER TABLE readings ADD COLUMN b INT",
    "DROP TABLE notes",
    "COMMENT ON TABLE notes IS 'mine'",
    "CREATE ROLE mine SUPERUSER",
    "ALTER ROLE ana SUPERUSER",
    "GRANT SELECT ON notes TO ana",
    "DROP ROLE meter",
];

async fn prepared(node: &Node) -> Client {
    let operator = node.connect().await;
    operator.batch_execute(SCHEMA).await.unwrap();
    operator
}

async fn come_in(node: &Node, user: &str, password: &str) -> Result<Client, SqlState> {
    let mut settings = node.settings();
    settings.user(user).password(password);
    match settings.connect(NoTls).await {
        Ok((client, connection)) => {
            tokio::spawn(connection);
            Ok(client)
        }
        Err(error) => Err(error.code().cloned().unwrap_or_else(|| panic!("{error}"))),
    }
}

async fn refused(client: &Client, sql: &str) -> SqlState {
    match client.simple_query(sql).await {
        Ok(rows) => panic!("{sql} is answered: {rows:?}"),
        Err(error) => error.code().cloned().unwrap_or_else(|| panic!("{sql}: {error}")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_in_has_a_login_and_its_password() {
    let node = Node::start().await;
    let operator = prepared(&node).await;
    assert!(come_in(&node, "ana", "a").await.is_ok());
    for (user, password) in [("ana", "b"), ("ana", ""), ("readers", ""), ("sleeper", "s"), ("nobody", "a")] {
        assert_eq!(come_in(&node, user, password).await.err(), Some(SqlState::INVALID_PASSWORD), "{user}");
    }
    operator.batch_execute("ALTER USER ana PASSWORD 'b'; ALTER ROLE sleeper LOGIN").await.unwrap();
    assert!(come_in(&node, "ana", "a").await.is_err());
    let node = node.restart().await;
    assert!(come_in(&node, "ana", "b").await.is_ok() && come_in(&node, "sleeper", "s").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_reads_what_it_was_granted_and_nothing_else() {
    let node = Node::start().await;
    let operator = prepared(&node).await;
    let ana = come_in(&node, "ana", "a").await.unwrap();
    let row = ana.query_one("SELECT circuit, w, current_user FROM loudest", &[]).await.unwrap();
    assert_eq!((row.get::<_, &str>(0), row.get::<_, i64>(1), row.get::<_, &str>(2)), ("oven", 20, "ana"));
    for sql in READS.into_iter().chain(CHANGES) {
        assert_eq!(refused(&ana, sql).await, SqlState::INSUFFICIENT_PRIVILEGE, "{sql}");
    }
    let declared = refused(&ana, "BEGIN; DECLARE c CURSOR FOR SELECT * FROM notes").await;
    assert_eq!(declared, SqlState::INSUFFICIENT_PRIVILEGE);
    ana.batch_execute("ROLLBACK").await.unwrap();
    let rights = "SELECT has_table_privilege('loudest', 'select'), has_table_privilege('notes', 'SELECT'), \
                  has_table_privilege('meter', 'readings', 'INSERT')";
    let row = ana.query_one(rights, &[]).await.unwrap();
    assert_eq!([row.get::<_, bool>(0), row.get(1), row.get(2)], [true, false, true]);

    // Nothing of what was refused has happened.
    let kept = operator.query_one("SELECT words, (SELECT count(*) FROM readings) FROM notes", &[]).await.unwrap();
    assert_eq!((kept.get::<_, &str>(0), kept.get::<_, i64>(1)), ("private", 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_only_insert_reads_nothing() {
    let node = Node::start().await;
    let operator = prepared(&node).await;
    let meter = come_in(&node, "meter", "m").await.unwrap();
    meter.batch_execute("INSERT INTO readings VALUES ('oven', 2, 1)").await.unwrap();
    for sql in [
        "SELECT * FROM readings",
        "INSERT INTO readings SELECT circuit, at + 10, w FROM readings",
        "UPDATE readings SET w = 0 WHERE circuit = 'oven' AND at = 1",
        "DELETE FROM readings WHERE circuit = 'oven' AND at = 1",
        "SELECT * FROM caudal.quarantine",
        "SELECT * FROM caudal.errors",
        "SELECT * FROM caudal.relations",
    ] {
        assert_eq!(refused(&meter, sql).await, SqlState::INSUFFICIENT_PRIVILEGE, "{sql}");
    }
    let total = operator.query_one("SELECT w FROM totals WHERE circuit = 'oven'", &[]).await.unwrap();
    assert_eq!(total.get::<_, i64>(0), 21);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_back_is_gone_for_sessions_that_are_open() {
    let node = Node::start().await;
    let operator = prepared(&node).await;
    let ana = come_in(&node, "ana", "a").await.unwrap();
    let statement = ana.prepare("SELECT w FROM loudest").await.unwrap();
    assert_eq!(ana.query(&statement, &[]).await.unwrap().len(), 1);
    operator.batch_execute("REVOKE readers FROM ana").await.unwrap();
    let error = ana.query(&statement, &[]).await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
    operator.batch_execute("GRANT SELECT ON totals TO PUBLIC").await.unwrap();
    assert_eq!(ana.query("SELECT w FROM totals", &[]).await.unwrap().len(), 2);
    assert_eq!(refused(&ana, "SELECT w FROM loudest").await, SqlState::INSUFFICIENT_PRIVILEGE);

    // A relation of the same name is another one.
    operator
        .batch_execute("GRANT SELECT ON notes TO ana; DROP TABLE notes; CREATE TABLE notes (id INT)")
        .await
        .unwrap();
    assert_eq!(refused(&ana, "SELECT * FROM notes").await, SqlState::INSUFFICIENT_PRIVILEGE);

    operator.batch_execute("ALTER ROLE ana SUPERUSER").await.unwrap();
    ana.batch_execute("CREATE TABLE mine (a INT); SELECT * FROM notes; DROP TABLE mine").await.unwrap();
    operator.batch_execute("DROP USER ana").await.unwrap();
    assert_eq!(refused(&ana, "SELECT 1").await, SqlState::INVALID_AUTHORIZATION_SPECIFICATION);
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_the_roles_and_its_groups_with_its_own_subject() {
    let node = Node::start().await;
    let operator = prepared(&node).await;
    operator
        .batch_execute(
            "CREATE ROLE meters; GRANT meters TO meter; ALTER ROLE meter SET caudal.subject = '17';
             ALTER ROLE meters SET mqtt.publish = 'clients/{subject}/+';
             ALTER ROLE meter SET mqtt.subscribe = ARRAY['clients/17/#', 'news']",
        )
        .await
        .unwrap();
    let node = node.restart().await;
    let rights = node.database.topic_rights(&Identity::Role("meter".to_owned()));
    assert!(rights.may_publish("clients/17/oven") && rights.may_subscribe("clients/17/#"));
    assert!(!rights.may_publish("clients/18/oven") && !rights.may_publish("news"));
    assert!(rights.may_receive("clients/17/oven") && !rights.may_receive("clients/18/oven"));
    let group = node.database.topic_rights(&Identity::Role("meters".to_owned()));
    assert!(!group.may_publish("clients/17/oven") && !group.may_publish("clients/{subject}/oven"));
    assert_eq!(node.database.topic_rights(&Identity::Role("nobody".to_owned())), group);
    assert!(node.database.topic_rights(&Identity::Operator("caudal".to_owned())).may_subscribe("#"));
    let meter = come_in(&node, "meter", "m").await.unwrap();
    assert_eq!(meter.query_one("SELECT current_subject()", &[]).await.unwrap().get::<_, &str>(0), "17");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_is_a_roles_own_or_that_of_its_groups_where_they_agree() {
    let node = Node::start().await;
    let operator = prepared(&node).await;
    let subject = |name: &str| node.database.subject(&Identity::Role(name.to_owned()));
    let set = "CREATE ROLE family; CREATE ROLE others; CREATE ROLE home LOGIN PASSWORD 'h' IN ROLE family;
        ALTER ROLE family SET caudal.subject = '17'; ALTER ROLE family SET mqtt.subscribe = 'clients/{subject}/#'";
    operator.batch_execute(set).await.unwrap();
    assert_eq!((subject("home").as_deref(), subject("others")), (Some("17"), None));
    assert!(node.database.topic_rights(&Identity::Role("home".to_owned())).may_receive("clients/17/oven"));
    let home = come_in(&node, "home", "h").await.unwrap();
    assert_eq!(home.query_one("SELECT current_subject()", &[]).await.unwrap().get::<_, &str>(0), "17");
    operator.batch_execute("ALTER ROLE others SET caudal.subject = '18'; GRANT others TO home").await.unwrap();
    assert_eq!(subject("home"), None, "two that differ are none");
    operator.batch_execute("ALTER ROLE others SET caudal.subject = '17'").await.unwrap();
    assert_eq!(subject("home").as_deref(), Some("17"));
    operator.batch_execute("ALTER ROLE home SET caudal.subject = '19'").await.unwrap();
    assert_eq!(subject("home").as_deref(), Some("19"));
    operator
        .batch_execute("ALTER ROLE home RESET caudal.subject; DROP ROLE family; REVOKE others FROM home")
        .await
        .unwrap();
    assert_eq!(subject("home"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_in_words() {
    let node = Node::start().await;
    let operator = prepared(&node).await;
    for (sql, words) in [
        ("CREATE ROLE ana", "already exists"),
        ("CREATE ROLE public", "reserved"),
        ("GRANT SELECT ON nothing TO ana", "does not exist"),
        ("GRANT SELECT ON notes TO nobody", "role \"nobody\" does not exist"),
        ("GRANT INSERT ON loudest TO ana", "only SELECT"),
        ("GRANT SELECT (words) ON notes TO ana", "privilege on columns"),
        ("GRANT ana TO readers", "is a member of role"),
        ("GRANT ana TO ana", "is a member of role"),
        ("DROP ROLE nobody", "does not exist"),
        ("ALTER ROLE ana SET mqtt.publish = 'a/#/b'", "no filter of MQTT topics"),
        ("ALTER ROLE ana SET caudal.subject = '+'", "stands in MQTT topics"),
        ("ALTER ROLE ana SET search_path = 'x'", "no setting"),
        ("ALTER ROLE ana PASSWORD 'SCRAM-SHA-256$x'", "SCRAM secret"),
        ("ALTER ROLE ana CREATEROLE", "not supported"),
    ] {
        let error = operator.batch_execute(sql).await.expect_err(sql);
        let said = error.as_db_error().unwrap_or_else(|| panic!("{sql}: {error}")).message();
        assert!(said.contains(words), "{sql}: {said}");
    }
    operator.batch_execute("CREATE ROLE IF NOT EXISTS ana; DROP ROLE IF EXISTS nobody").await.unwrap();
    let roles = operator.query("SELECT rolname FROM pg_roles WHERE rolcanlogin ORDER BY 1", &[]).await.unwrap();
    let roles: Vec<&str> = roles.iter().map(|row| row.get(0)).collect();
    assert_eq!(roles, ["ana", "caudal", "meter"]);
}
