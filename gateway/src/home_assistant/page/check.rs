//! Whether a customer's Home Assistants are connected, and what is missing: what their credentials have done at the MQTT door.

use std::convert::Infallible;
use std::sync::Arc;

use axum::response::sse::{Event, KeepAlive, Sse};
use futures::stream::{self, Stream};
use sql::Identity;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::sleep;

use super::customer::Customer;
use super::template::{Html, fill};
use super::words::{Words, spanish};
use super::{Page, credential};
use crate::limits::{HOME_ASSISTANT_CHECK_PAUSE, HOME_ASSISTANT_CHECK_PERIOD};
use crate::mqtt::{Clients, Connection, Refused, Why};

/// How it is now.
pub(super) fn now(page: &Page, customer: &Customer) -> Html {
    let words = spanish();
    let users = credential::of(&page.database, &customer.name);
    if users.is_empty() {
        return fill("remark", words, &[("text", words.say("check.nobody").into())]);
    }
    users.iter().map(|user| of(words, &page.clients, user, page.database.now_ms())).collect()
}

/// How it is whenever that changes, until the customer may not see it any more. `_place`: one of those who may follow at a time.
pub(super) fn follow(
    page: Page,
    who: Identity,
    name: String,
    place: OwnedSemaphorePermit,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let changes = page.clients.changes();
    let state = (page, who, name, changes, Html::default(), place);
    let events = stream::unfold(state, |(page, who, name, mut changes, mut shown, place)| async move {
        loop {
            changes.borrow_and_update();
            let customer = Customer::of(&page.database, &who, &name).ok()?;
            let found = now(&page, &customer);
            if found != shown {
                shown = found;
                let event = Event::default().data(&shown.0);
                return Some((Ok(event), (page, who, name, changes, shown, place)));
            }
            tokio::select! {
                () = page.shutdown.cancelled() => return None,
                // Some things do not say that they change: time, and who has credentials.
                () = sleep(HOME_ASSISTANT_CHECK_PERIOD) => {}
                changed = changes.changed() => {
                    changed.ok()?;
                    // Many at once are one.
                    sleep(HOME_ASSISTANT_CHECK_PAUSE).await;
                }
            }
        }
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

/// What is known of one user.
fn of(words: &Words, clients: &Arc<Clients>, user: &str, now_ms: i64) -> Html {
    let connections = clients.of(user);
    let mut items = Vec::new();
    match connections.last() {
        Some(connection) => items.extend(connected(words, connection, connections.len(), now_ms)),
        None => items.push(item(words, Mark::Wait, words.say("check.waiting"))),
    }
    let since_ms = connections.last().map(|connection| connection.since_ms);
    let refused = clients.refused(user).filter(|refused| since_ms.is_none_or(|since_ms| refused.at_ms > since_ms));
    items.extend(refused.map(|refused| item(words, Mark::No, &told(words, &refused, now_ms))));
    let title = words.with("check.user", &[("user", user)]);
    fill("checked", words, &[("user", (&title).into()), ("items", items.into_iter().collect())])
}

/// What a connection has done so far of what a Home Assistant does.
fn connected(words: &Words, connection: &Connection, count: usize, now_ms: i64) -> Vec<Html> {
    let Connection { peer, since_ms, discovers, born_ms, entities } = connection;
    let address = peer.ip().to_canonical().to_string();
    let ago = |at_ms: i64| words.ago(now_ms - at_ms);
    let is_there = words.with("check.connected", &[("peer", &address), ("ago", &ago(*since_ms))]);
    let mut items = vec![item(words, Mark::Yes, &is_there)];
    if count > 1 {
        let more = words.with("check.connected.more", &[("n", &count.to_string())]);
        items.push(item(words, Mark::Wait, &more));
    }
    items.push(match discovers {
        true => item(words, Mark::Yes, words.say("check.discovers")),
        false => item(words, Mark::Wait, words.say("check.discovers.not")),
    });
    items.push(match born_ms {
        Some(at_ms) => item(words, Mark::Yes, &words.with("check.born", &[("ago", &ago(*at_ms))])),
        None => item(words, Mark::Wait, words.say("check.born.not")),
    });
    items.push(match entities {
        0 => item(words, Mark::Wait, words.say("check.entities.none")),
        count => item(words, Mark::Yes, &words.count("check.entities", *count as u64)),
    });
    items
}

fn told(words: &Words, refused: &Refused, now_ms: i64) -> String {
    let name = match refused.why {
        Why::Password => "check.refused.password",
        Why::Will => "check.refused.will",
    };
    let address = refused.peer.ip().to_canonical().to_string();
    words.with(name, &[("ago", &words.ago(now_ms - refused.at_ms)), ("peer", &address)])
}

/// How something stands.
#[derive(Clone, Copy)]
enum Mark {
    Yes,
    No,
    Wait,
}

fn item(words: &Words, mark: Mark, text: &str) -> Html {
    let (class, said) = match mark {
        Mark::Yes => ("yes", "mark.yes"),
        Mark::No => ("no", "mark.no"),
        Mark::Wait => ("wait", "mark.wait"),
    };
    fill("check", words, &[("mark", class.into()), ("said", words.say(said).into()), ("text", text.into())])
}
