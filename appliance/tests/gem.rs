//! GreenEye Monitors send to a node that dies in between, over TCP and HTTP: what they measured is in the energy pack's table and in
//! its totals, once; what is no packet, or of a meter that nobody knows, is in quarantine.

#[path = "gem/packet.rs"]
mod packet;
mod process;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use packet::{FORMATS, Format, Meter};
use process::{Caudal, DEADLINE, caudal, text, within};

const INTERVAL_MS: i64 = 10_000;
/// A watt-hour in watt-seconds.
const WH: u64 = 3_600;

/// A node with the energy pack, and a customer whose meter 02300123 is clamped around mains and fridge.
fn node(data: &Path) -> Caudal {
    let node = Caudal::start("run", data, &["--gem", "127.0.0.1:0"]);
    let added = caudal().args(["pack", "add", "energy", "--pg", &node.doors["pg"]]).output().unwrap();
    assert!(added.status.success(), "{}", text(&added.stderr));
    node.execute(
        "INSERT INTO energy.customers (customer_id, zone) VALUES ('ana', 'America/El_Salvador');
         INSERT INTO energy.circuits (customer_id, circuit, meter, role, interval_s, nominal_v, breaker_a, installed_at) VALUES
            ('ana', 'mains', '02300123', 'mains', 10, 120, 100, '2026-01-01 00:00:00Z'),
            ('ana', 'fridge', '02300123', 'branch', 10, 120, 15, '2026-01-01 00:00:00Z');
         INSERT INTO energy.gem_channels VALUES ('02300123', 1, 'ana', 'mains'), ('02300123', 7, 'ana', 'fridge')",
    );
    node
}

fn meter() -> Meter {
    Meter::new(23, 123)
}

fn now_ms() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64
}

fn connect(node: &Caudal) -> TcpStream {
    TcpStream::connect(&node.doors["gem"]).unwrap()
}

