//! Where one SQL statement ends and the next begins, while lines are still coming in.

/// Cuts a text that arrives in pieces at the semicolons outside quotes, identifiers, dollar quotes and comments.
#[derive(Debug, Default)]
pub struct Statements {
    pending: String,
}

impl Statements {
    /// Adds text and returns the statements that it completes, without semicolons and blanks around them.
    pub fn push(&mut self, text: &str) -> Vec<String> {
        self.pending.push_str(text);
        let mut complete = Vec::new();
        while let Some(end) = end_of_statement(&self.pending) {
            let rest = self.pending.split_off(end + 1);
            self.pending.truncate(end);
            let statement = std::mem::replace(&mut self.pending, rest);
            if has_words(&statement) {
                complete.push(statement.trim().to_string());
            }
        }
        complete
    }

    /// Whether a statement has begun and not ended.
    pub fn is_open(&self) -> bool {
        has_words(&self.pending)
    }

    /// What is left at the end of the text, where the last semicolon is missing.
    pub fn finish(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.pending);
        has_words(&rest).then(|| rest.trim().to_string())
    }
}

/// All statements of a complete text.
pub fn split(text: &str) -> Vec<String> {
    let mut statements = Statements::default();
    let mut all = statements.push(text);
    all.extend(statements.finish());
    all
}

/// The byte of the first semicolon that ends a statement.
fn end_of_statement(text: &str) -> Option<usize> {
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with(';') {
            return Some(at);
        }
        at += token_len(text, at)?;
    }
    None
}

/// Whether there is more than blanks and comments.
fn has_words(text: &str) -> bool {
    let mut at = 0;
    while at < text.len() {
        let blank = text[at..].starts_with(char::is_whitespace);
        let comment = text[at..].starts_with("--") || text[at..].starts_with("/*");
        if !blank && !comment {
            return true;
        }
        match token_len(text, at) {
            Some(len) => at += len,
            None => return false,
        }
    }
    false
}

/// Bytes of the quote, comment or single character that begins at `at`; `None` where it has not ended yet.
fn token_len(text: &str, at: usize) -> Option<usize> {
    let rest = &text[at..];
    let first = rest.chars().next()?;
    match first {
        '\'' => quoted_len(rest, '\'', text[..at].ends_with(['E', 'e'])),
        '"' => quoted_len(rest, '"', false),
        '-' if rest.starts_with("--") => Some(rest.find('\n').map_or(rest.len(), |end| end + 1)),
        '/' if rest.starts_with("/*") => comment_len(rest),
        '$' => match dollar_tag(rest) {
            Some(tag) => rest[tag.len()..].find(tag).map(|end| end + 2 * tag.len()),
            None => Some(1),
        },
        other => Some(other.len_utf8()),
    }
}

/// A doubled quote is two quoted texts beside each other, which ends at the same place.
fn quoted_len(rest: &str, quote: char, backslash_escapes: bool) -> Option<usize> {
    let mut escaped = false;
    for (at, letter) in rest.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' if backslash_escapes => escaped = true,
            letter if letter == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Comments of this kind nest.
fn comment_len(rest: &str) -> Option<usize> {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += rest[at..].chars().next()?.len_utf8();
        }
    }
    None
}

/// `$$` or `$tag$` at the start of the text; `$1` is a parameter.
fn dollar_tag(rest: &str) -> Option<&str> {
    let end = rest[1..].find('$')? + 2;
    let tag = &rest[1..end - 1];
    let letters = tag.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    (letters && !tag.starts_with(|first: char| first.is_ascii_digit())).then_some(&rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semicolons_in_quotes_and_comments_do_not_end_a_statement() {
        let text =
            "SELECT ';', \"a;b\", E'\\';', $x$;$x$, $$;$$ /* ; /* ; */ ; */ -- ;\n, $1; SELECT 'it''s;'; ;\n-- done;\n";
        let statements = split(text);
        assert_eq!(statements.len(), 2, "{statements:?}");
        assert!(statements[0].ends_with(", $1"));
        assert_eq!(statements[1], "SELECT 'it''s;'");
    }

    #[test]
    fn a_statement_may_arrive_in_lines() {
        let mut statements = Statements::default();
        assert!(statements.push("SELECT 'ä;\n").is_empty());
        assert!(statements.is_open());
        assert_eq!(statements.push("b';\n"), ["SELECT 'ä;\nb'"]);
        assert!(!statements.is_open());
        assert!(statements.push("SELECT 2").is_empty());
        assert_eq!(statements.finish().as_deref(), Some("SELECT 2"));
        assert_eq!(statements.finish(), None);
    }

    #[test]
    fn a_comment_alone_is_no_statement() {
        assert!(split("-- nothing\n /* here */ ;").is_empty());
    }
}
