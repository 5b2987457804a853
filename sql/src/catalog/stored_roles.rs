//! Roles as entries of the catalogue.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::persisted::{Unreadable, json, read as read_json};
use crate::roles::{Privilege, Role, Secret};

/// The format that this version writes.
const FORMAT: u32 = 1;

/// Entries of roles are named with this before the role's name.
const PREFIX: &str = "role/";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    number: u32,
    login: bool,
    superuser: bool,
    /// As PostgreSQL writes it.
    secret: Option<String>,
    member_of: BTreeSet<String>,
    /// Letters of PostgreSQL's catalogue, by the relation's name.
    grants: BTreeMap<String, String>,
    subject: Option<String>,
    publish: Vec<String>,
    subscribe: Vec<String>,
}

pub fn key(role: &str) -> String {
    format!("{PREFIX}{role}")
}

/// The role that an entry of the catalogue is about.
pub fn role_of(key: &str) -> Option<&str> {
    key.strip_prefix(PREFIX)
}

pub fn write(role: &Role) -> Bytes {
    let Role { number, login, superuser, member_of, subject, publish, subscribe, .. } = role.clone();
    let letters = |privileges: &BTreeSet<Privilege>| privileges.iter().map(|privilege| privilege.letter()).collect();
    json(&Stored {
        format: FORMAT,
        number,
        login,
        superuser,
        secret: role.secret.as_ref().map(Secret::to_string),
        member_of,
        grants: role.grants.iter().map(|(relation, privileges)| (relation.clone(), letters(privileges))).collect(),
        subject,
        publish,
        subscribe,
    })
}

pub fn read(name: &str, value: &[u8]) -> Result<Role, Unreadable> {
    let unreadable = |reason: &str| Unreadable { name: name.to_owned(), reason: reason.to_owned() };
    let Stored { number, login, superuser, secret, member_of, grants, subject, publish, subscribe, .. } =
        read_json(name, value)?;
    let secret = match secret {
        None => None,
        Some(text) => Some(Secret::read(&text).ok_or_else(|| unreadable("the password's secret is not one"))?),
    };
    let privileges = |letters: String| letters.chars().map(Privilege::of_letter).collect::<Option<BTreeSet<_>>>();
    let grants = grants.into_iter().map(|(relation, letters)| Some((relation, privileges(letters)?)));
    let grants = grants.collect::<Option<_>>().ok_or_else(|| unreadable("unknown privilege"))?;
    let name = role_of(name).unwrap_or(name).to_owned();
    Ok(Role { name, number, login, superuser, secret, member_of, grants, subject, publish, subscribe })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_form_is_the_one_that_older_versions_wrote() {
        let golden = concat!(
            r#"{"format":1,"number":70,"login":true,"superuser":false,"#,
            r#""secret":"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"#,
            r#"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=","#,
            r#""member_of":["meters"],"grants":{"readings":"ra"},"subject":"17","publish":["a/#"],"subscribe":[]}"#
        );
        let role = read("role/meter_17", golden.as_bytes()).unwrap();
        assert_eq!((role.name.as_str(), role.subject.as_deref()), ("meter_17", Some("17")));
        assert!(role.secret.as_ref().unwrap().admits("pencil"));
        assert_eq!(write(&role), golden);
        assert!(read("role/x", golden.replace(":1,", ":9,").as_bytes()).is_err());
    }
}
