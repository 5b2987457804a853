//! What a statement changes about roles.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use super::{PUBLIC, Privilege, Role, Secret};
use crate::catalog::{Catalog, stored_roles};
use crate::error::SqlError;
use crate::limits::ROLES_MAX;

/// A change of roles, as a statement says it.
#[derive(Clone, Debug)]
pub enum RoleChange {
    Create {
        names: Vec<String>,
        if_not_exists: bool,
        attributes: Vec<Attribute>,
        /// Roles that they become members of, and roles that become members of them.
        groups: Vec<String>,
        members: Vec<String>,
    },
    Alter {
        name: String,
        attributes: Vec<Attribute>,
    },
    Drop {
        names: Vec<String>,
        if_exists: bool,
    },
    /// GRANT or REVOKE privileges ON relations.
    Privileges {
        privileges: BTreeSet<Privilege>,
        relations: Vec<String>,
        roles: Vec<String>,
        granted: bool,
    },
    /// GRANT groups TO members, or REVOKE them.
    Membership {
        groups: Vec<String>,
        members: Vec<String>,
        granted: bool,
    },
}

/// Something that is said of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    Login(bool),
    Superuser(bool),
    Password(Option<Secret>),
    Subject(Option<String>),
    Publish(Vec<String>),
    Subscribe(Vec<String>),
}

impl Role {
    fn set(&mut self, attribute: Attribute) {
        match attribute {
            Attribute::Login(login) => self.login = login,
            Attribute::Superuser(superuser) => self.superuser = superuser,
            Attribute::Password(secret) => self.secret = secret,
            Attribute::Subject(subject) => self.subject = subject,
            Attribute::Publish(filters) => self.publish = filters,
            Attribute::Subscribe(filters) => self.subscribe = filters,
        }
    }
}

impl Catalog {
    /// Changes roles and says so to the store; `None` where it is as asked for already.
    pub fn change_roles(&mut self, change: RoleChange) -> Result<Option<Vec<(String, Option<Bytes>)>>, SqlError> {
        let before = self.roles.clone();
        match change {
            RoleChange::Create { names, if_not_exists, attributes, groups, members } => {
                self.create_roles(&names, if_not_exists, &attributes)?;
                let new: Vec<String> = names.into_iter().filter(|name| !before.contains_key(name)).collect();
                self.change_members(&groups, &new, true)?;
                self.change_members(&new, &members, true)?;
            }
            RoleChange::Alter { name, attributes } => {
                let mut role = self.expect_role(&name)?.clone();
                attributes.into_iter().for_each(|attribute| role.set(attribute));
                self.roles.insert(name, Arc::new(role));
            }
            RoleChange::Drop { names, if_exists } => self.drop_roles(&names, if_exists)?,
            RoleChange::Privileges { privileges, relations, roles, granted } => {
                self.change_privileges(&privileges, &relations, &roles, granted)?;
            }
            RoleChange::Membership { groups, members, granted } => self.change_members(&groups, &members, granted)?,
        }
        if self.roles == before {
            return Ok(None);
        }
        if self.roles.len() > ROLES_MAX {
            return Err(SqlError::new("54000", format!("there are at most {ROLES_MAX} roles")));
        }
        self.generation += 1;
        let names: BTreeSet<&String> = before.keys().chain(self.roles.keys()).collect();
        let changed = names.into_iter().filter(|name| before.get(*name) != self.roles.get(*name));
        let write = |name: &String| (stored_roles::key(name), self.role(name).map(stored_roles::write));
        Ok(Some(changed.map(write).chain([self.allocated()]).collect()))
    }

    /// Takes back what was granted on a relation that is no more, and says so to the store.
    pub(crate) fn revoke_all(&mut self, relation: &str) -> Vec<(String, Option<Bytes>)> {
        let mut writes = Vec::new();
        for (name, role) in self.roles.iter_mut().filter(|(_, role)| role.grants.contains_key(relation)) {
            let changed = Arc::make_mut(role);
            changed.grants.remove(relation);
            writes.push((stored_roles::key(name), Some(stored_roles::write(changed))));
        }
        writes
    }

    fn expect_role(&self, name: &str) -> Result<&Role, SqlError> {
        self.role(name).ok_or_else(|| SqlError::new("42704", format!("role \"{name}\" does not exist")))
    }

    fn create_roles(
        &mut self,
        names: &[String],
        if_not_exists: bool,
        attributes: &[Attribute],
    ) -> Result<(), SqlError> {
        for name in names {
            match self.roles.contains_key(name) {
                true if if_not_exists => continue,
                true => return Err(SqlError::new("42710", format!("role \"{name}\" already exists"))),
                false => {}
            }
            let mut role = Role { name: name.clone(), number: self.allocate().0, ..Role::default() };
            attributes.iter().cloned().for_each(|attribute| role.set(attribute));
            self.roles.insert(name.clone(), Arc::new(role));
        }
        Ok(())
    }

    fn drop_roles(&mut self, names: &[String], if_exists: bool) -> Result<(), SqlError> {
        for name in names {
            if self.roles.remove(name).is_none() && !if_exists {
                return Err(SqlError::new("42704", format!("role \"{name}\" does not exist")));
            }
            for role in self.roles.values_mut().filter(|role| role.member_of.contains(name)) {
                Arc::make_mut(role).member_of.remove(name);
            }
        }
        Ok(())
    }

    fn change_privileges(
        &mut self,
        privileges: &BTreeSet<Privilege>,
        relations: &[String],
        roles: &[String],
        granted: bool,
    ) -> Result<(), SqlError> {
        for relation in relations {
            let is_table = self.expect_readable(relation)?;
            let meant = |privilege: &&Privilege| is_table || **privilege == Privilege::Select;
            let meant: BTreeSet<Privilege> = privileges.iter().filter(meant).copied().collect();
            if meant.is_empty() {
                return Err(SqlError::new("0LP01", format!("\"{relation}\" is no table: only SELECT means something")));
            }
            for name in roles {
                if name == PUBLIC {
                    let public = Role { name: PUBLIC.to_owned(), number: self.allocate().0, ..Role::default() };
                    self.roles.entry(PUBLIC.to_owned()).or_insert(Arc::new(public));
                }
                let mut role = self.expect_role(name)?.clone();
                let held = role.grants.entry(relation.clone()).or_default();
                match granted {
                    true => held.extend(&meant),
                    false => held.retain(|privilege| !meant.contains(privilege)),
                }
                role.grants.retain(|_, privileges| !privileges.is_empty());
                self.roles.insert(name.clone(), Arc::new(role));
            }
        }
        Ok(())
    }

    fn change_members(&mut self, groups: &[String], members: &[String], granted: bool) -> Result<(), SqlError> {
        for group in groups {
            self.expect_role(group)?;
            for member in members {
                let mut role = self.expect_role(member)?.clone();
                match granted {
                    true => {
                        if self.is_of(group).iter().any(|role| role.name == *member) {
                            let words = format!("role \"{group}\" is a member of role \"{member}\"");
                            return Err(SqlError::new("0LP01", words));
                        }
                        role.member_of.insert(group.clone());
                    }
                    false => drop(role.member_of.remove(group)),
                }
                self.roles.insert(member.clone(), Arc::new(role));
            }
        }
        Ok(())
    }
}
