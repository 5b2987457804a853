//! Local time: hours, days and months where the meter hangs.

use std::collections::BTreeMap;

use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::planned::Catalogue;

/// The one value of an expression, in words.
async fn value(expr: &str) -> Result<String, sql::SqlError> {
    let rows = Catalogue::new().query(&format!("SELECT {expr} AS value"), &BTreeMap::new()).await?;
    let options = FormatOptions::default().with_null("NULL");
    Ok(ArrayFormatter::try_new(rows.column(0), &options).unwrap().value(0).to_string())
}

#[tokio::test]
async fn days_and_hours_begin_where_the_zone_says() {
    for (expr, expected) in [
        // Madrid is an hour ahead in winter, two in summer.
        ("local_day(TIMESTAMPTZ '2026-01-31T22:59:59Z', 'Europe/Madrid')", "2026-01-31"),
        ("local_day(TIMESTAMPTZ '2026-01-31T23:00:00Z', 'Europe/Madrid')", "2026-02-01"),
        ("local_month(TIMESTAMPTZ '2026-01-31T23:00:00Z', 'Europe/Madrid')", "2026-02-01"),
        ("local_day(TIMESTAMPTZ '2026-07-01T22:00:00Z', 'Europe/Madrid')", "2026-07-02"),
        ("local_month(TIMESTAMPTZ '1969-12-31T23:30:00Z', 'America/New_York')", "1969-12-01"),
        // The clock goes back at 01:00Z: the hour from two to three comes twice and is two hours.
        ("local_hour(TIMESTAMPTZ '2026-10-25T00:30:00Z', 'Europe/Madrid')", "2026-10-25T00:00:00Z"),
        ("local_hour(TIMESTAMPTZ '2026-10-25T01:30:00Z', 'Europe/Madrid')", "2026-10-25T01:00:00Z"),
        // Hours begin at half past where the zone does.
        ("local_hour(TIMESTAMPTZ '2026-05-01T12:15:00Z', 'Asia/Kolkata')", "2026-05-01T11:30:00Z"),
        ("local_day(NULL, 'Europe/Madrid')", "NULL"),
        ("local_day(TIMESTAMPTZ '2026-01-31T22:59:59Z', NULL)", "NULL"),
    ] {
        assert_eq!(value(expr).await.unwrap(), expected, "{expr}");
    }
}

#[tokio::test]
async fn unknown_zones_and_other_types_are_refused_with_words() {
    let error = value("local_day(TIMESTAMPTZ '2026-01-31T22:59:59Z', 'Europe/Vigo')").await.unwrap_err();
    assert_eq!((error.sqlstate, error.message.as_str()), ("22023", "time zone \"Europe/Vigo\" not recognized"));
    let error = value("local_day(1, 'Europe/Madrid')").await.unwrap_err();
    assert_eq!((error.sqlstate, error.message.as_str()), ("42883", "function local_day(bigint, text) does not exist."));
}
