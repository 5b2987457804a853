//! MQTT topics that a role may publish to and subscribe to.

/// Stands in a filter for the role's subject.
const SUBJECT: &str = "{subject}";

/// What a role may do with MQTT topics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicRights {
    all: bool,
    publish: Vec<String>,
    subscribe: Vec<String>,
}

impl TopicRights {
    /// Everything.
    pub fn all() -> TopicRights {
        TopicRights { all: true, ..TopicRights::default() }
    }

    /// A filter that names a subject is nothing for a role that has none.
    pub(super) fn new<'a>(
        publish: impl Iterator<Item = &'a String>,
        subscribe: impl Iterator<Item = &'a String>,
        subject: Option<&str>,
    ) -> TopicRights {
        let own = |filter: &'a String| match (filter.contains(SUBJECT), subject) {
            (true, Some(subject)) => Some(filter.replace(SUBJECT, subject)),
            (true, None) => None,
            (false, _) => Some(filter.clone()),
        };
        TopicRights {
            all: false,
            publish: publish.filter_map(own).collect(),
            subscribe: subscribe.filter_map(own).collect(),
        }
    }

    /// Whether a topic may be published to, also by a will.
    pub fn may_publish(&self, topic: &str) -> bool {
        self.all || self.publish.iter().any(|filter| matches(filter, topic))
    }

    /// Whether a filter, shared or not, may be subscribed to: all that it matches must be allowed by one of the role's.
    pub fn may_subscribe(&self, filter: &str) -> bool {
        let filter = match filter.strip_prefix("$share/") {
            Some(shared) => shared.split_once('/').map_or("", |(_, filter)| filter),
            None => filter,
        };
        !filter.is_empty() && (self.all || self.subscribe.iter().any(|allowed| covers(allowed, filter)))
    }
}

/// Whether a text is a filter of MQTT: `+` and `#` alone in their levels, `#` last.
pub fn valid_filter(filter: &str) -> bool {
    let levels: Vec<&str> = filter.split('/').collect();
    let well = |(at, level): (usize, &&str)| match *level {
        "+" => true,
        "#" => at + 1 == levels.len(),
        level => !level.contains(['+', '#', '\0']),
    };
    !filter.is_empty() && filter.len() <= usize::from(u16::MAX) && levels.iter().enumerate().all(well)
}

/// Whether a topic is one that a filter means. A topic that begins with `$` is meant by its first level alone.
pub fn matches(filter: &str, topic: &str) -> bool {
    covers(filter, topic)
}

/// Whether all topics that `inner` means are meant by `outer` too; a topic is a filter that means itself.
fn covers(outer: &str, inner: &str) -> bool {
    if inner.starts_with('$') && outer.starts_with(['+', '#']) {
        return false;
    }
    let (mut outer, mut inner) = (outer.split('/'), inner.split('/'));
    loop {
        match (outer.next(), inner.next()) {
            (Some("#"), _) => return true,
            (Some("+"), Some(level)) if level != "#" => {}
            (Some(left), Some(right)) if left == right && right != "+" && right != "#" => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_mean_topics_as_the_standard_says() {
        let meant = [
            ("a/b", "a/b"),
            ("a/+", "a/b"),
            ("a/#", "a"),
            ("a/#", "a/b/c"),
            ("#", "a/b"),
            ("+/+", "/b"),
            ("$SYS/#", "$SYS/up"),
        ];
        let not =
            [("a/b", "a/b/c"), ("a/+", "a"), ("a/+", "a/b/c"), ("#", "$SYS/up"), ("+/up", "$SYS/up"), ("+", "/b")];
        meant.into_iter().for_each(|(filter, topic)| assert!(matches(filter, topic), "{filter} {topic}"));
        not.into_iter().for_each(|(filter, topic)| assert!(!matches(filter, topic), "{filter} {topic}"));
    }

    #[test]
    fn nobody_subscribes_to_more_than_is_theirs() {
        let (none, own) = ([], ["clients/{subject}/#".to_owned(), "news/+".to_owned()]);
        let rights = TopicRights::new(none.iter(), own.iter(), Some("17"));
        for filter in ["clients/17/#", "clients/17/+/x", "clients/17", "news/+", "news/a", "$share/g/clients/17/#"] {
            assert!(rights.may_subscribe(filter), "{filter}");
        }
        for filter in ["#", "+/17/#", "clients/+/x", "clients/170/x", "news/#", "news/a/b", "$share/g", "$SYS/#", ""] {
            assert!(!rights.may_subscribe(filter), "{filter}");
        }
        assert!(!rights.may_publish("clients/17/x"));
        let nobody = TopicRights::new(own.iter(), own.iter(), None);
        assert!(nobody.may_publish("news/a") && !nobody.may_publish("clients/{subject}/x"));
    }

    #[test]
    fn wildcards_stand_alone() {
        for filter in ["a/b", "+", "#", "a/+/#", "/"] {
            assert!(valid_filter(filter), "{filter}");
        }
        for filter in ["", "a+", "a/#/b", "#a", "a/b#"] {
            assert!(!valid_filter(filter), "{filter}");
        }
    }
}
