//! Paths from text.

use std::rc::Rc;

use super::{Arithmetic, Comparison, Expr, Method, Path, Step};
use crate::error::SqlError;
use crate::functions::regexp::{Flags, compiled};
use crate::json;

/// Parentheses, filters, subscripts and signs within each other.
const DEPTH_MAX: usize = 128;

/// Words and signs of one path: it is read, followed and dropped by recursion.
const TOKENS_MAX: usize = 2_000;

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Sign(&'static str),
    Word(String),
    Text(String),
    Number(String),
    Variable(String),
}

/// Longer ones first.
const SIGNS: [&str; 31] = [
    "**", "&&", "||", "==", "!=", "<>", "<=", ">=", "<", ">", "!", "?", "%", "$", ".", "[", "]", "{", "}", "(", ")",
    "@", ",", "*", "-", "+", "/", "=", "|", "&", "#",
];

impl Path {
    pub(super) fn read(written: &str) -> Result<Path, SqlError> {
        let tokens = tokens(written)?;
        if tokens.len() > TOKENS_MAX {
            let words = format!("the jsonpath has {} words and signs, more than {TOKENS_MAX}", tokens.len());
            return Err(SqlError::new("54001", words));
        }
        let mut reader = Reader { written, tokens, at: 0, depth: 0, filters: 0, subscripts: 0 };
        let strict = reader.word("strict");
        let lax = !strict;
        if lax {
            let _ = reader.word("lax");
        }
        let expr = reader.or()?;
        match reader.at == reader.tokens.len() {
            true => Ok(Path { lax, expr }),
            false => Err(reader.refused()),
        }
    }
}

fn refused(written: &str, what: &str) -> SqlError {
    SqlError::new("42601", format!("syntax error {what} of jsonpath input: \"{written}\""))
}

