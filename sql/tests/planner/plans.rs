//! How queries become plans: each file of `plans/` is a query and what it becomes.
//!
//! `UPDATE_PLANS=1 cargo test -p sql --test planner plans` writes the answers anew; the difference is then to be read.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::planned::Catalogue;
use sql::planner;

const ANSWER: &str = "\n----\n";

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/planner/plans");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    assert!(!files.is_empty());
    files
}

/// What a query becomes: the rewritten plan and the incremental one, or the refusal.
async fn answer(catalogue: &Catalogue, query: &str) -> String {
    let mut text = String::new();
    match catalogue.plan(query).await {
        Ok(view) => {
            let rewritten = planner::rewrite(&catalogue.logical(query).await.unwrap()).unwrap();
            writeln!(text, "{}\n", rewritten.display_indent()).unwrap();
            for line in planner::explain(&view, &|id| catalogue.name_of(id), None) {
                writeln!(text, "{line}").unwrap();
            }
            writeln!(text).unwrap();
            for (position, field) in view.schema.columns.fields().iter().enumerate() {
                let key = view.schema.key.iter().position(|&column| column == position);
                let key = key.map_or(String::new(), |at| format!(" key {}", at + 1));
                writeln!(text, "{} {}{key}", field.name(), field.data_type()).unwrap();
            }
        }
        Err(error) => {
            write!(text, "{} {}", error.sqlstate, error.message).unwrap();
            if let Some(position) = error.position {
                write!(text, " (at {position})").unwrap();
            }
            writeln!(text).unwrap();
            if let Some(hint) = error.hint {
                writeln!(text, "  {hint}").unwrap();
            }
        }
    }
    text
}

#[tokio::test]
async fn queries_become_the_plans_on_file() {
    let catalogue = Catalogue::new();
    let update = std::env::var_os("UPDATE_PLANS").is_some();
    let mut wrong = Vec::new();
    for file in cases() {
        let text = std::fs::read_to_string(&file).unwrap();
        let mut found = String::new();
        for case in text.split("\n====\n") {
            let (query, _) = case.split_once(ANSWER).unwrap_or((case.trim_end(), ""));
            let separator = if found.is_empty() { "" } else { "\n====\n" };
            write!(found, "{separator}{query}{ANSWER}{}", answer(&catalogue, query).await.trim_end()).unwrap();
        }
        found.push('\n');
        if found != text {
            if update {
                std::fs::write(&file, &found).unwrap();
            } else {
                wrong.push(format!("{}:\n{found}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
