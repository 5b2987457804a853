//! A node starts with one line, ends within seconds, refuses what it must in words, and survives kill -9.

mod process;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use process::{Caudal, caudal, text, within};

/// A command that must end by itself and fail: its words.
fn refused(command: &mut Command) -> String {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let status = within(process::DEADLINE, || child.try_wait().unwrap());
    let (mut out, mut words) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
    assert!(!status.success(), "it ran: {out}");
    assert_eq!(out, "", "standard output is for the ready line alone");
    words
}

fn run(data: &std::path::Path) -> Command {
    let mut command = caudal();
    command.args(["run", "--mqtt", "off", "--http", "off", "--kafka", "off", "--data"]).arg(data);
    command
}

#[test]
fn the_ready_line_names_the_open_doors_and_each_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let node = Caudal::run(&dir.path().join("data"));
    assert_eq!(node.doors.keys().collect::<Vec<_>>(), ["http", "kafka", "pg"]);
    assert_eq!(node.cell("SELECT 1 AS one"), "1");
    let mut http = TcpStream::connect(&node.doors["http"]).unwrap();
    http.write_all(b"GET /readyz HTTP/1.1\r\nHost: caudal\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    http.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    TcpStream::connect(&node.doors["kafka"]).unwrap();
}

#[test]
fn a_door_that_is_off_is_not_announced() {
    let dir = tempfile::tempdir().unwrap();
    let node = Caudal::start("run", &dir.path().join("data"), &["--http", "off"]);
    assert_eq!(node.doors.keys().collect::<Vec<_>>(), ["kafka", "pg"]);
}

#[test]
fn the_mqtt_door_is_announced_and_lets_clients_in() {
    let dir = tempfile::tempdir().unwrap();
    let node = Caudal::start("run", &dir.path().join("data"), &["--mqtt", "127.0.0.1:0"]);
    let mut client = TcpStream::connect(&node.doors["mqtt"]).unwrap();
    client.write_all(b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01m").unwrap();
    let mut answer = [0; 4];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(answer, [0x20, 2, 0, 0], "CONNACK");
}

#[test]
fn settings_come_from_flag_variable_and_file_in_this_order() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("caudal.toml");
    std::fs::write(&file, "pg = 'off'\nhttp = 'off'\nkafka = 'off'\nmqtt = 'off'\npasword = 'x'\n").unwrap();
    let words = refused(caudal().args(["run", "--config"]).arg(&file));
    assert!(words.contains("pasword"), "{words}");

    // The file closes the HTTP door, the variable takes back what it says of Kafka, the flag what the variable says of pg.
    std::fs::write(
        &file,
        "pg = 'nowhere:0'\nhttp = 'off'\nkafka = 'off'\nmqtt = 'off'\nuser = 'ana'\npassword = 'of the file'\n",
    )
    .unwrap();
    let mut child = caudal()
        .args(["run", "--pg", "127.0.0.1:0", "--config"])
        .arg(&file)
        .arg("--data")
        .arg(dir.path().join("data"))
        .env("CAUDAL_PG", "nowhere:1")
        .env("CAUDAL_KAFKA", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut byte = [0];
    let mut line = String::new();
    let mut out = child.stdout.take().unwrap();
    while out.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
        line.push(char::from(byte[0]));
    }
    let pg = line.strip_prefix("ready pg=").and_then(|rest| rest.split_once(" kafka=")).map(|(pg, _)| pg.to_string());
    let ask = |password: &str| {
        let mut client = caudal();
        client.args(["sql", "--pg", pg.as_deref().unwrap_or_default(), "--user", "ana", "-c", "SELECT 1"]);
        client.env("CAUDAL_PASSWORD", password).output().unwrap()
    };
    let (right, wrong) = (ask("of the file"), ask("caudal"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(right.status.success(), "{line}: {}", text(&right.stderr));
    assert!(text(&wrong.stderr).contains("28P01"), "{}", text(&wrong.stderr));
}

#[test]
fn a_taken_port_is_told_with_door_address_and_advice() {
    let dir = tempfile::tempdir().unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let words = refused(run(&dir.path().join("data")).args(["--pg", &address]));
    for part in ["pg door", &address, "taken", "--pg"] {
        assert!(words.contains(part), "{part} is missing: {words}");
    }
    assert!(!dir.path().join("data").exists(), "nothing was opened");
}

#[test]
fn a_door_for_other_machines_needs_credentials_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    for more in [&[][..], &["--password", "caudal"]] {
        let words = refused(run(&dir.path().join("data")).args(["--pg", "0.0.0.0:0"]).args(more));
        assert!(words.contains("pg door on 0.0.0.0:0") && words.contains("password"), "{words}");
    }
    let node = Caudal::start("run", &dir.path().join("data"), &["--pg", "0.0.0.0:0", "--password", "of its own"]);
    assert!(node.doors["pg"].starts_with("0.0.0.0:"));
    let asked = node.client("sql").args(["--password", "of its own", "-c", "SELECT 1"]).output().unwrap();
    assert!(asked.status.success(), "{}", text(&asked.stderr));
}

#[test]
fn a_data_directory_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let node = Caudal::run(&data);
    let words = refused(run(&data).args(["--pg", "127.0.0.1:0"]));
    assert!(words.contains("in use") && words.contains("data"), "{words}");
    assert_eq!(node.cell("SELECT 1 AS one"), "1");
}

