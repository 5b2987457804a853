//! Settings that clients send and ask for.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::SqlError;
use crate::functions::zone::Zone;
use crate::limits::{QUERY_BYTES_MAX, QUERY_BYTES_MIN, SETTINGS_MAX};

/// The PostgreSQL version whose behaviour clients may expect.
pub const SERVER_VERSION: &str = "15.0";

/// What may be set to what.
enum Allowed {
    Anything,
    /// One of these, in any case.
    Only(&'static [&'static str]),
    /// An amount of memory that a query may have.
    Memory,
    /// on or off.
    Switch,
    /// A time, in milliseconds unless it says; 0 is none.
    Time,
    /// A time zone.
    Zone,
    Nothing,
}

/// Every setting that is known: its name as PostgreSQL prints it, its default, its values.
const KNOWN: &[(&str, &str, Allowed)] = &[
    ("application_name", "", Allowed::Anything),
    ("bytea_output", "hex", Allowed::Only(&["hex"])),
    ("client_encoding", "UTF8", Allowed::Only(&["utf8", "utf-8", "unicode"])),
    ("client_min_messages", "notice", Allowed::Anything),
    ("DateStyle", "ISO, MDY", Allowed::Only(&["iso", "iso, mdy", "iso, dmy", "iso, ymd"])),
    ("default_table_access_method", "heap", Allowed::Nothing),
    ("default_tablespace", "", Allowed::Only(&["", "pg_default"])),
    ("default_transaction_isolation", "repeatable read", Allowed::Anything),
    ("default_transaction_read_only", "off", Allowed::Switch),
    ("extra_float_digits", "1", Allowed::Anything),
    ("idle_in_transaction_session_timeout", "0", Allowed::Time),
    ("idle_session_timeout", "0", Allowed::Time),
    ("in_hot_standby", "off", Allowed::Nothing),
    ("integer_datetimes", "on", Allowed::Nothing),
    ("IntervalStyle", "postgres", Allowed::Only(&["postgres"])),
    ("is_superuser", "on", Allowed::Nothing),
    ("jit", "off", Allowed::Only(&["off", "false", "0", "no"])),
    ("lc_collate", "C", Allowed::Nothing),
    ("lc_ctype", "C", Allowed::Nothing),
    ("lc_messages", "C", Allowed::Only(&["c"])),
    ("lc_monetary", "C", Allowed::Only(&["c"])),
    ("lc_numeric", "C", Allowed::Only(&["c"])),
    ("lc_time", "C", Allowed::Only(&["c"])),
    ("lock_timeout", "0", Allowed::Only(&["0"])),
    ("max_index_keys", "32", Allowed::Nothing),
    ("max_identifier_length", "63", Allowed::Nothing),
    ("search_path", "public", Allowed::Only(&["public", "\"$user\", public", "\"$user\",public"])),
    ("server_encoding", "UTF8", Allowed::Nothing),
    ("server_version", SERVER_VERSION, Allowed::Nothing),
    ("server_version_num", "150000", Allowed::Nothing),
    ("standard_conforming_strings", "on", Allowed::Only(&["on", "true", "1"])),
    ("statement_timeout", "0", Allowed::Time),
    ("TimeZone", "UTC", Allowed::Zone),
    ("transaction_isolation", "repeatable read", Allowed::Anything),
    ("transaction_read_only", "off", Allowed::Only(&["off", "false", "0", "no"])),
    (WORK_MEM, "256MB", Allowed::Memory),
];

/// What a query's operators may hold before they write to temporary files.
const WORK_MEM: &str = "work_mem";

/// A session's settings: the known ones, and those of the client's own whose names have a dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How often they were set.
    revision: u64,
    /// By name in lower case: the name as printed, and the value.
    values: BTreeMap<String, (String, String)>,
}

impl Default for Settings {
    fn default() -> Settings {
        let entry =
            |(name, value, _): &(&str, &str, Allowed)| (name.to_lowercase(), ((*name).to_owned(), (*value).to_owned()));
        Settings { revision: 0, values: KNOWN.iter().map(entry).collect() }
    }
}

