//! What the page says, by names: a file for each language.

use std::collections::HashMap;
use std::sync::LazyLock;

/// The words of a language.
pub(super) struct Words(HashMap<&'static str, &'static str>);

/// What customers of today read.
pub(super) fn spanish() -> &'static Words {
    static SPANISH: LazyLock<Words> = LazyLock::new(|| Words::read(include_str!("es.txt")));
    &SPANISH
}

impl Words {
    /// Lines of `name = words`; others are comments.
    fn read(text: &'static str) -> Words {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Words(lines.filter_map(|line| line.split_once(" = ")).collect())
    }

    /// The words of a name.
    pub(super) fn say(&self, name: &str) -> &'static str {
        self.0.get(name).unwrap_or_else(|| panic!("no words for {name}"))
    }

    /// The words of a name, with values in the places that are named for them.
    pub(super) fn with(&self, name: &str, values: &[(&str, &str)]) -> String {
        let mut said = self.say(name).to_owned();
        for (place, value) in values {
            said = said.replace(&format!("{{{place}}}"), value);
        }
        said
    }

    /// How many of something.
    pub(super) fn count(&self, name: &str, count: u64) -> String {
        let form = if count == 1 { format!("{name}.one") } else { format!("{name}.many") };
        self.with(&form, &[("n", &count.to_string())])
    }

    /// How long ago something was.
    pub(super) fn ago(&self, passed_ms: i64) -> String {
        let minutes = passed_ms.max(0) / 60_000;
        match (minutes, minutes / 60, minutes / (24 * 60)) {
            (0, ..) => self.say("ago.now").to_owned(),
            (minutes, 0, _) => self.count("ago.minutes", minutes as u64),
            (_, hours, 0) => self.count("ago.hours", hours as u64),
            (.., days) => self.count("ago.days", days as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_told_in_words() {
        let ago = |passed_ms| spanish().ago(passed_ms);
        assert_eq!(ago(-5), "hace menos de un minuto");
        assert_eq!(ago(60_000), "hace 1 minuto");
        assert_eq!(ago(59 * 60_000), "hace 59 minutos");
        assert_eq!(ago(60 * 60_000), "hace 1 hora");
        assert_eq!(ago(49 * 3_600_000), "hace 2 días");
    }
}
