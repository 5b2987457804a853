//! PostgreSQL's regular expressions in the words of the library that finds them, which tries alternatives in their order, where
//! PostgreSQL takes the longest, and looks neither ahead nor back.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use regex::{Regex, RegexBuilder};

use crate::error::SqlError;
use crate::limits::PATTERNS_KEPT_MAX;

/// What the letters of a flags argument say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags {
    /// All matches, not the first one.
    pub global: bool,
    ignore_case: bool,
    /// `.` and `[^a]` stop at ends of lines.
    lines_stop: bool,
    /// `^` and `$` are at ends of lines too.
    lines_anchor: bool,
    expanded: bool,
    literal: bool,
}

impl Flags {
    pub fn read(letters: &str) -> Result<Flags, SqlError> {
        let mut flags = Flags::default();
        for letter in letters.chars() {
            match letter {
                'g' => flags.global = true,
                'i' => flags.ignore_case = true,
                'c' => flags.ignore_case = false,
                'm' | 'n' => (flags.lines_stop, flags.lines_anchor) = (true, true),
                'p' => (flags.lines_stop, flags.lines_anchor) = (true, false),
                's' => (flags.lines_stop, flags.lines_anchor) = (false, false),
                'w' => (flags.lines_stop, flags.lines_anchor) = (false, true),
                'x' => flags.expanded = true,
                't' => flags.expanded = false,
                'q' => flags.literal = true,
                'e' => {}
                'b' => return Err(SqlError::unsupported("a basic regular expression (flag b)")),
                other => {
                    let words = format!("invalid regular expression option: \"{other}\"");
                    return Err(SqlError::new("22023", words));
                }
            }
        }
        Ok(flags)
    }
}

/// The compiled pattern. Those used last in a thread are kept, as a column's rows ask for the same one.
pub fn compiled(pattern: &str, flags: Flags) -> Result<Rc<Regex>, SqlError> {
    thread_local! {
        static KEPT: RefCell<HashMap<(String, Flags), Rc<Regex>>> = RefCell::default();
    }
    KEPT.with_borrow_mut(|kept| {
        let flags = Flags { global: false, ..flags };
        let key = (pattern.to_owned(), flags);
        if let Some(known) = kept.get(&key) {
            return Ok(known.clone());
        }
        let made = Rc::new(compile(pattern, flags)?);
        if kept.len() >= PATTERNS_KEPT_MAX {
            kept.clear();
        }
        kept.insert(key, made.clone());
        Ok(made)
    })
}

fn compile(pattern: &str, mut flags: Flags) -> Result<Regex, SqlError> {
    let mut rest = pattern;
    if let Some(literal) = pattern.strip_prefix("***=") {
        (rest, flags.literal) = (literal, true);
    } else if !flags.literal {
        rest = rest.strip_prefix("***:").unwrap_or(rest);
        if let Some((letters, behind)) = rest.strip_prefix("(?").and_then(|rest| rest.split_once(')'))
            && !letters.is_empty()
            && letters.chars().all(|letter| letter.is_ascii_lowercase())
        {
            let of_pattern = Flags::read(letters)?;
            flags.ignore_case = of_pattern.ignore_case || flags.ignore_case && !letters.contains('c');
            if letters.contains(['m', 'n', 'p', 's', 'w']) {
                (flags.lines_stop, flags.lines_anchor) = (of_pattern.lines_stop, of_pattern.lines_anchor);
            }
            flags.expanded |= of_pattern.expanded;
            flags.literal |= of_pattern.literal;
            rest = behind;
        }
    }
    let spoken =
        if flags.literal { regex::escape(rest) } else { Reader { rest, flags, spoken: String::new() }.read()? };
    RegexBuilder::new(&spoken)
        .case_insensitive(flags.ignore_case)
        .multi_line(flags.lines_anchor)
        .dot_matches_new_line(!flags.lines_stop)
        .ignore_whitespace(flags.expanded)
        .build()
        .map_err(|error| invalid(&error.to_string()))
}

fn invalid(why: &str) -> SqlError {
    let why = why.lines().last().unwrap_or(why).trim_start_matches("error: ");
    SqlError::new("2201B", format!("invalid regular expression: {why}"))
}