impl Settings {
    /// The value under any case of the name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(&name.to_lowercase()).map(|(_, value)| value.as_str())
    }

    /// Bytes that the operators of a query may hold.
    pub fn query_bytes(&self) -> usize {
        self.get(WORK_MEM).and_then(|value| memory(&value.to_lowercase())).unwrap_or(QUERY_BYTES_MAX)
    }

    /// Whether a switch is on.
    pub fn is_on(&self, name: &str) -> bool {
        self.get(name) == Some("on")
    }

    /// A time that is set; `None` where there is no limit.
    pub fn limit(&self, name: &str) -> Option<Duration> {
        self.get(name).and_then(millis).filter(|&millis| millis > 0).map(Duration::from_millis)
    }

    /// The time zone, unless it is UTC: what moments are shown and read in.
    pub fn zone(&self) -> Option<(Zone, &str)> {
        let name = self.get("TimeZone").filter(|name| *name != "UTC")?;
        Zone::of(name).ok().map(|zone| (zone, name))
    }

    /// The name as it is printed.
    pub fn printed<'a>(&'a self, name: &'a str) -> &'a str {
        self.values.get(&name.to_lowercase()).map_or(name, |(printed, _)| printed)
    }

    /// (name as printed, value), in name order.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.values().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// What was worked out under the settings of one revision holds until there is another.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Those of another time again.
    pub fn restore(&mut self, settings: Settings) {
        *self = Settings { revision: self.revision + 1, ..settings };
    }

    /// All of them as they are by default.
    pub fn reset(&mut self) {
        *self = Settings { revision: self.revision + 1, ..Settings::default() };
    }

    /// Sets a value; `None` sets the default.
    pub fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), SqlError> {
        self.revision += 1;
        let folded = name.to_lowercase();
        let Some((printed, default, allowed)) = KNOWN.iter().find(|(known, _, _)| known.to_lowercase() == folded)
        else {
            return self.set_custom(name, folded, value);
        };
        let value = value.unwrap_or(default);
        let folded_value = value.to_lowercase();
        match allowed {
            _ if value == *default => {}
            Allowed::Anything => {}
            Allowed::Only(values) if values.contains(&folded_value.as_str()) => {
                // Spelled as clients parse it.
                if folded == "client_encoding" {
                    return Ok(());
                }
            }
            Allowed::Switch => {
                let on = ["on", "true", "1", "yes"].contains(&&*folded_value);
                if !on && !["off", "false", "0", "no"].contains(&&*folded_value) {
                    return Err(SqlError::new("22023", format!("{printed} is on or off, not {value}")));
                }
                let value = if on { "on" } else { "off" };
                self.values.insert(folded, ((*printed).to_owned(), value.to_owned()));
                return Ok(());
            }
            Allowed::Zone => {
                let zone = if folded_value == "local" { "UTC" } else { value };
                let refused = |error: SqlError| {
                    let words = format!("invalid value for parameter \"{printed}\": \"{value}\"");
                    SqlError { message: words, ..error }
                };
                let (_, name) = Zone::set(zone).map_err(refused)?;
                self.values.insert(folded, ((*printed).to_owned(), name));
                return Ok(());
            }
            Allowed::Time => {
                let refused = || {
                    SqlError::new("22023", format!("{printed} is a time such as 500, 500ms, 2s or 1min, not {value}"))
                };
                let millis = millis(value).ok_or_else(refused)?;
                self.values.insert(folded, ((*printed).to_owned(), shown(millis)));
                return Ok(());
            }
            Allowed::Only(_) if folded == "search_path" && value.is_empty() => {
                let refused = SqlError::unsupported("an empty search_path, which pg_dump asks for,");
                return Err(refused.hint(
                    "pg_dump does not work here: COPY .. TO STDOUT takes rows out, and SHOW CREATE says what made them.",
                ));
            }
            Allowed::Only(_) => {
                return Err(SqlError::new("22023", format!("{printed} can only be {default}, not {value}")));
            }
            Allowed::Memory => {
                let range = QUERY_BYTES_MIN..=QUERY_BYTES_MAX;
                let bytes = memory(&folded_value);
                if !bytes.is_some_and(|bytes| range.contains(&bytes)) {
                    let words = format!(
                        "{printed} is a number of kB, or of MB with that unit, from 4MB to {default}, not {value}"
                    );
                    return Err(SqlError::new("22023", words));
                }
            }
            Allowed::Nothing => return Err(SqlError::new("55P02", format!("{printed} cannot be changed"))),
        }
        self.values.insert(folded, ((*printed).to_owned(), value.to_owned()));
        Ok(())
    }

    fn set_custom(&mut self, name: &str, folded: String, value: Option<&str>) -> Result<(), SqlError> {
        if !name.contains('.') {
            return Err(SqlError::new("42704", format!("unrecognized configuration parameter \"{name}\"")));
        }
        if self.values.len() >= KNOWN.len() + SETTINGS_MAX && !self.values.contains_key(&folded) {
            return Err(SqlError::new("53400", format!("a session has at most {SETTINGS_MAX} settings of its own")));
        }
        match value {
            Some(value) => drop(self.values.insert(folded, (name.to_owned(), value.to_owned()))),
            None => drop(self.values.remove(&folded)),
        }
        Ok(())
    }
}

