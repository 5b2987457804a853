//! The topics and their directories: made and removed so that after a crash each is there as a whole or not at all.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::home;
use super::partition::Partition;
use super::recovery;
use super::settings::TopicSettings;
use crate::limits::{PARTITIONS_MAX, PARTITIONS_PER_TOPIC_MAX, TOPICS_MAX};
use crate::log::{LogError, TopicPartition};

const TOPIC_FILE: &str = "topic.json";
const TOPIC_VERSION: u32 = 1;
/// Ends the name of a directory that is being made or removed. No topic's name has this character.
const UNFINISHED_SUFFIX: &str = "~temp";
/// With the suffix it is still a file name on every file system.
const TOPIC_NAME_BYTES_MAX: usize = 249;

/// A topic, with the partitions that are open.
#[derive(Debug)]
pub struct Topic {
    pub name: Arc<str>,
    pub settings: TopicSettings,
    /// By number.
    pub partitions: Vec<Arc<Partition>>,
}

/// What `topic.json` holds.
#[derive(Serialize, Deserialize)]
struct TopicFile {
    version: u32,
    partitions: i32,
    settings: BTreeMap<String, String>,
}

/// All topics by name.
pub type Topics = BTreeMap<Arc<str>, Arc<Topic>>;

/// Opens every topic below `dir` and removes what a crash left unfinished.
pub fn open_all(dir: &Path) -> Result<Topics, LogError> {
    let at = |source| LogError::io(dir, source);
    let mut topics = Topics::new();
    for entry in fs::read_dir(dir).map_err(at)? {
        let path = entry.map_err(at)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_string();
        if name.ends_with(UNFINISHED_SUFFIX) {
            fs::remove_dir_all(&path).map_err(|source| LogError::io(&path, source))?;
            continue;
        }
        if !is_valid_name(&name) {
            return Err(LogError::refused(&path, "it is not a topic: move it away"));
        }
        let topic = open(dir, &name)?;
        topics.insert(topic.name.clone(), Arc::new(topic));
    }
    home::sync_dir(dir).map_err(at)?;
    Ok(topics)
}

/// Makes a topic, durably.
pub fn create(
    dir: &Path,
    topics: &Topics,
    name: &str,
    partitions: i32,
    settings: &TopicSettings,
) -> Result<Topic, LogError> {
    check_new(topics, name, partitions)?;
    let path = topic_dir(dir, name);
    let make = || -> io::Result<()> {
        let unfinished = unfinished_dir(dir, name);
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        if path.exists() {
            // Left by a creation that failed at its very last step and was never acknowledged.
            fs::rename(&path, &unfinished)?;
            fs::remove_dir_all(&unfinished)?;
        }
        fs::create_dir(&unfinished)?;
        for partition in 0..partitions {
            recovery::create(&unfinished.join(partition.to_string()))?;
        }
        write_file(&unfinished, partitions, settings)?;
        fs::rename(&unfinished, &path)?;
        home::sync_dir(dir)
    };
    make().map_err(|source| LogError::io(&path, source))?;
    open(dir, name)
}

/// Gives a topic other settings, durably.
pub fn alter(dir: &Path, topic: &Topic, settings: TopicSettings) -> Result<Topic, LogError> {
    let path = topic_dir(dir, &topic.name);
    write_file(&path, topic.partitions.len() as i32, &settings).map_err(|source| LogError::io(&path, source))?;
    topic.partitions.iter().for_each(|partition| partition.set_settings(settings.clone()));
    Ok(Topic { name: topic.name.clone(), settings, partitions: topic.partitions.clone() })
}

/// Removes a topic's directory: once this returns it does not come back.
pub fn remove(dir: &Path, name: &str) -> Result<(), LogError> {
    let unfinished = unfinished_dir(dir, name);
    let remove = || -> io::Result<()> {
        fs::rename(topic_dir(dir, name), &unfinished)?;
        home::sync_dir(dir)?;
        fs::remove_dir_all(&unfinished)
    };
    remove().map_err(|source| LogError::io(&unfinished, source))
}

/// Whether a topic may be called this: Kafka's rule.
pub fn is_valid_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=TOPIC_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(legal) && name != "." && name != ".."
}

/// Whether a topic of this name and size can be made.
pub fn check_new(topics: &Topics, name: &str, partitions: i32) -> Result<(), LogError> {
    if !is_valid_name(name) {
        return Err(LogError::InvalidTopic(name.to_string()));
    }
    if topics.contains_key(name) {
        return Err(LogError::TopicExists(name.to_string()));
    }
    if !(1..=PARTITIONS_PER_TOPIC_MAX).contains(&partitions) {
        let reason = format!("{partitions} partitions: a topic has 1 to {PARTITIONS_PER_TOPIC_MAX}");
        return Err(LogError::InvalidPartitions(reason));
    }
    let open: usize = topics.values().map(|topic| topic.partitions.len()).sum();
    if topics.len() >= TOPICS_MAX || open + partitions as usize > PARTITIONS_MAX {
        let reason = format!("the log holds at most {TOPICS_MAX} topics with {PARTITIONS_MAX} partitions: delete some");
        return Err(LogError::InvalidPartitions(reason));
    }
    Ok(())
}

fn write_file(topic_dir: &Path, partitions: i32, settings: &TopicSettings) -> io::Result<()> {
    let file = TopicFile { version: TOPIC_VERSION, partitions, settings: settings.overrides() };
    let json = serde_json::to_vec_pretty(&file).expect("numbers and text make JSON");
    home::write_durably(topic_dir, TOPIC_FILE, &json)
}

fn open(dir: &Path, name: &str) -> Result<Topic, LogError> {
    let path = topic_dir(dir, name).join(TOPIC_FILE);
    let json = fs::read(&path).map_err(|source| LogError::io(&path, source))?;
    let file: TopicFile =
        serde_json::from_slice(&json).map_err(|error| LogError::refused(&path, format!("it is damaged: {error}")))?;
    if file.version != TOPIC_VERSION {
        let reason = format!("it has version {}, this node reads {TOPIC_VERSION}: use a newer one", file.version);
        return Err(LogError::refused(&path, reason));
    }
    let named = file.settings.iter().map(|(name, value)| (&**name, &**value));
    let settings = TopicSettings::parse(named).map_err(|error| LogError::refused(&path, error.to_string()))?;
    let name: Arc<str> = name.into();
    let open_partition = |partition: i32| {
        let id = TopicPartition { topic: name.clone(), partition };
        let dir = topic_dir(dir, &name).join(partition.to_string());
        Partition::open(id, dir, settings.clone()).map(Arc::new)
    };
    let partitions = (0..file.partitions).map(open_partition).collect::<Result<_, LogError>>()?;
    Ok(Topic { name, settings, partitions })
}

fn topic_dir(dir: &Path, name: &str) -> PathBuf {
    dir.join(name)
}

fn unfinished_dir(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}{UNFINISHED_SUFFIX}"))
}