fn tokens(written: &str) -> Result<Vec<Token>, SqlError> {
    let (mut rest, mut tokens) = (written.trim_start(), Vec::new());
    while let Some(first) = rest.chars().next() {
        let length = if first == '"' {
            let (text, length) = quoted(rest).ok_or_else(|| refused(written, "in a string"))?;
            tokens.push(Token::Text(text));
            length
        } else if first.is_ascii_digit() {
            let length = number(rest);
            let canonical = json::canonical(rest[..length].trim_end_matches('.'));
            tokens.push(Token::Number(canonical.map_err(|_| refused(written, "in a number"))?));
            length
        } else if let Some(name) =
            rest.strip_prefix('$').filter(|name| name.starts_with(is_letter) || name.starts_with('"'))
        {
            let (name, length) = match name.starts_with('"') {
                true => quoted(name).ok_or_else(|| refused(written, "in a string"))?,
                false => (name[..word(name)].to_owned(), word(name)),
            };
            tokens.push(Token::Variable(name));
            length + 1
        } else if is_letter(first) {
            tokens.push(Token::Word(rest[..word(rest)].to_owned()));
            word(rest)
        } else {
            let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
            let sign = sign.ok_or_else(|| refused(written, "at or near a character"))?;
            tokens.push(Token::Sign(sign));
            sign.len()
        };
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

fn is_letter(letter: char) -> bool {
    !letter.is_ascii_digit() && !letter.is_whitespace() && !"?%$.[]{}()|&!=<>@#,*:-+/\\\"".contains(letter)
}

fn word(rest: &str) -> usize {
    rest.find(|letter| !is_letter(letter) && !letter.is_ascii_digit()).unwrap_or(rest.len())
}

/// A string at the front, and how long it is.
fn quoted(rest: &str) -> Option<(String, usize)> {
    let mut escaped = false;
    let end = rest.char_indices().skip(1).find(|(_, letter)| {
        let ends = *letter == '"' && !escaped;
        escaped = *letter == '\\' && !escaped;
        ends
    });
    let length = end?.0 + 1;
    Some((serde_json::from_str(&rest[..length]).ok()?, length))
}

/// How long the number at the front is.
fn number(rest: &str) -> usize {
    let digits = |from: usize| rest[from..].bytes().take_while(u8::is_ascii_digit).count();
    let mut length = digits(0);
    if rest[length..].starts_with('.') {
        length += 1 + digits(length + 1);
    }
    if rest[length..].starts_with(['e', 'E']) {
        let sign = usize::from(rest[length + 1..].starts_with(['+', '-']));
        let exponent = digits(length + 1 + sign);
        length += if exponent > 0 { 1 + sign + exponent } else { 0 };
    }
    length
}

struct Reader<'t> {
    written: &'t str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    /// Filters and subscripts around what is read: `@` is the item of the one, `last` a place of the other.
    filters: usize,
    subscripts: usize,
}

impl Reader<'_> {
    fn refused(&self) -> SqlError {
        refused(self.written, if self.at < self.tokens.len() { "in the middle" } else { "at end" })
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Sign(found)) if *found == sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), SqlError> {
        if self.sign(sign) { Ok(()) } else { Err(self.refused()) }
    }

    fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Word(found)) if found.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn text(&mut self) -> Result<String, SqlError> {
        match self.tokens.get(self.at) {
            Some(Token::Text(text)) => {
                self.at += 1;
                Ok(text.clone())
            }
            _ => Err(self.refused()),
        }
    }

    fn predicate(&self, expr: Expr) -> Result<Box<Expr>, SqlError> {
        if expr.is_predicate() { Ok(Box::new(expr)) } else { Err(self.refused()) }
    }

    fn operand(&self, expr: Expr) -> Result<Box<Expr>, SqlError> {
        if expr.is_predicate() { Err(self.refused()) } else { Ok(Box::new(expr)) }
    }

    fn deeper(&mut self) -> Result<(), SqlError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(SqlError::new("54001", "the jsonpath is nested too deeply"));
        }
        Ok(())
    }

    fn or(&mut self) -> Result<Expr, SqlError> {
        self.deeper()?;
        let mut left = self.and()?;
        while self.sign("||") {
            let right = self.and()?;
            left = Expr::Or(self.predicate(left)?, self.predicate(right)?);
        }
        self.depth -= 1;
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr, SqlError> {
        let mut left = self.not()?;
        while self.sign("&&") {
            let right = self.not()?;
            left = Expr::And(self.predicate(left)?, self.predicate(right)?);
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expr, SqlError> {
        if self.sign("!") {
            let of = self.accessor()?;
            return Ok(Expr::Not(self.predicate(of)?));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Expr, SqlError> {
        const KNOWN: [(&str, Comparison); 7] = [
            ("==", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("<>", Comparison::NotEqual),
            ("<=", Comparison::LessEqual),
            (">=", Comparison::GreaterEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        let left = self.sum()?;
        if let Some((_, comparison)) = KNOWN.into_iter().find(|(sign, _)| self.sign(sign)) {
            let right = self.sum()?;
            return Ok(Expr::Compare(comparison, self.operand(left)?, self.operand(right)?));
        }
        if self.word("is") {
            return match self.word("unknown") {
                true => Ok(Expr::IsUnknown(self.predicate(left)?)),
                false => Err(self.refused()),
            };
        }
        if self.word("starts") {
            if !self.word("with") {
                return Err(self.refused());
            }
            let start = match self.primary()? {
                start @ (Expr::Literal(_) | Expr::Variable(_)) => start,
                _ => return Err(self.refused()),
            };
            return Ok(Expr::StartsWith(self.operand(left)?, Box::new(start)));
        }
        if self.word("like_regex") {
            let pattern = self.text()?;
            let letters = if self.word("flag") { self.text()? } else { String::new() };
            return Ok(Expr::LikeRegex(self.operand(left)?, regex(&pattern, &letters)?));
        }
        Ok(left)
    }

    fn sum(&mut self) -> Result<Expr, SqlError> {
        let mut left = self.product()?;
        loop {
            let operation = match () {
                _ if self.sign("+") => Arithmetic::Add,
                _ if self.sign("-") => Arithmetic::Subtract,
                _ => return Ok(left),
            };
            let right = self.product()?;
            left = Expr::Arithmetic(operation, self.operand(left)?, self.operand(right)?);
        }
    }

    fn product(&mut self) -> Result<Expr, SqlError> {
        let mut left = self.signed()?;
        loop {
            let operation = match () {
                _ if self.sign("*") => Arithmetic::Multiply,
                _ if self.sign("/") => Arithmetic::Divide,
                _ if self.sign("%") => Arithmetic::Modulo,
                _ => return Ok(left),
            };
            let right = self.signed()?;
            left = Expr::Arithmetic(operation, self.operand(left)?, self.operand(right)?);
        }
    }

    fn signed(&mut self) -> Result<Expr, SqlError> {
        let operation = match () {
            _ if self.sign("+") => Arithmetic::Add,
            _ if self.sign("-") => Arithmetic::Subtract,
            _ => return self.accessor(),
        };
        self.deeper()?;
        let of = self.signed()?;
        self.depth -= 1;
        Ok(Expr::Sign(operation, self.operand(of)?))
    }

    fn accessor(&mut self) -> Result<Expr, SqlError> {
        let (of, mut steps) = (self.primary()?, Vec::new());
        loop {
            if self.sign(".") {
                steps.push(self.member()?);
            } else if self.sign("[") {
                steps.push(self.places()?);
            } else if self.sign("?") {
                self.expect("(")?;
                self.filters += 1;
                let condition = self.or()?;
                self.filters -= 1;
                self.expect(")")?;
                steps.push(Step::Filter(*self.predicate(condition)?));
            } else {
                return Ok(if steps.is_empty() { of } else { Expr::Steps(Box::new(of), steps) });
            }
        }
    }

    fn primary(&mut self) -> Result<Expr, SqlError> {
        let token = self.tokens.get(self.at).cloned().ok_or_else(|| self.refused())?;
        self.at += 1;
        Ok(match token {
            Token::Sign("$") => Expr::Root,
            Token::Sign("@") if self.filters == 0 => {
                return Err(SqlError::new("42601", "@ is not allowed in root expressions"));
            }
            Token::Sign("@") => Expr::Current,
            Token::Sign("(") => {
                let inner = self.or()?;
                self.expect(")")?;
                inner
            }
            Token::Variable(name) => Expr::Variable(name),
            Token::Number(number) => Expr::Literal(number),
            Token::Text(text) => {
                let mut literal = String::new();
                json::write_text(&text, &mut literal);
                Expr::Literal(literal)
            }
            Token::Word(word) if ["true", "false", "null"].contains(&word.as_str()) => Expr::Literal(word),
            Token::Word(word) if word.eq_ignore_ascii_case("last") && self.subscripts == 0 => {
                return Err(SqlError::new("42601", "LAST is allowed only in array subscripts"));
            }
            Token::Word(word) if word.eq_ignore_ascii_case("last") => Expr::Last,
            Token::Word(word) if word.eq_ignore_ascii_case("exists") => {
                self.expect("(")?;
                let of = self.or()?;
                self.expect(")")?;
                Expr::Exists(self.operand(of)?)
            }
            _ => {
                self.at -= 1;
                return Err(self.refused());
            }
        })
    }

    /// What stands behind a point.
    fn member(&mut self) -> Result<Step, SqlError> {
        if self.sign("**") {
            return self.within();
        }
        if self.sign("*") {
            return Ok(Step::AnyMember);
        }
        let token = self.tokens.get(self.at).cloned().ok_or_else(|| self.refused())?;
        self.at += 1;
        let name = match token {
            Token::Text(name) => return Ok(Step::Member(name)),
            Token::Word(name) => name,
            _ => {
                self.at -= 1;
                return Err(self.refused());
            }
        };
        if !self.sign("(") {
            return Ok(Step::Member(name));
        }
        let method = match name.as_str() {
            "type" => Method::Type,
            "size" => Method::Size,
            "double" => Method::Double,
            "ceiling" => Method::Ceiling,
            "floor" => Method::Floor,
            "abs" => Method::Abs,
            "keyvalue" | "datetime" => return Err(SqlError::unsupported(format!("the jsonpath method .{name}()"))),
            _ => return Err(self.refused()),
        };
        self.expect(")")?;
        Ok(Step::Method(method))
    }

    /// Behind `**`: all depths, or those in braces.
    fn within(&mut self) -> Result<Step, SqlError> {
        if !self.sign("{") {
            return Ok(Step::Within(0, u32::MAX));
        }
        let first = self.level()?;
        let last = if self.word("to") { self.level()? } else { first };
        self.expect("}")?;
        Ok(Step::Within(first, last))
    }

    fn level(&mut self) -> Result<u32, SqlError> {
        if self.word("last") {
            return Ok(u32::MAX);
        }
        match self.tokens.get(self.at) {
            Some(Token::Number(number)) => {
                let level = number.parse().map_err(|_| self.refused())?;
                self.at += 1;
                Ok(level)
            }
            _ => Err(self.refused()),
        }
    }

    fn places(&mut self) -> Result<Step, SqlError> {
        if self.sign("*") {
            self.expect("]")?;
            return Ok(Step::AnyItem);
        }
        let mut places = Vec::new();
        self.deeper()?;
        self.subscripts += 1;
        loop {
            let from = self.sum()?;
            let to = if self.word("to") { Some(self.sum()?) } else { None };
            let (from, to) = (*self.operand(from)?, to.map(|to| self.operand(to)).transpose()?.map(|to| *to));
            places.push((from, to));
            if !self.sign(",") {
                self.subscripts -= 1;
                self.depth -= 1;
                self.expect("]")?;
                return Ok(Step::Places(places));
            }
        }
    }
}

/// The flags of XQuery: without `s` a point is no end of a line, with `m` lines have ends of their own.
fn regex(pattern: &str, letters: &str) -> Result<Rc<regex::Regex>, SqlError> {
    let has = |letter| letters.contains(letter);
    if let Some(other) = letters.chars().find(|letter| !"ismq".contains(*letter)) {
        return match other {
            'x' => Err(SqlError::unsupported("XQuery \"x\" flag (expanded regular expressions)")),
            _ => Err(refused(pattern, &format!("in flag character \"{other}\" of like_regex"))),
        };
    }
    let mut flags = match (has('s'), has('m')) {
        (false, false) => "p",
        (true, false) => "s",
        (false, true) => "n",
        (true, true) => "w",
    }
    .to_owned();
    flags.extend(letters.chars().filter(|letter| "iq".contains(*letter)));
    compiled(pattern, Flags::read(&flags)?)
}
