//! Home Assistant: the rows of views become its entities, by MQTT discovery.
//!
//! A materialized view named `home_assistant`, or whose name ends in `_home_assistant`, has a row for each entity
//! ([`entity`] has its columns). [`serve`] follows all of them and says what changes; what was said is retained by the broker.
//! When a Home Assistant comes up it says so, and its subject's entities are said again. [`page`] is where customers find how to
//! connect theirs.

mod entity;
mod follow;
pub(crate) mod page;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sql::Database;
use sql::roles::matches;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

pub use entity::{COLUMNS, Config, Entity, Message};

use crate::limits::HOME_ASSISTANT_VIEWS_PERIOD;

/// What a view's name ends in.
const NAME: &str = "home_assistant";

/// Where Home Assistant says that it has come up, and with what words.
pub const BIRTH_TOPIC: &str = "homeassistant/status";
pub const BIRTH_PAYLOAD: &[u8] = b"online";

/// Follows the views of entities until `shutdown`. `births`: subjects whose Home Assistant has come up, `None` for one that sees
/// everything.
pub async fn serve(
    database: Arc<Database>,
    said: mpsc::Sender<Message>,
    mut births: mpsc::Receiver<Option<String>>,
    shutdown: CancellationToken,
) {
    let mut following: BTreeMap<String, Following> = BTreeMap::new();
    let mut look = tokio::time::interval(HOME_ASSISTANT_VIEWS_PERIOD);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // What was said stays: Home Assistant sees that the broker is away.
            () = shutdown.cancelled() => {
                for view in following.into_values() {
                    view.task.abort();
                    // It lets go of the database.
                    let _ = view.task.await;
                }
                return;
            }
            Some(subject) = births.recv() => {
                for view in following.values() {
                    // One that has ended has nothing to say.
                    let _ = view.births.send(subject.clone());
                }
            }
            _ = look.tick() => {
                let wanted = database.materialized_views();
                let wanted = wanted.iter().filter(|name| is_of_entities(name));
                let wanted: BTreeSet<&String> = wanted.collect();
                following.retain(|name, view| {
                    let there = wanted.contains(name) && !view.task.is_finished();
                    if !there {
                        view.gone.cancel();
                    }
                    there
                });
                for name in wanted {
                    following.entry(name.clone()).or_insert_with(|| Following::start(&database, name, &said));
                }
            }
        }
    }
}

/// Before the topics by which Home Assistant discovers entities, and at their end.
const DISCOVERY: &str = "homeassistant/";
const CONFIG: &str = "/config";

/// Whether a filter asks for entities to discover.
pub(crate) fn discovers(filter: &str) -> bool {
    matches(filter, "homeassistant/+/+/+/config")
}

/// Whether a topic is one by which an entity is discovered.
pub(crate) fn is_discovery(topic: &str) -> bool {
    topic.starts_with(DISCOVERY) && topic.ends_with(CONFIG)
}

/// Whether a view of this name is one of entities.
fn is_of_entities(name: &str) -> bool {
    let name = name.rsplit('.').next().unwrap_or(name);
    name == NAME || name.strip_suffix(NAME).is_some_and(|before| before.ends_with('_'))
}

/// A view that is followed.
struct Following {
    births: mpsc::UnboundedSender<Option<String>>,
    /// The view is no more.
    gone: CancellationToken,
    task: JoinHandle<()>,
}

impl Following {
    fn start(database: &Arc<Database>, view: &str, said: &mpsc::Sender<Message>) -> Following {
        let (births, heard) = mpsc::unbounded_channel();
        let gone = CancellationToken::new();
        let task = follow::follow(database.clone(), view.to_owned(), said.clone(), heard, gone.clone());
        Following { births, gone, task: tokio::spawn(task) }
    }
}

#[cfg(test)]
mod tests {
    use super::is_of_entities;

    #[test]
    fn views_are_known_by_their_names() {
        for name in ["home_assistant", "energy.home_assistant", "cold_room_home_assistant", "a.b_home_assistant"] {
            assert!(is_of_entities(name), "{name}");
        }
        for name in ["home_assistants", "chome_assistant2", "home_assistant.a", "xhome_assistant"] {
            assert!(!is_of_entities(name), "{name}");
        }
    }
}
