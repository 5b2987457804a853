//! What the session's role may do. What it may read is decided where a query's names are looked up.

use datafusion::execution::session_state::SessionState;

use super::Identity;
use super::action::Action;
use super::prepare::Ground;
use crate::error::SqlError;
use crate::roles::{Privilege, denied};

impl Ground<'_> {
    /// Refuses (42501) a statement that the session's role has no right to.
    pub(super) fn permitted(&self, action: &Action) -> Result<(), SqlError> {
        let Identity::Role(role) = self.identity() else { return Ok(()) };
        if self.catalog.role(&role).is_none() {
            return Err(SqlError::new("28000", format!("role \"{role}\" does not exist any more")));
        }
        let may = |privilege, name: &str| match self.catalog.may(&role, privilege, name) {
            true => Ok(()),
            false => Err(denied(&role, privilege, name)),
        };
        match action {
            Action::Insert { table, .. } | Action::CopyIn { table, .. } | Action::CopyRefused { table, .. } => {
                may(Privilege::Insert, table.name())
            }
            Action::Update { table, .. } => {
                may(Privilege::Select, table.name())?;
                may(Privilege::Update, table.name())
            }
            Action::Delete { table, .. } => may(Privilege::Delete, table.name()),
            Action::AnalyzeView { name } => may(Privilege::Select, name),
            other => match other.defines() {
                Some(what) if !self.catalog.is_superuser(&role) => {
                    Err(SqlError::new("42501", format!("permission denied for {what}"))
                        .hint("Tables, views and roles are made by the operator, or a role that is SUPERUSER."))
                }
                _ => Ok(()),
            },
        }
    }

    /// A context in which everything may be read; `None` where this one is such.
    pub(super) fn as_owner(&self) -> Option<SessionState> {
        let Identity::Role(role) = self.identity() else { return None };
        let mine = self.session.state().who.clone();
        let who = super::Whoami { identity: Identity::Operator(role), setter: None, ..mine };
        let now = self.context().execution_props().query_execution_start_time;
        Some(self.session.shared.queries.context(&self.catalog, now, Some(&who)))
    }

    fn identity(&self) -> Identity {
        self.session.state().who.identity.clone()
    }
}