/// Bytes from kilobytes, or from a number with its unit, in lower case.
fn memory(text: &str) -> Option<usize> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim() {
        "" | "kb" => 10,
        "mb" => 20,
        "gb" => 30,
        _ => return None,
    };
    number.parse::<usize>().ok()?.checked_mul(1 << shift)
}

/// Units of time, the smallest first, and their milliseconds.
const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Milliseconds of `1500`, `1500ms`, `2 s`; at most what PostgreSQL takes.
fn millis(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = match text[digits..].trim() {
        "" => 1,
        named => UNITS.iter().find(|(unit, _)| *unit == named)?.1,
    };
    text[..digits].parse::<u64>().ok()?.checked_mul(unit).filter(|&millis| millis <= i32::MAX as u64)
}

/// A time as settings have them: `500`, `500ms`, `2s`.
pub fn time(text: &str) -> Result<Duration, SqlError> {
    let refused = || SqlError::new("22023", format!("a time is such as 500, 500ms, 2s or 1min, not {text}"));
    millis(text).map(Duration::from_millis).ok_or_else(refused)
}

/// In the largest unit of which it is a whole number.
fn shown(millis: u64) -> String {
    let whole = UNITS.iter().rev().find(|(_, of)| millis > 0 && millis.is_multiple_of(*of));
    whole.map_or_else(|| "0".to_owned(), |(unit, of)| format!("{}{unit}", millis / of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_send_is_taken_and_what_would_change_answers_is_refused() {
        let mut settings = Settings::default();
        settings.set("application_name", Some("psql")).unwrap();
        settings.set("TIMEZONE", Some("europe/madrid")).unwrap();
        settings.set("client_encoding", Some("unicode")).unwrap();
        settings.set("my.own", Some("1")).unwrap();
        let told = ["Application_Name", "timezone", "client_encoding", "my.own"].map(|name| settings.get(name));
        assert_eq!(told, [Some("psql"), Some("Europe/Madrid"), Some("UTF8"), Some("1")]);
        assert_eq!(settings.printed("timezone"), "TimeZone");
        assert_eq!(settings.set("TimeZone", Some("Europe/Nowhere")).unwrap_err().sqlstate, "22023");
        for (value, printed) in [("-3.5", "<-03:30>+03:30"), ("2", "<+02>-02"), ("+05:30", "+05:30"), ("utc", "UTC")] {
            settings.set("TimeZone", Some(value)).unwrap();
            assert_eq!(settings.get("TimeZone"), Some(printed));
            let offset = settings.zone().map(|(zone, _)| zone.offset_at(&chrono::NaiveDateTime::default()));
            let east = [("-3.5", -12_600), ("2", 7_200), ("+05:30", -19_800)];
            assert_eq!(offset, east.iter().find(|(of, _)| *of == value).map(|(_, east_s)| *east_s));
        }
        assert_eq!(settings.set("server_version", Some("9")).unwrap_err().sqlstate, "55P02");
        assert_eq!(settings.set("no_such", Some("9")).unwrap_err().sqlstate, "42704");
        for (value, bytes) in [("4096", 4 << 20), ("8MB", 8 << 20), ("100 mb", 100 << 20), ("256MB", 256 << 20)] {
            settings.set("work_mem", Some(value)).unwrap();
            assert_eq!(settings.query_bytes(), bytes, "{value}");
        }
        for value in ["64kB", "1TB", "257MB", "lots", "-1"] {
            assert_eq!(settings.set("work_mem", Some(value)).unwrap_err().sqlstate, "22023", "{value}");
        }
        for (given, shown) in [("1500", "1500ms"), ("2000", "2s"), ("1 min", "1min"), ("0", "0")] {
            settings.set("statement_timeout", Some(given)).unwrap();
            assert_eq!(settings.get("statement_timeout"), Some(shown));
        }
        assert_eq!(settings.set("statement_timeout", Some("-1")).unwrap_err().sqlstate, "22023");
        assert_eq!(settings.limit("statement_timeout"), None);
        settings.set("application_name", None).unwrap();
        assert_eq!(settings.get("application_name"), Some(""));
    }
}
