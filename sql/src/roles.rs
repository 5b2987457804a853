//! Roles: who there is, and what they may do at every door.
//!
//! A role's rights are its own, those of the roles that it is a member of, and those of `public`, which everybody is. The
//! user that the node was started with is no role: the operator may do everything.

mod change;
mod secret;
mod topics;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub use change::{Attribute, RoleChange};
pub use secret::Secret;
pub use topics::{TopicRights, matches, valid_filter};

use crate::catalog::Catalog;
use crate::error::SqlError;

/// The role that everybody is a member of.
pub const PUBLIC: &str = "public";

/// Somebody, or a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Role {
    pub name: String,
    /// Its own for ever, of the numbers that relations have.
    pub number: u32,
    pub login: bool,
    /// It may do everything.
    pub superuser: bool,
    /// What its password is checked with; without it nobody comes in as this role.
    pub secret: Option<Secret>,
    pub member_of: BTreeSet<String>,
    /// By the relation's name.
    pub grants: BTreeMap<String, BTreeSet<Privilege>>,
    /// Whom the data is about that the role may see and send: `{subject}` in its topics. See [`Catalog::subject`].
    pub subject: Option<String>,
    /// Filters of MQTT topics.
    pub publish: Vec<String>,
    pub subscribe: Vec<String>,
}

/// What may be done with a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Privilege {
    Select,
    Insert,
    Update,
    Delete,
}

impl Privilege {
    pub const ALL: [Privilege; 4] = [Privilege::Select, Privilege::Insert, Privilege::Update, Privilege::Delete];

    /// The letter that PostgreSQL's catalogue has for it.
    pub fn letter(self) -> char {
        match self {
            Privilege::Select => 'r',
            Privilege::Insert => 'a',
            Privilege::Update => 'w',
            Privilege::Delete => 'd',
        }
    }

    pub fn of_letter(letter: char) -> Option<Privilege> {
        Privilege::ALL.into_iter().find(|privilege| privilege.letter() == letter)
    }
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Privilege::Select => "SELECT",
            Privilege::Insert => "INSERT",
            Privilege::Update => "UPDATE",
            Privilege::Delete => "DELETE",
        })
    }
}

/// What a role has no right to (42501).
pub fn denied(role: &str, privilege: Privilege, name: &str) -> SqlError {
    SqlError::new("42501", format!("permission denied: role \"{role}\" has no {privilege} on \"{name}\""))
        .hint(format!("GRANT {privilege} ON {name} TO {role}, by the operator."))
}

impl Catalog {
    pub fn role(&self, name: &str) -> Option<&Role> {
        self.roles.get(name).map(|role| &**role)
    }

    /// Every role in name order.
    pub fn roles(&self) -> impl Iterator<Item = &Role> {
        self.roles.values().map(|role| &**role)
    }

    /// The role and all whose rights it has; nothing where there is no such role (any more).
    pub fn is_of(&self, name: &str) -> Vec<&Role> {
        let Some(role) = self.role(name) else { return Vec::new() };
        let mut found = vec![role];
        let mut at = 0;
        while let Some(role) = found.get(at) {
            let groups: Vec<&Role> = role.member_of.iter().filter_map(|group| self.role(group)).collect();
            groups.into_iter().for_each(|group| {
                if !found.iter().any(|known| known.name == group.name) {
                    found.push(group);
                }
            });
            at += 1;
        }
        found.extend(self.role(PUBLIC).filter(|_| name != PUBLIC));
        found
    }

    pub fn is_superuser(&self, role: &str) -> bool {
        self.is_of(role).iter().any(|role| role.superuser)
    }

    /// Whether a role has a privilege on a relation.
    pub fn may(&self, role: &str, privilege: Privilege, relation: &str) -> bool {
        let granted = |role: &&Role| role.grants.get(relation).is_some_and(|granted| granted.contains(&privilege));
        self.is_of(role).iter().any(|role| role.superuser || granted(role))
    }

    /// Whom a role's data is about: what it says itself, else what the roles that it is a member of say, where they agree.
    pub fn subject(&self, role: &str) -> Option<&str> {
        let own = self.role(role)?.subject.as_deref();
        let mut said = self.is_of(role).into_iter().filter_map(|role| role.subject.as_deref());
        let first = said.next()?;
        own.or_else(|| said.all(|other| other == first).then_some(first))
    }

    /// What a role may do with MQTT topics.
    pub fn topic_rights(&self, role: &str) -> TopicRights {
        let roles = self.is_of(role);
        if roles.iter().any(|role| role.superuser) {
            return TopicRights::all();
        }
        TopicRights::new(
            roles.iter().flat_map(|role| &role.publish),
            roles.iter().flat_map(|role| &role.subscribe),
            self.subject(role),
        )
    }
}
