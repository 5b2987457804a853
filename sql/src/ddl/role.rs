//! CREATE, ALTER and DROP ROLE, GRANT and REVOKE.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::ast::{
    Action, AlterRoleOperation, CreateRole, Expr, GrantObjects, Grantee, GranteeName, GranteesType, Ident, ObjectName,
    ObjectType, Password, Privileges, ResetConfig, RoleOption, SetConfigValue, Statement, Value,
};

use super::column_name;
use crate::error::SqlError;
use crate::limits::{NAME_CHARS_MAX, TOPIC_FILTERS_MAX};
use crate::query::relation_name;
use crate::roles::{Attribute, PUBLIC, Privilege, RoleChange, Secret, valid_filter};

/// What a statement changes about roles, and the tag of its answer; `None` where it is about something else.
pub fn role_change(statement: &Statement) -> Result<Option<(RoleChange, &'static str)>, SqlError> {
    Ok(Some(match statement {
        Statement::CreateRole(create) => (created(create)?, "CREATE ROLE"),
        Statement::AlterRole { name, operation } => {
            (RoleChange::Alter { name: role_name(name)?, attributes: altered(operation)? }, "ALTER ROLE")
        }
        Statement::Drop { object_type: ObjectType::Role, if_exists, names, .. } => {
            let names = names.iter().map(role_of).collect::<Result<_, _>>()?;
            (RoleChange::Drop { names, if_exists: *if_exists }, "DROP ROLE")
        }
        Statement::Grant(grant) => {
            if grant.with_grant_option || grant.as_grantor.is_some() || grant.granted_by.is_some() {
                return Err(SqlError::unsupported("GRANT .. WITH GRANT OPTION, AS or GRANTED BY"));
            }
            (granted(&grant.privileges, grant.objects.as_ref(), &grant.grantees, true)?, "GRANT")
        }
        Statement::Revoke(revoke) => {
            if revoke.granted_by.is_some() {
                return Err(SqlError::unsupported("REVOKE .. GRANTED BY"));
            }
            (granted(&revoke.privileges, revoke.objects.as_ref(), &revoke.grantees, false)?, "REVOKE")
        }
        _ => return Ok(None),
    }))
}

fn created(create: &CreateRole) -> Result<RoleChange, SqlError> {
    let names = create.names.iter().map(role_of).collect::<Result<Vec<_>, _>>()?;
    let options = [
        create.login.map(RoleOption::Login),
        create.superuser.map(RoleOption::SuperUser),
        create.inherit.map(RoleOption::Inherit),
        create.create_db.map(RoleOption::CreateDB),
        create.create_role.map(RoleOption::CreateRole),
        create.replication.map(RoleOption::Replication),
        create.bypassrls.map(RoleOption::BypassRLS),
        create.password.clone().map(RoleOption::Password),
        create.connection_limit.clone().map(RoleOption::ConnectionLimit),
        create.valid_until.clone().map(RoleOption::ValidUntil),
    ];
    if !create.admin.is_empty() || create.authorization_owner.is_some() {
        return Err(SqlError::unsupported("CREATE ROLE .. ADMIN or AUTHORIZATION"));
    }
    let named = |idents: [&Vec<Ident>; 2]| idents.into_iter().flatten().map(role_name).collect::<Result<Vec<_>, _>>();
    Ok(RoleChange::Create {
        names,
        if_not_exists: create.if_not_exists,
        attributes: attributes(&options.into_iter().flatten().collect::<Vec<_>>())?,
        groups: named([&create.in_role, &create.in_group])?,
        members: named([&create.role, &create.user])?,
    })
}

