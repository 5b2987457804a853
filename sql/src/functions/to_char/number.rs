//! Numbers by PostgreSQL's patterns: `9`, `0`, `.`, `,`, `D`, `G`, `S`, `MI`, `PL`, `SG`, `PR`, `L`, `V`, `RN`, `TH`, `EEEE`, `FM`.
//!
//! What comes out for a pattern is PostgreSQL's down to the blanks; so this follows its steps, which fill places one by one.

use super::ordinal;
use crate::error::SqlError;

/// What a pattern asks for at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// `9`, and `0`, which keeps its digit.
    Digit,
    Zero,
    Point,
    Group,
    Currency,
    Roman {
        lower: bool,
    },
    Ordinal {
        lower: bool,
    },
    Minus,
    Plus,
    Sign,
    /// `FM`, `S`, `PR`, `V` and the like, which only change how others are written.
    Nothing,
    Literal(char),
}

/// Where `S` puts the sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signed {
    Before,
    Behind,
}

/// A pattern, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pattern {
    parts: Vec<Part>,
    /// Places before the point and behind it, and those that `V` adds.
    before: usize,
    behind: usize,
    shift: usize,
    /// Places up to the first `0`, and up to the last.
    zero_first: Option<usize>,
    zero_last: usize,
    sign: Option<Signed>,
    /// Places before `S`.
    before_sign: usize,
    point: bool,
    fill: bool,
    minus: bool,
    plus: bool,
    brackets: bool,
    roman: bool,
    shifts: bool,
    scientific: bool,
}

/// The keywords, longer ones first where one begins another.
const WORDS: [&str; 20] =
    ["EEEE", "FM", "MI", "PL", "PR", "RN", "SG", "SP", "TH", ",", ".", "0", "9", "B", "C", "D", "G", "L", "S", "V"];