#[test]
fn a_place_without_permission_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a file");
    std::fs::write(&file, "").unwrap();
    let words = refused(run(&file.join("data")).args(["--pg", "127.0.0.1:0"]));
    assert!(words.contains("data directory") && words.contains("a file"), "{words}");
}

#[test]
fn ctrl_c_and_sigterm_end_it_cleanly_within_seconds() {
    let dir = tempfile::tempdir().unwrap();
    for signal in ["INT", "TERM"] {
        let node = Caudal::run(&dir.path().join("data"));
        // A client that stays connected must not hold it up.
        let pg = TcpStream::connect(&node.doors["pg"]).unwrap();
        let (status, took) = node.signal(signal);
        assert!(status.success(), "{signal}: {status}");
        assert!(took < Duration::from_secs(8), "{signal}: {took:?}");
        drop(pg);
    }
}

#[test]
fn what_was_inserted_is_there_after_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let node = Caudal::run(&data);
    node.execute(
        "CREATE TABLE t (k TEXT NOT NULL, n BIGINT NOT NULL, PRIMARY KEY (k));
         CREATE MATERIALIZED VIEW total AS SELECT count(*) AS n_rows, sum(n) AS n FROM t",
    );
    for round in 1..=3i64 {
        node.execute(&format!("INSERT INTO t (k, n) VALUES ('a{round}', {round}), ('same', {round})"));
    }
    node.kill();
    let node = Caudal::run(&data);
    assert_eq!(node.rows("SELECT n_rows, n FROM total"), [["4", "9"]]);
    node.execute("INSERT INTO t (k, n) VALUES ('same', 10)");
    assert_eq!(node.rows("SELECT n_rows, n FROM total"), [["4", "16"]]);
}

fn readyz(node: &Caudal) -> String {
    let mut http = TcpStream::connect(&node.doors["http"]).unwrap();
    http.write_all(b"GET /readyz HTTP/1.1\r\nHost: caudal\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    http.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_node_may_have_its_log_in_a_cluster_which_another_node_can_be() {
    let dir = tempfile::tempdir().unwrap();
    let (of_log, of_node) = (dir.path().join("log"), dir.path().join("node"));
    let log = Caudal::run(&of_log);
    let brokers = log.doors["kafka"].clone();
    let over = ["--kafka", "off", "--brokers", &brokers];
    let node = Caudal::start("run", &of_node, &over);
    assert_eq!(node.doors.keys().collect::<Vec<_>>(), ["http", "pg"], "clients speak to the cluster itself");
    assert!(node.log().contains("the log is a Kafka cluster's"), "{}", node.log());
    node.execute("CREATE TABLE t (n bigint PRIMARY KEY, v text)");
    node.execute("CREATE MATERIALIZED VIEW c AS SELECT v, count(*) AS n FROM t GROUP BY v");
    node.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'a')");
    node.kill();
    let node = Caudal::start("run", &of_node, &over);
    assert_eq!(node.rows("SELECT v, n FROM c ORDER BY v"), [["a", "2"], ["b", "1"]]);
    log.kill();
    let unready = within(process::DEADLINE, || Some(readyz(&node)).filter(|answer| answer.starts_with("HTTP/1.1 503")));
    assert!(unready.contains(&brokers) && unready.contains("does not answer"), "{unready}");
    assert_eq!(node.cell("SELECT count(*) AS n FROM t"), "3");
    let log = Caudal::start("run", &of_log, &["--kafka", &brokers]);
    within(process::DEADLINE, || readyz(&node).starts_with("HTTP/1.1 200").then_some(()));
    node.execute("INSERT INTO t VALUES (4, 'b')");
    assert_eq!(node.rows("SELECT v, n FROM c ORDER BY v"), [["a", "2"], ["b", "2"]]);
    assert!(node.log().contains("answers again"), "{}", node.log());
    let words = refused(run(&of_node).args(["--pg", "127.0.0.1:0"]));
    assert!(words.contains("in use"), "{words}");
    drop(node);
    let words = refused(run(&of_node).args(["--pg", "127.0.0.1:0"]));
    assert!(words.contains("say with --brokers"), "{words}");
    let words = refused(run(&of_node).args([
        "--pg",
        "127.0.0.1:0",
        "--kafka",
        "127.0.0.1:0",
        "--brokers",
        &log.doors["kafka"],
    ]));
    assert!(words.contains("exclude each other"), "{words}");
}