struct Reader<'p> {
    rest: &'p str,
    flags: Flags,
    spoken: String,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let letter = self.rest.chars().next()?;
        self.rest = &self.rest[letter.len_utf8()..];
        Some(letter)
    }

    fn read(mut self) -> Result<String, SqlError> {
        while let Some(letter) = self.next() {
            match letter {
                '\\' => self.escape(false)?,
                '[' => self.bracket()?,
                '(' if ["?=", "?!", "?<=", "?<!"].iter().any(|look| self.rest.starts_with(look)) => {
                    return Err(SqlError::unsupported("a regular expression that looks ahead or back"));
                }
                '(' if self.rest.starts_with('?') && !self.rest.starts_with("?:") => {
                    return Err(invalid("quantifier operand invalid"));
                }
                '*' | '+' | '?' => {
                    self.spoken.push(letter);
                    if let Some(rest) = self.rest.strip_prefix('?') {
                        (self.rest, self.spoken) = (rest, std::mem::take(&mut self.spoken) + "?");
                    }
                    if self.rest.starts_with(['*', '+', '?']) {
                        return Err(invalid("quantifier operand invalid"));
                    }
                }
                '{' if !self.rest.starts_with(|next: char| next.is_ascii_digit()) => self.spoken += "\\{",
                letter => self.spoken.push(letter),
            }
        }
        Ok(self.spoken)
    }

    /// What stands behind a backslash.
    fn escape(&mut self, in_bracket: bool) -> Result<(), SqlError> {
        let letter = self.next().ok_or_else(|| invalid("invalid escape \\ sequence"))?;
        let known = match letter {
            'm' if !in_bracket => "\\b{start}",
            'M' if !in_bracket => "\\b{end}",
            'y' if !in_bracket => "\\b",
            'Y' if !in_bracket => "\\B",
            'Z' if !in_bracket => "\\z",
            'A' if !in_bracket => "\\A",
            'b' => "\\x08",
            'B' => "\\\\",
            'e' => "\\x1B",
            '0' => "\\x00",
            'd' if in_bracket => "0-9",
            'd' => "[0-9]",
            's' => "\\s",
            'w' => "\\w",
            'D' => "[^0-9]",
            'S' => "\\S",
            'W' => "\\W",
            'a' | 'f' | 'n' | 'r' | 't' | 'v' => {
                self.spoken.push('\\');
                self.spoken.push(letter);
                return Ok(());
            }
            'u' | 'U' | 'x' => {
                let most = match letter {
                    'u' => 4,
                    'U' => 8,
                    _ => usize::MAX,
                };
                let digits = self.rest.bytes().take(most).take_while(u8::is_ascii_hexdigit).count();
                let (digits, rest) = self.rest.split_at(digits);
                self.rest = rest;
                self.spoken += &format!("\\x{{{digits}}}");
                return Ok(());
            }
            '1'..='9' => return Err(SqlError::unsupported("a regular expression that refers back to a group")),
            letter if letter.is_ascii_alphanumeric() => return Err(invalid("invalid escape \\ sequence")),
            letter => {
                self.spoken += &regex::escape(letter.encode_utf8(&mut [0; 4]));
                return Ok(());
            }
        };
        self.spoken += known;
        Ok(())
    }

    /// `[..]`, whose first character has been read.
    fn bracket(&mut self) -> Result<(), SqlError> {
        for (word, edge) in [("[:<:]]", "\\b{start}"), ("[:>:]]", "\\b{end}")] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                (self.rest, self.spoken) = (rest, std::mem::take(&mut self.spoken) + edge);
                return Ok(());
            }
        }
        self.spoken.push('[');
        if let Some(rest) = self.rest.strip_prefix('^') {
            self.rest = rest;
            self.spoken += if self.flags.lines_stop { "^\\n" } else { "^" };
        }
        let mut first = true;
        loop {
            match self.next().ok_or_else(|| invalid("brackets [] not balanced"))? {
                ']' if !first => break,
                '\\' => self.escape(true)?,
                '[' if self.rest.starts_with(':') => {
                    let (class, rest) = self.rest.split_once(":]").ok_or_else(|| invalid("invalid character class"))?;
                    // Letters are those of all languages, as `\w` has them; digits are ten.
                    match &class[1..] {
                        "alpha" => self.spoken += "\\p{Alphabetic}",
                        "alnum" => self.spoken += "\\p{Alphabetic}0-9",
                        "upper" => self.spoken += "\\p{Uppercase}",
                        "lower" => self.spoken += "\\p{Lowercase}",
                        "space" => self.spoken += "\\s",
                        class => self.spoken += &format!("[:{class}:]"),
                    }
                    self.rest = rest;
                }
                '[' if self.rest.starts_with(['.', '=']) => {
                    let mark = self.next().expect("it was just seen");
                    let ended = || invalid("invalid collating element");
                    let (element, rest) = self.rest.split_once(&format!("{mark}]")).ok_or_else(ended)?;
                    self.spoken += &regex::escape(element);
                    self.rest = rest;
                }
                '-' if first || self.rest.starts_with(']') => self.spoken += "\\-",
                '-' => {
                    self.spoken.push('-');
                    // The end of a range: two of them would be a difference of sets.
                    if let Some(rest) = self.rest.strip_prefix('-') {
                        (self.rest, self.spoken) = (rest, std::mem::take(&mut self.spoken) + "\\-");
                    }
                }
                // The library leaves them out of brackets too.
                blank if self.flags.expanded && blank.is_whitespace() => {
                    self.spoken += &format!("\\x{{{:x}}}", u32::from(blank));
                }
                letter => self.spoken += &regex::escape(letter.encode_utf8(&mut [0; 4])),
            }
            first = false;
        }
        self.spoken.push(']');
        Ok(())
    }
}

/// The regular expression of a pattern of `SIMILAR TO`, which is about the whole text.
pub fn similar(pattern: &str, escape: Option<char>) -> Result<String, SqlError> {
    let (mut spoken, mut letters, mut in_bracket) = ("^(?:".to_owned(), pattern.chars(), false);
    while let Some(letter) = letters.next() {
        match letter {
            letter if Some(letter) == escape => {
                let Some(next) = letters.next() else { break };
                spoken.extend(['\\', next]);
            }
            '\\' => spoken += "\\\\",
            letter if in_bracket => {
                in_bracket = letter != ']';
                spoken.push(letter);
            }
            '[' => {
                in_bracket = true;
                spoken.push('[');
            }
            '%' => spoken += ".*",
            '_' => spoken.push('.'),
            '(' => spoken += "(?:",
            '.' | '^' | '$' => {
                spoken.push('\\');
                spoken.push(letter);
            }
            letter => spoken.push(letter),
        }
    }
    Ok(spoken + ")$")
}