impl Pattern {
    pub fn read(text: &str) -> Result<Pattern, SqlError> {
        let mut pattern = Pattern::default();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let word = WORDS.iter().find(|word| {
                let head = rest.get(..word.len()).unwrap_or("");
                head == **word || head == word.to_lowercase()
            });
            if let Some(word) = word {
                let lower = rest.starts_with(|letter: char| letter.is_ascii_lowercase());
                let part = pattern.word(word, lower)?;
                pattern.parts.push(part);
                rest = &rest[word.len()..];
            } else {
                let (literal, left) = super::literal(rest, first);
                pattern.parts.extend(literal.chars().map(Part::Literal));
                rest = left;
            }
        }
        Ok(pattern)
    }

    fn word(&mut self, word: &str, lower: bool) -> Result<Part, SqlError> {
        let wrong = |words: &str| Err(SqlError::new("42601", words));
        if self.scientific && word != "EEEE" {
            return wrong("\"EEEE\" must be the last pattern used");
        }
        match word {
            "9" | "0" if self.brackets => return wrong(&format!("\"{word}\" must be ahead of \"PR\"")),
            "9" if self.shifts => self.shift += 1,
            "9" if self.point => self.behind += 1,
            "9" => self.before += 1,
            "0" => {
                if self.zero_first.is_none() && !self.point {
                    self.zero_first = Some(self.before);
                }
                *(if self.point { &mut self.behind } else { &mut self.before }) += 1;
                self.zero_last = self.before + self.behind;
                return Ok(Part::Zero);
            }
            "." | "D" if self.point => return wrong("multiple decimal points"),
            "." | "D" if self.shifts => return wrong("cannot use \"V\" and decimal point together"),
            "." | "D" => {
                self.point = true;
                return Ok(Part::Point);
            }
            "," | "G" => return Ok(Part::Group),
            "L" => return Ok(Part::Currency),
            "FM" => self.fill = true,
            "S" if self.sign.is_some() => return wrong("cannot use \"S\" twice"),
            "S" if self.plus || self.minus || self.brackets => {
                return wrong("cannot use \"S\" and \"PL\"/\"MI\"/\"SG\"/\"PR\" together");
            }
            "S" if self.point => self.sign = Some(Signed::Behind),
            "S" => (self.sign, self.before_sign) = (Some(Signed::Before), self.before),
            "MI" | "PL" | "SG" if self.sign.is_some() => {
                return wrong(&format!("cannot use \"S\" and \"{word}\" together"));
            }
            "MI" => {
                self.minus = true;
                return Ok(Part::Minus);
            }
            "PL" => {
                self.plus = true;
                return Ok(Part::Plus);
            }
            "SG" => {
                (self.minus, self.plus) = (true, true);
                return Ok(Part::Sign);
            }
            "PR" if self.sign.is_some() || self.plus || self.minus => {
                return wrong("cannot use \"PR\" and \"S\"/\"PL\"/\"MI\"/\"SG\" together");
            }
            "PR" => self.brackets = true,
            "RN" => {
                self.roman = true;
                return Ok(Part::Roman { lower });
            }
            "TH" => return Ok(Part::Ordinal { lower }),
            "V" if self.point => return wrong("cannot use \"V\" and decimal point together"),
            "V" => self.shifts = true,
            "EEEE" => {
                let others = self.fill || self.sign.is_some() || self.plus || self.minus || self.brackets;
                if self.scientific {
                    return wrong("cannot use \"EEEE\" twice");
                }
                if others || self.roman || self.shifts {
                    return Err(SqlError::new("42601", "\"EEEE\" is incompatible with other formats")
                        .hint("\"EEEE\" may only be used together with digit and decimal point patterns."));
                }
                self.scientific = true;
            }
            _ => {}
        }
        Ok(if word == "9" { Part::Digit } else { Part::Nothing })
    }

    pub fn of_integer(&self, value: i64) -> String {
        match i32::try_from(value) {
            // As a double, whose ties go to even digits.
            Ok(small) if self.scientific => self.of_double(small.into()),
            _ => self.of_decimal(value.into(), 0),
        }
    }

    /// A decimal: `value` with the point before its last `scale` digits.
    pub fn of_decimal(&self, value: i128, scale: u32) -> String {
        if self.roman {
            return self.written(&roman(rounded(value, scale)), false, 0, self.behind);
        }
        if self.scientific {
            return scientific(value, scale, self.behind);
        }
        let shifted = scale as i64 - self.shift as i64;
        let behind = self.behind as i64;
        // As many digits behind the point as the pattern has.
        let digits = match behind - shifted {
            more @ 0.. => format!("{value}{}", if value == 0 { String::new() } else { "0".repeat(more as usize) }),
            fewer => rounded(value, fewer.unsigned_abs() as u32).to_string(),
        };
        let (negative, digits) = match digits.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, digits.as_str()),
        };
        let padded = format!("{digits:0>width$}", width = self.behind + 1);
        let (whole, fraction) = padded.split_at(padded.len() - self.behind);
        self.filled(whole, fraction, negative, self.behind)
    }

    /// Whether `TH` is asked of what has no last digit: NaN and infinity where they have room.
    pub fn counts(&self, value: f64) -> bool {
        let letters = if value.is_nan() { 3 } else { 8 };
        let ordinal = self.parts.iter().any(|part| matches!(part, Part::Ordinal { .. }));
        let asked = ordinal && !self.roman && !self.point && !self.scientific;
        asked && !value.is_finite() && value != f64::NEG_INFINITY && letters <= self.before + self.shift
    }

    pub fn of_double(&self, value: f64) -> String {
        const DIGITS: usize = 15;
        if self.roman {
            let whole = if value.is_finite() { value.round_ties_even() as i128 } else { 0 };
            return self.written(&roman(whole), false, 0, self.behind);
        }
        if self.scientific {
            if !value.is_finite() {
                let mut places = "#".repeat(self.before + self.behind + 6);
                places.replace_range(0..1, " ");
                places.replace_range(self.before + 1..self.before + 2, ".");
                return places;
            }
            let text = exponent_of_two(format!("{:.*e}", self.behind, value));
            return if value.is_sign_negative() { text } else { format!(" {text}") };
        }
        let value = value * 10_f64.powi(self.shift as i32);
        let printed = |value: f64, behind: usize| match value {
            _ if value.is_nan() => "NaN".to_owned(),
            _ if value.is_infinite() => "Infinity".to_owned(),
            _ => format!("{value:.behind$}"),
        };
        let before = printed(value.abs(), 0).len();
        let behind = if before >= DIGITS { 0 } else { self.behind.min(DIGITS - before) };
        let digits = printed(value.abs(), behind);
        let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
        self.filled(whole, fraction, value.is_sign_negative() && !value.is_nan(), behind)
    }

    /// The number where its digits have room, else `#` for each place.
    fn filled(&self, whole: &str, fraction: &str, negative: bool, behind: usize) -> String {
        let room = self.before + self.shift;
        let number = match whole.len() > room {
            true => format!("{}.{}", "#".repeat(room), "#".repeat(behind)),
            false if fraction.is_empty() => whole.to_owned(),
            false => format!("{whole}.{fraction}"),
        };
        self.written(&number, negative, room.saturating_sub(whole.len()), behind)
    }

    /// Writes a number place by place; `spaces` of them have no digit.
    fn written(&self, number: &str, negative: bool, spaces: usize, behind: usize) -> String {
        let number: Vec<char> = number.chars().collect();
        let mut writing = Writing::new(self, &number, negative, spaces, behind);
        for part in &self.parts {
            writing.part(part);
        }
        writing.out
    }
}

