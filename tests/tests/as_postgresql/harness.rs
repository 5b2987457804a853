//! The same asked of the node and of a real PostgreSQL.

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tests::node::Node;
use tests::postgresql::PostgreSql;
use tokio_postgres::{Client, SimpleQueryMessage};

/// Expressions that each test compares.
const EXPRESSIONS: usize = 1_500;

pub fn random() -> ChaCha8Rng {
    let full = std::env::var_os("CAUDAL_FULL").is_some();
    let seed = std::env::var("CAUDAL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| if full { rand::random() } else { 1 });
    eprintln!("seed {seed}");
    ChaCha8Rng::seed_from_u64(seed)
}

/// The only cell, or the code of the error.
pub async fn answer(client: &Client, expression: &str) -> Result<Option<String>, String> {
    let messages = client.simple_query(&format!("SELECT {expression}")).await;
    let messages =
        messages.map_err(|error| error.code().map_or(format!("{error:?}"), |code| code.code().to_owned()))?;
    let cell = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).map(str::to_owned)),
        _ => None,
    });
    Ok(cell.expect("there is a row"))
}

pub async fn compare(expression: impl FnMut(&mut ChaCha8Rng) -> String) {
    compare_all(&[], &[], expression).await;
}

/// What is selected, over what these statements make.
pub async fn compare_over(statements: &[&str], expression: impl FnMut(&mut ChaCha8Rng) -> String) {
    compare_all(statements, &[], expression).await;
}

/// What is selected in sessions of a random zone.
pub async fn compare_in_zones(zones: &[&str], expression: impl FnMut(&mut ChaCha8Rng) -> String) {
    compare_all(&[], zones, expression).await;
}

async fn compare_all(statements: &[&str], zones: &[&str], mut expression: impl FnMut(&mut ChaCha8Rng) -> String) {
    /// Expressions in a zone before another is set.
    const IN_ONE_ZONE: usize = 25;
    let Some(postgresql) = PostgreSql::start() else { return };
    let (theirs, node) = (postgresql.connect().await, Node::start().await);
    let ours = node.connect().await;
    let mut random = random();
    for statement in statements {
        theirs.batch_execute(statement).await.unwrap();
        ours.batch_execute(statement).await.unwrap();
    }
    let (mut zone, mut different) = (None, Vec::new());
    for number in 0..EXPRESSIONS {
        if !zones.is_empty() && number % IN_ONE_ZONE == 0 {
            zone = zones.choose(&mut random);
            for client in [&theirs, &ours] {
                client.batch_execute(&format!("SET TimeZone = {}", zone.unwrap())).await.unwrap();
            }
            let shown = "current_setting('TimeZone')";
            assert_eq!(answer(&ours, shown).await, answer(&theirs, shown).await, "{zone:?}");
        }
        let expression = expression(&mut random);
        let (expected, found) = (answer(&theirs, &expression).await, answer(&ours, &expression).await);
        if expected != found {
            let zone = zone.map(|zone| format!("in {zone}: ")).unwrap_or_default();
            different.push(format!("{zone}{expression}: {found:?}, and PostgreSQL {expected:?}"));
        }
    }
    node.stop().await;
    let count = different.len();
    assert!(different.is_empty(), "{count} of {EXPRESSIONS} differ:\n{}", different[..count.min(40)].join("\n"));
}

/// Statements one after the other in a session: the first cell of each, or the code of the error.
pub async fn script(client: &Client, statements: &[&str]) -> Vec<Result<Option<String>, String>> {
    let mut answers = Vec::new();
    for statement in statements {
        let messages = client.simple_query(statement).await;
        let code =
            |error: tokio_postgres::Error| error.code().map_or(format!("{error:?}"), |code| code.code().to_owned());
        answers.push(messages.map_err(code).map(|messages| {
            messages.iter().find_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            })
        }));
    }
    answers
}

/// Local times from 1900 to 2099, many of them near a change of the clocks.
pub fn time(random: &mut ChaCha8Rng) -> String {
    let near = ["2026-03-29 0", "2026-10-25 0", "1999-12-31 2", "2000-01-01 0", "2024-02-29 1", "2020-12-28 0"];
    let (hour, minute, second) = (random.random_range(0..4), random.random_range(0..60), random.random_range(0..60));
    let micros = *[0, 1, 120_000, 999_999, 5_000].choose(random).unwrap();
    if random.random_bool(0.5) {
        return format!("{}{hour}:{minute:02}:{second:02}.{micros:06}", near.choose(random).unwrap());
    }
    let (year, month, day) = (random.random_range(1900..2100), random.random_range(1..13), random.random_range(1..29));
    let hour = random.random_range(0..24);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06}")
}