/// Waits until the only cell of a query is this.
fn until(node: &Caudal, query: &str, expected: &str) {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let cell = node.cell(query);
        if cell == expected {
            return;
        }
        assert!(Instant::now() < deadline, "{query}: {cell} and not {expected}\n{}", node.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The status and the body of an answer; `None` where there is none.
fn http(node: &Caudal, request: &str, headers: &str, body: &[u8]) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(&node.doors["http"]).ok()?;
    let head = format!("{request} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n{headers}");
    // Who is refused at the head may see the connection break while the body is sent.
    let _ = stream.write_all(&[format!("{head}content-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat());
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

#[test]
fn what_a_meter_measured_is_in_the_totals_once_though_the_node_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut node = node(&data);
    let address = node.doors["gem"].clone();
    let begin_ms = (now_ms() - 3 * 3_600_000) / INTERVAL_MS * INTERVAL_MS;
    let mut meter = meter();
    meter.channels[0] = (500 * WH, 100 * WH, 50);
    meter.channels[6] = (7 * WH, 0, 25);
    let mut stream = connect(&node);
    let (packets, kills) = (400, [150, 151, 300]);
    for at in 0..packets {
        if kills.contains(&at) {
            // A GEM is never answered: what it has sent is waited for, so that nothing is on its way.
            until(&node, "SELECT count(*) FROM energy.readings", &(2 * at).to_string());
            node.kill();
            node = Caudal::start("run", &data, &["--gem", &address]);
            stream = connect(&node);
        }
        let whole = meter.packet(Format::Bin48NetTime, begin_ms + i64::from(at) * INTERVAL_MS);
        // In two pieces, and now and then once more.
        let (one, other) = whole.split_at((at as usize * 37) % whole.len());
        stream.write_all(one).unwrap();
        stream.write_all(other).unwrap();
        if at % 50 == 3 {
            stream.write_all(&whole).unwrap();
        }
        // 3.6 kW are taken of the mains while 0.36 flow back, which does not lower what was taken.
        meter.channels[0].0 += 11 * WH;
        meter.channels[0].1 += WH;
        meter.channels[6].0 += WH;
    }
    until(&node, "SELECT count(*) FROM energy.readings", &(2 * packets).to_string());
    let first = node.rows(
        "SELECT circuit, extract(epoch FROM at)::BIGINT, voltage_v, current_a, energy_kwh, power_w FROM energy.readings
         WHERE customer_id = 'ana' ORDER BY at, circuit DESC LIMIT 2",
    );
    let at = (begin_ms / 1_000).to_string();
    let expected =
        [["mains", &at, "120.30", "1.000", "0.400000", ""], ["fridge", &at, "120.30", "0.500", "0.007000", ""]];
    assert_eq!(first, expected);
    // The last reading has no step yet.
    let totals = "SELECT sum(kwh) FILTER (WHERE circuit = 'mains'), sum(kwh) FILTER (WHERE circuit = 'fridge') FROM energy.steps";
    assert_eq!(node.rows(totals), [["3.990000", "0.399000"]]);
    assert_eq!(node.rows("SELECT circuit, at FROM energy.resets"), Vec::<Vec<String>>::new());
    assert_eq!(node.cell("SELECT count(*) FROM caudal.quarantine"), "0");
}

#[test]
fn what_was_answered_over_http_is_there_though_the_node_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut node = node(&data);
    let begin_ms = (now_ms() - 3 * 3_600_000) / INTERVAL_MS * INTERVAL_MS;
    let mut meter = meter();
    let packets = 300;
    for at in 0..packets {
        let body = meter.packet(Format::Bin48NetTime, begin_ms + at * INTERVAL_MS);
        meter.channels[0].0 += WH;
        if at % 75 == 40 {
            // Killed with a request on its way, which may have been kept or not, and is sent again.
            let http_at = node.doors["http"].clone();
            let head = format!("POST /v1/gem HTTP/1.1\r\nhost: node\r\ncontent-length: {}\r\n\r\n", body.len());
            let mut stream = TcpStream::connect(http_at).unwrap();
            stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
            node.kill();
            node = Caudal::start("run", &data, &["--gem", "off"]);
        }
        assert_eq!(http(&node, "POST /v1/gem", "", &body), Some((200, "OK\n".to_owned())));
        if at % 75 == 41 {
            node.kill();
            node = Caudal::run(&data);
        }
    }
    until(&node, "SELECT count(*) FROM energy.readings WHERE circuit = 'mains'", &packets.to_string());
    until(&node, "SELECT sum(kwh) FROM energy.steps WHERE circuit = 'mains'", "0.299000");
}

#[test]
fn every_format_is_taken_and_a_counter_that_begins_anew_counts_on() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir.path().join("data"));
    let mut meter = meter();
    for (at, format) in FORMATS.into_iter().enumerate() {
        // Readings without a time are of their arrival, so each waits for the one before.
        meter.channels[0].0 = (at as u64 + 1) * 10 * WH;
        meter.channels[6] = (3 * WH, 2 * WH, 1);
        let before = now_ms();
        assert_eq!(http(&node, "POST /v1/gem", "", &meter.packet(format, now_ms())).unwrap().0, 200, "{format:?}");
        until(&node, "SELECT count(*) FROM energy.readings WHERE circuit = 'mains'", &(at + 1).to_string());
        let last = &node.rows(
            "SELECT r.energy_kwh, (extract(epoch FROM r.at) * 1000)::BIGINT, f.energy_kwh FROM energy.readings AS r
             JOIN energy.readings AS f ON f.at = r.at AND f.circuit = 'fridge' WHERE r.circuit = 'mains' ORDER BY r.at DESC LIMIT 1",
        )[0];
        assert_eq!(last[0], format!("0.0{}0000", at + 1), "{format:?}");
        let arrived: i64 = last[1].parse().unwrap();
        assert!((before / 1_000 * 1_000..=now_ms()).contains(&arrived), "{format:?}: {last:?}");
        let has_polarity = !matches!(format, Format::Bin48Abs | Format::Bin32Abs);
        assert_eq!(last[2], if has_polarity { "0.001000" } else { "0.003000" }, "{format:?}");
    }
    // The text forms: a line over TCP, the query of a GET, the body of a POST.
    meter.channels[0].0 = 60 * WH;
    let form = meter.form(&[1_500.5]);
    let mut stream = connect(&node);
    stream.write_all(format!("Keep-Alive\r\n{form}\r\n").as_bytes()).unwrap();
    let of_power = "SELECT count(*) FROM energy.readings WHERE power_w = 1500.5 AND energy_kwh = 0.06";
    until(&node, of_power, "1");
    assert_eq!(http(&node, &format!("GET /v1/gem?{form}"), "", b""), Some((200, "OK\n".to_owned())));
    until(&node, of_power, "2");
    let headers = "content-type: application/x-www-form-urlencoded\r\n";
    assert_eq!(http(&node, "POST /v1/gem", headers, form.as_bytes()), Some((200, "OK\n".to_owned())));
    until(&node, of_power, "3");
    // The counter goes round at 2^40 Ws: what it shows then counts. (That it came near to it at once is a jump, and does not.)
    for watt_seconds in [(1 << 40) - 10 * WH, 10 * WH] {
        meter.channels[0].0 = watt_seconds;
        assert_eq!(http(&node, "POST /v1/gem", "", &meter.packet(Format::Bin48Net, 0)).unwrap().0, 200);
        let millionths = watt_seconds * 10 / 36;
        let (kwh, rest) = (millionths / 1_000_000, millionths % 1_000_000);
        let kept =
            format!("SELECT count(*) FROM energy.latest WHERE circuit = 'mains' AND energy_kwh = {kwh}.{rest:06}");
        until(&node, &kept, "1");
    }
    let resets =
        node.rows("SELECT before_kwh, after_kwh, is_jump FROM energy.resets WHERE circuit = 'mains' ORDER BY at");
    assert_eq!(resets, [["0.060000", "", "t"], ["305419.886604", "0.010000", "f"]]);
}

#[test]
fn what_is_no_packet_or_of_nobodys_meter_is_in_quarantine_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir.path().join("data"));
    let meter = meter();
    let at_ms = now_ms() - INTERVAL_MS;
    let good = meter.packet(Format::Bin32Net, at_ms);
    let mut wrong = good.clone();
    wrong[100] ^= 0x10;
    let mut stream = connect(&node);
    for bytes in
        [&wrong[..], &good, &good[..200], &good, b"\x00\x80garbage\xff", &good, b"\r\nn=02300123&wh_1=much\r\n"]
    {
        stream.write_all(bytes).unwrap();
    }
    stream.write_all(&Meter::new(9, 9).packet(Format::Bin48Net, at_ms)).unwrap();
    until(&node, "SELECT count(*) FROM caudal.quarantine", "5");
    let rows = node.rows("SELECT reason, payload, subject, table_name FROM caudal.quarantine ORDER BY position");
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let expected = [
        ("checksum is wrong", hex(&wrong)),
        ("does not end as one", hex(&good[..200])),
        ("does not begin as one", hex(b"\x00\x80garbage\xff")),
        ("field wh_1 is not a number", "n=02300123&wh_1=much".to_owned()),
        (
            "meter 00900009 has no channel in energy.gem_channels",
            hex(&Meter::new(9, 9).packet(Format::Bin48Net, at_ms)),
        ),
    ];
    for (row, (why, payload)) in rows.iter().zip(expected) {
        assert!(row[0].contains(why) && row[1] == payload, "{why}: {row:?}");
        assert_eq!(row[2..], ["gem from 127.0.0.1", "energy.readings"]);
    }
    // The good ones between them are there, all of the moment in which they came.
    assert_ne!(node.cell("SELECT count(*) FROM energy.readings"), "0");

    let told = |status: u16, words: &str, answer: Option<(u16, String)>| {
        let (got, body) = answer.unwrap();
        assert!(got == status && body.contains(words), "{got} {body}");
    };
    told(400, "checksum is wrong", http(&node, "POST /v1/gem", "", &wrong));
    told(403, "00900009", http(&node, "GET /v1/gem?n=00900009&wh_1=5", "", b""));
    told(400, "no packet", http(&node, "GET /v1/gem", "", b""));
    told(403, "no page", http(&node, "POST /v1/gem", "origin: http://evil.example\r\n", &good));
    told(413, "", http(&node, "POST /v1/gem", "", &vec![0xfe; 70_000]));
    until(&node, "SELECT count(*) FROM caudal.quarantine", "7");

    // A page that speaks HTTP to the other door is shown out, and so is who sends nothing but damage; no more than a hundred are kept.
    let ended = |bytes: &[u8]| {
        let mut stream = connect(&node);
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        // It may break while it is written to.
        let _ = stream.write_all(bytes);
        assert!(matches!(stream.read(&mut [0; 1]), Ok(0) | Err(_)), "it goes on");
    };
    ended(&[b"POST / HTTP/1.1\r\n\r\n", &good[..]].concat());
    let stranger = Meter::new(9, 9).packet(Format::Bin48Net, at_ms).repeat(50);
    for _ in 0..6 {
        ended(&stranger);
    }
    within(DEADLINE, || (node.cell("SELECT count(*) FROM caudal.quarantine") == "102").then_some(()));
    // The door is open to the others.
    connect(&node).write_all(&meter.packet(Format::Bin48NetTime, at_ms)).unwrap();
    let at = at_ms / 1_000;
    until(&node, &format!("SELECT count(*) FROM energy.readings WHERE extract(epoch FROM at) = {at}"), "2");
}