/// A number on its way to its text.
struct Writing<'a> {
    pattern: &'a Pattern,
    number: &'a [char],
    negative: bool,
    /// Places without a digit, before the first.
    spaces: usize,
    behind: usize,
    sign: Option<Signed>,
    brackets: bool,
    sign_written: bool,
    /// Places of the last digit that is not left out, where some may be.
    last: Option<usize>,
    places: usize,
    /// How many places and how many of the number's characters are done.
    place: usize,
    at: usize,
    /// The place before had a digit.
    within: bool,
    out: String,
}

impl<'a> Writing<'a> {
    fn new(pattern: &'a Pattern, number: &'a [char], negative: bool, spaces: usize, behind: usize) -> Writing<'a> {
        let (mut sign, mut brackets) = (pattern.sign, pattern.brackets);
        let before = pattern.before + pattern.shift;
        let sign_written = if pattern.plus || pattern.minus {
            pattern.minus
        } else {
            if !negative && pattern.fill {
                brackets = false;
            }
            if sign == Some(Signed::Before) && before == pattern.before_sign {
                sign = Some(Signed::Behind);
            }
            !negative && pattern.fill && sign.is_none()
        };
        let mut last = None;
        if pattern.fill && pattern.point {
            last = number
                .iter()
                .position(|&digit| digit == '.')
                .map(|point| number.iter().rposition(|&digit| digit != '0').filter(|&at| at > point).unwrap_or(point));
            if let Some(kept) = last.filter(|_| pattern.zero_last > spaces) {
                last = Some(kept.max((number.len() - 1).min(pattern.zero_last - spaces)));
            }
        }
        let places = (behind + before + usize::from(!sign_written && spaces == 0)).wrapping_sub(1);
        Writing {
            pattern,
            number,
            negative,
            spaces,
            behind,
            sign,
            brackets,
            sign_written,
            last,
            places,
            place: 0,
            at: 0,
            within: false,
            out: String::new(),
        }
    }

    fn part(&mut self, part: &Part) {
        let fill = self.pattern.fill;
        let blank = |wanted: bool, sign: char| if wanted { Some(sign) } else { (!fill).then_some(' ') };
        match part {
            Part::Digit | Part::Zero | Part::Point => self.digit(part),
            Part::Group if self.within => self.out.push(','),
            Part::Group => self.out.extend((!fill).then_some(' ')),
            Part::Currency => self.out.push(' '),
            Part::Roman { lower } => {
                let text: String = self.number.iter().collect();
                let text = if *lower { text.to_lowercase() } else { text };
                self.out += &if fill { text } else { format!("{text:>15}") };
            }
            Part::Ordinal { lower } => {
                let none =
                    self.pattern.roman || self.pattern.point || self.negative || self.number.first() == Some(&'#');
                if !none {
                    self.out += ordinal(&self.number.iter().collect::<String>(), *lower);
                }
            }
            Part::Minus => self.out.extend(blank(self.negative, '-')),
            Part::Plus => self.out.extend(blank(!self.negative, '+')),
            Part::Sign => self.out.push(if self.negative { '-' } else { '+' }),
            Part::Nothing => {}
            Part::Literal(letter) => self.out.push(*letter),
        }
    }

    /// Whether the next digit is the zero before the point, which `9.9` leaves out.
    fn zero_before_point(&self) -> bool {
        self.pattern.zero_first.is_none() && self.at == 0 && self.number.first() == Some(&'0') && self.behind != 0
    }

    /// Whether all digits behind the point are left out.
    fn ends_with_point(&self) -> bool {
        self.last.is_some_and(|last| self.number[last] == '.')
    }

    fn digit(&mut self, part: &Part) {
        if self.pattern.roman {
            return;
        }
        self.within = false;
        let zero_here = self.pattern.zero_first.is_some_and(|first| first <= self.place);
        if !self.sign_written
            && (self.place >= self.spaces || self.pattern.zero_first == Some(self.place))
            && (!self.zero_before_point() || self.ends_with_point())
        {
            self.write_sign();
        }
        let fill = self.pattern.fill;
        if self.place < self.spaces && !zero_here {
            self.out.extend((!fill).then_some(' '));
        } else if self.place < self.spaces {
            self.out.push('0');
            self.within = true;
        } else {
            match self.number.get(self.at) {
                Some('.') => self.out.push('.'),
                digit => {
                    if self.last.is_some_and(|last| self.at > last) && *part != Part::Zero {
                        // Left out.
                    } else if self.zero_before_point() {
                        match fill {
                            false => self.out.push(' '),
                            true => self.out.extend(self.ends_with_point().then_some('0')),
                        }
                    } else if let Some(&digit) = digit {
                        self.out.push(digit);
                        self.within = true;
                    }
                }
            }
            self.at += usize::from(self.at < self.number.len());
        }
        let mut end = self.places.wrapping_add(usize::from(self.spaces > 0) + usize::from(self.pattern.point));
        if self.last == Some(self.at) {
            end = self.place;
        }
        if self.place.wrapping_add(1) == end {
            if self.sign_written && self.brackets {
                self.out.push(if self.negative { '>' } else { ' ' });
            } else if self.sign == Some(Signed::Behind) {
                self.out.push(if self.negative { '-' } else { '+' });
            }
        }
        self.place += 1;
    }

    fn write_sign(&mut self) {
        let sign = if self.negative { '-' } else { '+' };
        match self.sign {
            Some(Signed::Before) => self.out.push(sign),
            Some(Signed::Behind) => return,
            None if self.brackets => self.out.push(if self.negative { '<' } else { ' ' }),
            None if self.negative => self.out.push('-'),
            None => self.out.extend((!self.pattern.fill).then_some(' ')),
        }
        self.sign_written = true;
    }
}