/// What the options say that is kept; what they ask for beyond that is refused.
fn attributes(options: &[RoleOption]) -> Result<Vec<Attribute>, SqlError> {
    let attribute = |option: &RoleOption| {
        Ok(match option {
            RoleOption::Login(login) => Some(Attribute::Login(*login)),
            RoleOption::SuperUser(superuser) => Some(Attribute::Superuser(*superuser)),
            RoleOption::Password(Password::NullPassword) => Some(Attribute::Password(None)),
            RoleOption::Password(Password::Password(written)) => {
                let malformed = || SqlError::new("22023", "the password begins as a SCRAM secret and is none");
                let secret = Secret::of_written(&text("PASSWORD", written)?).ok_or_else(malformed)?;
                Some(Attribute::Password(Some(secret)))
            }
            RoleOption::Inherit(true)
            | RoleOption::CreateDB(false)
            | RoleOption::CreateRole(false)
            | RoleOption::Replication(false)
            | RoleOption::BypassRLS(false) => None,
            RoleOption::CreateRole(true) | RoleOption::CreateDB(true) | RoleOption::BypassRLS(true) => {
                return Err(SqlError::unsupported(format!("{option} of a role"))
                    .hint("A SUPERUSER makes tables, views and roles."));
            }
            other => return Err(SqlError::unsupported(format!("{other} of a role"))),
        })
    };
    options.iter().filter_map(|option| attribute(option).transpose()).collect()
}

fn altered(operation: &AlterRoleOperation) -> Result<Vec<Attribute>, SqlError> {
    match operation {
        AlterRoleOperation::WithOptions { options } => attributes(options),
        AlterRoleOperation::Set { config_name, config_value, in_database: None } => {
            setting(config_name, Some(config_value)).map(|attribute| vec![attribute])
        }
        AlterRoleOperation::Reset { config_name: ResetConfig::ConfigName(name), in_database: None } => {
            setting(name, None).map(|attribute| vec![attribute])
        }
        AlterRoleOperation::Reset { config_name: ResetConfig::ALL, in_database: None } => {
            Ok(vec![Attribute::Subject(None), Attribute::Publish(vec![]), Attribute::Subscribe(vec![])])
        }
        AlterRoleOperation::RenameRole { .. } => Err(SqlError::unsupported("ALTER ROLE .. RENAME TO")),
        _ => Err(SqlError::unsupported("ALTER ROLE so")),
    }
}

/// ALTER ROLE .. SET name = value; without a value it is reset.
fn setting(name: &ObjectName, value: Option<&SetConfigValue>) -> Result<Attribute, SqlError> {
    let name = name.to_string().to_lowercase();
    let value = match value {
        None | Some(SetConfigValue::Default) => None,
        Some(SetConfigValue::Value(value)) => Some(value),
        Some(SetConfigValue::FromCurrent) => return Err(SqlError::unsupported("ALTER ROLE .. SET .. FROM CURRENT")),
    };
    match name.as_str() {
        "caudal.subject" => {
            let subject = value.map(|value| text(&name, value)).transpose()?;
            if subject.as_ref().is_some_and(|subject| subject.is_empty() || subject.contains(['+', '#', '/', '\0'])) {
                let words = "a subject is not empty and has no +, # or /, since it stands in MQTT topics";
                return Err(SqlError::new("22023", words));
            }
            Ok(Attribute::Subject(subject))
        }
        "mqtt.publish" => value.map_or(Ok(vec![]), |value| filters(&name, value)).map(Attribute::Publish),
        "mqtt.subscribe" => value.map_or(Ok(vec![]), |value| filters(&name, value)).map(Attribute::Subscribe),
        _ => Err(SqlError::new("42704", format!("roles have no setting \"{name}\""))
            .hint("They have caudal.subject, mqtt.publish and mqtt.subscribe.")),
    }
}

/// One filter of topics, or ARRAY['..', '..'].
fn filters(name: &str, value: &Expr) -> Result<Vec<String>, SqlError> {
    let filters = match value {
        Expr::Array(array) => array.elem.iter().map(|filter| text(name, filter)).collect::<Result<Vec<_>, _>>()?,
        one => vec![text(name, one)?],
    };
    if let Some(wrong) = filters.iter().find(|filter| !valid_filter(filter)) {
        return Err(SqlError::new("22023", format!("\"{wrong}\" is no filter of MQTT topics"))
            .hint("+ stands for one level and # for all that follow, each alone between slashes."));
    }
    match filters.len() > TOPIC_FILTERS_MAX {
        true => Err(SqlError::new("54000", format!("a role has at most {TOPIC_FILTERS_MAX} filters of its own"))),
        false => Ok(filters),
    }
}

