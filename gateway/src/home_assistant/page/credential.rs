//! Credentials for a Home Assistant: a role that logs in and is a member of the customer's, from which it has its rights and its subject.
//!
//! They are made and dropped by the ordinary statements, so they are in the catalogue and listed by `\du` as all roles. What is
//! dropped with the customer's role is every right that they have.

use std::sync::Arc;

use sql::roles::{Role, Secret};
use sql::{Cancel, Database, Identity, SqlError};

use super::refusal::Refusal;
use crate::limits::HOME_ASSISTANT_CREDENTIALS_MAX;

/// Between the customer's name and what tells its credentials apart.
const HOME: &str = "-casa-";

/// Characters that nobody takes for others.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Characters that tell a customer's credentials apart.
const MARK: usize = 4;

/// Groups of a password, and characters of a group: 80 bits.
const GROUPS: usize = 4;
const GROUP: usize = 4;

/// User and password, known to nobody but who is shown them now.
pub(super) struct Made {
    pub(super) user: String,
    pub(super) password: String,
}

/// Whether a role is one of these: a member of nothing but a customer, by whose name it is called, and nothing of its own.
pub(super) fn is_one(role: &Role) -> bool {
    let mut groups = role.member_of.iter();
    let (Some(customer), None) = (groups.next(), groups.next()) else { return false };
    let mark = role.name.strip_prefix(customer.as_str()).and_then(|rest| rest.strip_prefix(HOME));
    let bare = role.grants.is_empty() && role.publish.is_empty() && role.subscribe.is_empty() && role.subject.is_none();
    bare && !role.superuser
        && mark.is_some_and(|mark| mark.len() == MARK && mark.bytes().all(|byte| ALPHABET.contains(&byte)))
}

/// The users of a customer's credentials, in name order; `customer` is the name of its role.
pub(super) fn of(database: &Database, customer: &str) -> Vec<String> {
    let roles = database.roles(|role| role.member_of.contains(customer) && is_one(role));
    roles.into_iter().map(|role| role.name).collect()
}

/// Makes credentials. The password is kept as what checks it, and is in no statement.
pub(super) async fn make(database: &Arc<Database>, customer: &str) -> Result<Made, Refusal> {
    if of(database, customer).len() >= HOME_ASSISTANT_CREDENTIALS_MAX {
        return Err(Refusal::Enough);
    }
    let groups: Vec<String> = (0..GROUPS).map(|_| random(GROUP)).collect();
    let made = Made { user: format!("{customer}{HOME}{}", random(MARK)), password: groups.join("-") };
    let password = made.password.clone();
    let hashed = tokio::task::spawn_blocking(move || Secret::of(&password));
    let secret = hashed.await.map_err(|error| SqlError::new("XX000", error.to_string()))?;
    let (user, group) = (quoted(&made.user), quoted(customer));
    run(database, &format!("CREATE ROLE {user} LOGIN PASSWORD '{secret}' IN ROLE {group}")).await?;
    Ok(made)
}

/// Takes credentials back, where they are the customer's.
pub(super) async fn revoke(database: &Arc<Database>, customer: &str, user: &str) -> Result<(), Refusal> {
    if !of(database, customer).iter().any(|own| own == user) {
        return Err(Refusal::Unknown);
    }
    Ok(run(database, &format!("DROP ROLE {}", quoted(user))).await?)
}

async fn run(database: &Arc<Database>, statement: &str) -> Result<(), SqlError> {
    let session = database.session(Identity::Operator("home assistant".to_owned()));
    let prepared = session.prepare(statement, &[]).await?;
    session.execute(&prepared, vec![], Cancel::new()).await.map(|_| ())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn random(length: usize) -> String {
    (0..length).map(|_| char::from(ALPHABET[usize::from(rand::random::<u8>()) % ALPHABET.len()])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str, groups: &[&str]) -> Role {
        let member_of = groups.iter().map(|group| (*group).to_owned()).collect();
        Role { name: name.to_owned(), login: true, member_of, ..Role::default() }
    }

    #[test]
    fn a_role_that_somebody_made_otherwise_is_none_of_these() {
        assert!(is_one(&role("ana-casa-k7fm", &["ana"])));
        assert!(!is_one(&role("ana-casa-k7fm", &["ana", "homes"])));
        assert!(!is_one(&role("ana-casa-k7fm", &[])));
        assert!(!is_one(&role("ana-casa-k7fm", &["eva"])));
        assert!(!is_one(&role("luis", &["ana"])), "another of the family");
        assert!(!is_one(&role("ana-casa-abuela", &["ana"])));
        let own = Role { subject: Some("18".to_owned()), ..role("ana-casa-k7fm", &["ana"]) };
        assert!(!is_one(&own));
    }

    #[test]
    fn what_is_random_is_of_characters_that_can_be_typed() {
        let words: std::collections::BTreeSet<String> = (0..100).map(|_| random(16)).collect();
        assert_eq!(words.len(), 100);
        assert!(words.iter().all(|word| word.len() == 16 && !word.contains(['0', 'o', '1', 'l', ' '])), "{words:?}");
    }
}