/// `value` without its last digits, rounded half away from zero.
fn rounded(value: i128, digits: u32) -> i128 {
    let Some(unit) = 10_i128.checked_pow(digits) else { return 0 };
    let half = unit / 2;
    let rest = value % unit;
    value / unit + if digits > 0 && rest.abs() >= half { value.signum() } else { 0 }
}

/// A Roman number, or as many `#` as the longest has letters.
fn roman(value: i128) -> String {
    const LETTERS: [(i128, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    if !(1..4000).contains(&value) {
        return "#".repeat(15);
    }
    let mut left = value;
    let mut text = String::new();
    for (of, letters) in LETTERS {
        while left >= of {
            text += letters;
            left -= of;
        }
    }
    text
}

/// `1.50e+03` of a decimal, a blank for the plus sign.
fn scientific(value: i128, scale: u32, behind: usize) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut power = digits.len() as i64 - 1 - i64::from(scale);
    let mut mantissa = value.unsigned_abs() as i128;
    let cut = digits.len() as i64 - 1 - behind as i64;
    if value == 0 {
        power = 0;
    }
    if cut > 0 {
        mantissa = rounded(mantissa, cut as u32);
    }
    // Rounded up to one more digit it stays as it is, as in PostgreSQL: 9.96 is 10.0e+00.
    let text = format!("{mantissa:0<width$}", width = behind + 1);
    let (whole, fraction) = text.split_at(text.len() - behind);
    let point = if behind > 0 { "." } else { "" };
    let (sign, of_power) = (if value < 0 { '-' } else { ' ' }, if power < 0 { '-' } else { '+' });
    format!("{sign}{whole}{point}{fraction}e{of_power}{:02}", power.abs())
}

/// Rust's `1.5e3` as C writes it, `1.5e+03`.
fn exponent_of_two(text: String) -> String {
    let (mantissa, power) = text.split_once('e').expect("LowerExp writes an exponent");
    let (sign, digits) = power.strip_prefix('-').map_or(('+', power), |digits| ('-', digits));
    format!("{mantissa}e{sign}{digits:0>2}")
}