fn granted(
    privileges: &Privileges,
    objects: Option<&GrantObjects>,
    grantees: &[Grantee],
    granted: bool,
) -> Result<RoleChange, SqlError> {
    let roles = grantees.iter().map(grantee).collect::<Result<Vec<_>, _>>()?;
    let Some(objects) = objects else {
        let Privileges::Actions(actions) = privileges else {
            return Err(SqlError::new("42601", "ON what? Or the roles that are granted"));
        };
        let group = |action: &Action| match action {
            Action::Role { role } => role_of(role),
            _ => Err(SqlError::new("42601", format!("{action} ON what?"))),
        };
        let groups = actions.iter().map(group).collect::<Result<_, _>>()?;
        return Ok(RoleChange::Membership { groups, members: roles, granted });
    };
    let relations = match objects {
        GrantObjects::Tables(names) | GrantObjects::Views(names) => names,
        other => {
            return Err(SqlError::unsupported(format!("privileges ON {other}"))
                .hint("Name the tables and views; a SUPERUSER may do everything."));
        }
    };
    let relations = relations.iter().map(relation_name).collect::<Result<_, _>>()?;
    let privileges = match privileges {
        Privileges::All { .. } => Privilege::ALL.into(),
        Privileges::Actions(actions) => actions.iter().map(privilege).collect::<Result<BTreeSet<_>, _>>()?,
    };
    Ok(RoleChange::Privileges { privileges, relations, roles, granted })
}

fn privilege(action: &Action) -> Result<Privilege, SqlError> {
    match action {
        Action::Select { columns: None } => Ok(Privilege::Select),
        Action::Insert { columns: None } => Ok(Privilege::Insert),
        Action::Update { columns: None } => Ok(Privilege::Update),
        Action::Delete => Ok(Privilege::Delete),
        Action::Select { .. } | Action::Insert { .. } | Action::Update { .. } => {
            Err(SqlError::unsupported("a privilege on columns").hint("Grant SELECT on a view with those columns."))
        }
        other => Err(SqlError::unsupported(format!("privilege {other}"))),
    }
}

fn grantee(grantee: &Grantee) -> Result<String, SqlError> {
    match (&grantee.grantee_type, &grantee.name) {
        (GranteesType::Public, _) => Ok(PUBLIC.to_owned()),
        (_, Some(GranteeName::ObjectName(name))) => match role_part(name)? {
            word if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(PUBLIC) => Ok(PUBLIC.to_owned()),
            word => role_name(word),
        },
        _ => Err(SqlError::new("42601", format!("\"{grantee}\" is no role"))),
    }
}

fn role_part(name: &ObjectName) -> Result<&Ident, SqlError> {
    match &name.0[..] {
        [part] => part.as_ident().ok_or_else(|| SqlError::new("42601", format!("\"{name}\" is no role"))),
        _ => Err(SqlError::new("42601", format!("\"{name}\" is no role: its name has no dot"))),
    }
}

fn role_of(name: &ObjectName) -> Result<String, SqlError> {
    role_name(role_part(name)?)
}

fn role_name(ident: &Ident) -> Result<String, SqlError> {
    let name = column_name(ident);
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return Err(SqlError::new(
            "42622",
            format!("\"{name}\" cannot be a name: it has 1 to {NAME_CHARS_MAX} characters"),
        ));
    }
    if name == PUBLIC || name.starts_with("pg_") || name == "none" {
        return Err(SqlError::new("42939", format!("role name \"{name}\" is reserved")));
    }
    Ok(name)
}

fn text(what: &str, expr: &Expr) -> Result<String, SqlError> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text)
            | Value::DollarQuotedString(datafusion::sql::sqlparser::ast::DollarQuotedString { value: text, .. }) => {
                Ok(text.clone())
            }
            _ => Err(SqlError::new("42601", format!("{what} is a text, in single quotes"))),
        },
        _ => Err(SqlError::new("42601", format!("{what} is a text, in single quotes"))),
    }
}