#[test]
fn what_a_killed_query_wrote_is_removed_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let files = || {
        let folders = std::fs::read_dir(data.join("temporary")).unwrap().map(|folder| folder.unwrap().path());
        folders.map(|folder| std::fs::read_dir(folder).map_or(0, Iterator::count)).sum::<usize>()
    };
    let node = Caudal::run(&data);
    let digits: Vec<String> = (0..10).map(|digit| format!("({digit})")).collect();
    node.execute(&format!("CREATE TABLE digit (d BIGINT PRIMARY KEY); INSERT INTO digit VALUES {}", digits.join(", ")));
    let query = "SET work_mem = '8MB'; SELECT lpad(CAST(a.d AS text), 200, 'x') AS word FROM digit a, digit b, digit c, \
                 digit d, digit e, digit f ORDER BY word";
    let mut client =
        node.client("sql").args(["-c", query]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    within(process::DEADLINE, || (files() > 0).then_some(()));
    node.kill();
    client.wait().unwrap();
    assert!(files() > 0, "a killed node removes nothing");
    let node = Caudal::run(&data);
    assert_eq!(files(), 0);
    assert_eq!(node.cell("SELECT count(*) FROM digit"), "10");
}

#[test]
fn the_port_of_the_mqtt_broker_within_lets_nobody_in_but_its_own_door() {
    let dir = tempfile::tempdir().unwrap();
    let node = Caudal::start("run", &dir.path().join("data"), &["--mqtt", "127.0.0.1:0"]);
    let connected = |port: u16| -> Option<[u8; 4]> {
        let mut client = TcpStream::connect(("127.0.0.1", port)).ok()?;
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        client.write_all(b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01m").ok()?;
        let mut answer = [0; 4];
        client.read_exact(&mut answer).ok().map(|()| answer)
    };
    let doors: Vec<u16> = node.doors.values().map(|door| door.rsplit_once(':').unwrap().1.parse().unwrap()).collect();
    let others = || listening(node.id()).into_iter().find(|port| !doors.contains(port));
    assert_eq!(connected(within(process::DEADLINE, others)), Some([0x20, 2, 0, 5]), "not authorised");
}

/// The ports that a process listens on.
fn listening(process: u32) -> Vec<u16> {
    let sockets: Vec<String> = std::fs::read_dir(format!("/proc/{process}/fd"))
        .unwrap()
        .filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok()?.to_str().map(str::to_owned))
        .filter_map(|name| Some(name.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let table = std::fs::read_to_string(format!("/proc/{process}/net/tcp")).unwrap();
    let ports = table.lines().skip(1).filter_map(|line| {
        let cells: Vec<&str> = line.split_whitespace().collect();
        // 0A is LISTEN.
        let is_own = cells[3] == "0A" && sockets.iter().any(|inode| inode == cells[9]);
        is_own.then(|| u16::from_str_radix(cells[1].rsplit_once(':').unwrap().1, 16).unwrap())
    });
    ports.collect()
}
