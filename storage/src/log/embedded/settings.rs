//! A topic's settings, under Kafka's names.

use std::collections::BTreeMap;

use crate::limits::{BATCH_BYTES_MAX, RETENTION_MS_DEFAULT, SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_RANGE};
use crate::log::LogError;

const RETENTION_MS: &str = "retention.ms";
const RETENTION_BYTES: &str = "retention.bytes";
const SEGMENT_BYTES: &str = "segment.bytes";
/// Kafka's way to say that something is not limited.
const UNLIMITED: &str = "-1";

/// How a topic is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSettings {
    /// Milliseconds after its last record that a segment is kept; `None` for ever.
    pub retention_ms: Option<u64>,
    /// Bytes of a partition beyond which its oldest segments go; `None` without limit.
    pub retention_bytes: Option<u64>,
    /// Bytes after which a new segment begins.
    pub segment_bytes: u64,
}

/// A setting as an administrator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub name: &'static str,
    pub value: String,
    /// Whether nobody set it for this topic.
    pub is_default: bool,
    /// Whether it cannot be set to anything else.
    pub is_fixed: bool,
}

impl Default for TopicSettings {
    fn default() -> TopicSettings {
        TopicSettings {
            retention_ms: Some(RETENTION_MS_DEFAULT),
            retention_bytes: None,
            segment_bytes: SEGMENT_BYTES_DEFAULT,
        }
    }
}

impl TopicSettings {
    /// Settings given by name; those not named have their defaults.
    pub fn parse<'a>(named: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<TopicSettings, LogError> {
        let mut settings = TopicSettings::default();
        for (name, value) in named {
            settings.set(name, value)?;
        }
        Ok(settings)
    }

    /// Changes one setting.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), LogError> {
        match name {
            RETENTION_MS => self.retention_ms = limit(name, value)?,
            RETENTION_BYTES => self.retention_bytes = limit(name, value)?,
            SEGMENT_BYTES => {
                let bytes = value.parse().ok().filter(|bytes| SEGMENT_BYTES_RANGE.contains(bytes));
                self.segment_bytes =
                    bytes.ok_or_else(|| invalid(name, value, &format!("a number in {SEGMENT_BYTES_RANGE:?}")))?;
            }
            _ => match fixed().into_iter().find(|(fixed, _)| *fixed == name) {
                Some((_, only)) if only == value => {}
                Some((_, only)) => return Err(invalid(name, value, &only)),
                None => return Err(unknown(name)),
            },
        }
        Ok(())
    }

    /// Gives one setting its default again.
    pub fn reset(&mut self, name: &str) -> Result<(), LogError> {
        let default = TopicSettings::default().list().into_iter().find(|setting| setting.name == name);
        let default = default.ok_or_else(|| unknown(name))?;
        self.set(name, &default.value)
    }

    /// Every setting that Kafka clients ask for, with its value.
    pub fn list(&self) -> Vec<Setting> {
        let default = TopicSettings::default().named();
        let own = self.named().into_iter().zip(default).map(|((name, value), (_, default))| Setting {
            name,
            is_default: value == default,
            value,
            is_fixed: false,
        });
        let fixed = fixed().into_iter().map(|(name, value)| Setting { name, value, is_default: true, is_fixed: true });
        own.chain(fixed).collect()
    }

    /// The settings that differ from the defaults: what is kept in the topic's file.
    pub fn overrides(&self) -> BTreeMap<String, String> {
        let listed = self.list().into_iter().filter(|setting| !setting.is_default);
        listed.map(|setting| (setting.name.to_string(), setting.value)).collect()
    }

    fn named(&self) -> [(&'static str, String); 3] {
        let limit = |limit: Option<u64>| limit.map_or(UNLIMITED.to_string(), |limit| limit.to_string());
        [
            (RETENTION_MS, limit(self.retention_ms)),
            (RETENTION_BYTES, limit(self.retention_bytes)),
            (SEGMENT_BYTES, self.segment_bytes.to_string()),
        ]
    }
}

/// Settings of Kafka's that have one value here.
fn fixed() -> [(&'static str, String); 5] {
    [
        ("cleanup.policy", "delete".to_string()),
        ("compression.type", "producer".to_string()),
        ("max.message.bytes", BATCH_BYTES_MAX.to_string()),
        ("message.timestamp.type", "CreateTime".to_string()),
        ("min.insync.replicas", "1".to_string()),
    ]
}

fn limit(name: &str, value: &str) -> Result<Option<u64>, LogError> {
    match value {
        UNLIMITED => Ok(None),
        _ => value.parse().map(Some).map_err(|_| invalid(name, value, "a number, or -1 for no limit")),
    }
}

fn unknown(name: &str) -> LogError {
    let known = [RETENTION_MS, RETENTION_BYTES, SEGMENT_BYTES].join(", ");
    LogError::InvalidSetting(format!("{name} is not supported: {known} are"))
}

fn invalid(name: &str, value: &str, allowed: &str) -> LogError {
    LogError::InvalidSetting(format!("{name} cannot be {value:?}: it must be {allowed}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back_as_they_were_kept() {
        let given = [("retention.ms", "-1"), ("retention.bytes", "5000"), ("cleanup.policy", "delete")];
        let settings = TopicSettings::parse(given).unwrap();
        assert_eq!((settings.retention_ms, settings.retention_bytes), (None, Some(5_000)));
        let kept = settings.overrides();
        assert_eq!(kept.keys().collect::<Vec<_>>(), ["retention.bytes", "retention.ms"]);
        assert_eq!(TopicSettings::parse(kept.iter().map(|(name, value)| (&**name, &**value))).unwrap(), settings);
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        let refused = |name, value| TopicSettings::parse([(name, value)]).unwrap_err().to_string();
        assert!(refused("cleanup.policy", "compact").contains("it must be delete"));
        assert!(refused("flush.ms", "1").contains("flush.ms is not supported"));
        assert!(refused("segment.bytes", "12").contains("segment.bytes cannot be \"12\""));
        assert!(refused("retention.ms", "soon").contains("-1 for no limit"));
    }
}
