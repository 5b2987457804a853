//! Whether a pack answers what its business asks for.

use std::collections::{BTreeMap, BTreeSet};

use super::{Made, Pack, Sentence};

/// What is found of one sentence.
#[derive(Clone, Debug)]
pub struct Finding<'a> {
    pub sentence: &'a Sentence,
    /// Each relation that answers it, with what is said of it.
    pub by: Vec<(&'a str, Option<&'a str>)>,
}

impl Pack {
    /// Each sentence of the specification with what answers it.
    pub fn findings(&self) -> Vec<Finding<'_>> {
        let mut comments = BTreeMap::new();
        for statement in &self.statements {
            if let Made::Comment { relation, column: None, text } = &statement.made {
                comments.insert(relation.as_str(), text.as_str());
            }
        }
        let named = |name: &'_ String| comments.get(name.as_str()).copied();
        let mut findings = Vec::with_capacity(self.sentences.len());
        for sentence in &self.sentences {
            let by = sentence.by.iter().map(|name| (name.as_str(), named(name))).collect();
            findings.push(Finding { sentence, by });
        }
        findings
    }

    /// What is wrong with the pack, in words; nothing where it is well.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let made: BTreeSet<&str> = self.statements.iter().filter_map(|statement| statement.made.relation()).collect();
        let mut said = BTreeSet::new();
        for statement in &self.statements {
            if let Made::Comment { relation, column, .. } = &statement.made {
                said.insert((relation.as_str(), column.as_deref()));
            }
        }
        for statement in &self.statements {
            let Some(name) = statement.made.relation() else { continue };
            if !said.contains(&(name, None)) {
                faults.push(format!("{}: {name} has no comment", statement.file));
            }
            let Made::Table { columns, .. } = &statement.made else { continue };
            let silent = columns.iter().filter(|column| !said.contains(&(name, Some(column.name.as_str()))));
            faults.extend(
                silent.map(|column| format!("{}: column {name}.{} has no comment", statement.file, column.name)),
            );
        }
        let mut answering = BTreeSet::new();
        for sentence in &self.sentences {
            if sentence.by.is_empty() && sentence.left_out.is_none() {
                faults.push(format!("spec.toml: nothing answers \"{}\", and no reason is given", sentence.says));
            }
            let unknown = |name: &&String| !made.contains(name.as_str()) && !name.starts_with("caudal.");
            for name in sentence.by.iter().filter(unknown) {
                faults.push(format!(
                    "spec.toml: \"{}\" is to be answered by {name}, which the pack has not",
                    sentence.says
                ));
            }
            answering.extend(sentence.by.iter().map(String::as_str));
        }
        let alerts =
            self.statements.iter().filter(|statement| matches!(statement.made, Made::View { alert: true, .. }));
        for name in alerts.filter_map(|statement| statement.made.relation()).filter(|name| !answering.contains(name)) {
            faults.push(format!("spec.toml: no sentence asks for the alert {name}"));
        }
        faults
    }
}
