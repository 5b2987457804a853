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

    /// Whether a filter may be subscribed to: there are topics that it means and that the role may receive. Of the others it
    /// receives nothing.
    pub fn may_subscribe(&self, filter: &str) -> bool {
        self.all || self.subscribe.iter().any(|allowed| intersection(allowed, filter).is_some())
    }

    /// The filter of those topics of a filter that the role may receive, where it is another and there is one for all of them.
    pub fn narrowed(&self, filter: &str) -> Option<String> {
        if self.all || !valid_filter(filter) {
            return None;
        }
        let mut common = self.subscribe.iter().filter_map(|allowed| intersection(allowed, filter));
        let narrowed = common.next()?;
        (narrowed != filter && common.next().is_none()).then_some(narrowed)
    }

    /// Whether what is published to a topic may be sent to the role, whatever it has subscribed to.
    pub fn may_receive(&self, topic: &str) -> bool {
        self.all || self.subscribe.iter().any(|filter| matches(filter, topic))
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
    intersection(filter, topic).is_some()
}

/// The filter of the topics that both filters mean, if there are any; a topic is a filter that means itself.
fn intersection(left: &str, right: &str) -> Option<String> {
    let own = |one: &str, other: &str| one.starts_with('$') && other.starts_with(['+', '#']);
    if own(left, right) || own(right, left) {
        return None;
    }
    let (mut ones, mut others) = (left.split('/'), right.split('/'));
    let mut common = Vec::new();
    loop {
        match (ones.next(), others.next()) {
            // What `#` stands for may be nothing.
            (Some("#"), rest) => {
                common.extend(rest);
                common.extend(others);
                break;
            }
            (rest, Some("#")) => {
                common.extend(rest);
                common.extend(ones);
                break;
            }
            (Some("+"), Some(level)) | (Some(level), Some("+")) => common.push(level),
            (Some(one), Some(other)) if one == other => common.push(one),
            (None, None) => break,
            _ => return None,
        }
    }
    Some(common.join("/"))
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
    fn nobody_receives_more_than_is_theirs() {
        let (none, own) = ([], ["clients/{subject}/#".to_owned(), "news/+".to_owned()]);
        let rights = TopicRights::new(none.iter(), own.iter(), Some("17"));
        for filter in ["clients/17/#", "clients/17/+/x", "clients/17", "news/+", "+/17/#", "#", "clients/+/x", "news/#"]
        {
            assert!(rights.may_subscribe(filter), "{filter}");
        }
        for filter in ["clients/170/x", "news/a/b", "other/#", "$SYS/#", "+", ""] {
            assert!(!rights.may_subscribe(filter), "{filter}");
        }
        assert!(rights.may_receive("clients/17/x/y") && rights.may_receive("news/a"));
        for topic in ["clients/170/x", "clients/18", "news", "news/a/b", "$SYS/up"] {
            assert!(!rights.may_receive(topic), "{topic}");
        }
        assert!(!rights.may_publish("clients/17/x"));
        let nobody = TopicRights::new(own.iter(), own.iter(), None);
        assert!(nobody.may_publish("news/a") && !nobody.may_publish("clients/{subject}/x"));
    }

    #[test]
    fn a_filter_is_narrowed_to_what_may_be_received() {
        let (none, own) = ([], ["found/+/{subject}/+/config".to_owned(), "clients/{subject}/#".to_owned()]);
        let rights = TopicRights::new(none.iter(), own.iter(), Some("17"));
        for (filter, narrowed) in [
            ("found/+/+/+/config", Some("found/+/17/+/config")),
            ("found/#", Some("found/+/17/+/config")),
            ("found/x/17/y/config", None),
            ("clients/#", Some("clients/17/#")),
            ("clients/+", Some("clients/17")),
            ("clients/17/a/#", None),
            // Two kinds of topics have no filter for both alone.
            ("#", None),
            ("+/17/#", None),
            ("others/#", None),
            ("clients/#/17", None),
        ] {
            assert_eq!(rights.narrowed(filter).as_deref(), narrowed, "{filter}");
        }
        assert_eq!(TopicRights::all().narrowed("#"), None);
        for (left, right, common) in
            [("a/#", "a", Some("a")), ("a/#", "a/+/#", Some("a/+/#")), ("+/b", "a/+", Some("a/b"))]
        {
            assert_eq!(intersection(left, right).as_deref(), common, "{left} {right}");
            assert_eq!(intersection(right, left).as_deref(), common, "{right} {left}");
        }
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
