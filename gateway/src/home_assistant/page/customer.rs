//! Whose page it is: a role that logs in, has a subject and may see that subject's entities.

use sql::roles::Role;
use sql::{Database, Identity};

use super::credential;
use super::refusal::Refusal;
use crate::home_assistant::{BIRTH_TOPIC, Config};
use crate::limits::HOME_ASSISTANT_CUSTOMERS_MAX;

/// A customer with a Home Assistant, or who may have one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Customer {
    /// The role's name.
    pub(super) name: String,
    pub(super) subject: String,
}

impl Customer {
    /// The customer of this name, where who asks may look after it: itself, or any for an operator.
    pub(super) fn of(database: &Database, who: &Identity, name: &str) -> Result<Customer, Refusal> {
        if who.user() != name && !is_operator(database, who) {
            return Err(Refusal::NotYours);
        }
        let role = database.role(name).filter(|role| role.login).ok_or(Refusal::Unknown)?;
        Customer::of_role(database, &role)
    }

    /// The customers whom an operator may look after, in name order; not more than a page shows.
    pub(super) fn all(database: &Database) -> Vec<Customer> {
        let roles = database.roles(|role| role.login).into_iter();
        roles.filter_map(|role| Customer::of_role(database, &role).ok()).take(HOME_ASSISTANT_CUSTOMERS_MAX).collect()
    }

    fn of_role(database: &Database, role: &Role) -> Result<Customer, Refusal> {
        // Its credentials would have its rights, and who has one would make others.
        if is_superuser(database, &role.name) || credential::is_one(role) {
            return Err(Refusal::NoCustomer);
        }
        let who = Identity::Role(role.name.clone());
        let subject = database.subject(&who).ok_or(Refusal::NoSubject)?;
        // No more is handed on than a customer has: a meter of the same subject may only publish.
        let rights = database.topic_rights(&who);
        let (discovery, state) = Config::topics_of(&subject);
        let receives = rights.may_receive(&discovery) && rights.may_receive(&state);
        match receives && rights.may_publish(BIRTH_TOPIC) {
            true => Ok(Customer { name: role.name.clone(), subject }),
            false => Err(Refusal::NoRights),
        }
    }
}

/// Whether somebody looks after all customers.
pub(super) fn is_operator(database: &Database, who: &Identity) -> bool {
    match who {
        Identity::Operator(_) => true,
        Identity::Role(role) => is_superuser(database, role),
    }
}

fn is_superuser(database: &Database, role: &str) -> bool {
    database.login(role).is_some_and(|login| login.superuser)
}
