//! Statements as a person types them: lines that can be edited, a history, completion.

use std::io::{self, Stdin, Stdout, Write};

use termion::event::Key;
use termion::input::{Keys, TermRead};
use termion::raw::{IntoRawMode, RawTerminal};
use termion::{clear, cursor};
use unicode_width::UnicodeWidthStr;

use super::buffer::Buffer;
use super::complete::{self, Names};
use super::history::History;
use crate::limits::CANDIDATES_MAX;
use crate::statements::Statements;

/// Before the first line, and before those that follow it.
const PROMPTS: [&str; 2] = ["caudal=> ", "caudal-> "];

/// What came of reading.
#[derive(Debug)]
pub enum Read {
    /// Complete statements, or a command.
    Text(String),
    /// Ctrl-D.
    End,
}

/// The keyboard with its history. One for the whole conversation: it may have read ahead.
pub struct Editor {
    keys: Keys<Stdin>,
    pub history: History,
    pub names: Names,
}

/// One reading.
struct Reading<'a> {
    out: RawTerminal<Stdout>,
    buffer: Buffer,
    history: &'a History,
    names: &'a Names,
    /// Which entry of the history is shown; behind the last one what was being typed.
    entry: usize,
    typed: String,
    /// What was cut last.
    cut: String,
    /// How many rows below the first one the cursor is on the screen.
    row: usize,
}

/// Whether reading goes on.
enum Flow {
    On,
    /// What was typed is dropped, and it begins anew.
    Dropped,
    Done(Read),
}

impl Editor {
    pub fn new(history: History) -> Editor {
        Editor { keys: io::stdin().keys(), history, names: Names::default() }
    }

    /// Reads until what is typed is complete and Enter is pressed.
    pub fn read(&mut self) -> io::Result<Read> {
        let entry = self.history.entries.len();
        let mut reading = Reading {
            out: io::stdout().into_raw_mode()?,
            buffer: Buffer::default(),
            history: &self.history,
            names: &self.names,
            entry,
            typed: String::new(),
            cut: String::new(),
            row: 0,
        };
        let read = loop {
            reading.draw(PROMPTS)?;
            let Some(key) = self.keys.next() else { break Read::End };
            let key = match key? {
                Key::Ctrl('r') => match reading.search(&mut self.keys)? {
                    Some(key) => key,
                    None => continue,
                },
                key => key,
            };
            match reading.key(key)? {
                Flow::On => {}
                // The terminal stays as it is: keys that are pressed at once are read as any others.
                Flow::Dropped => {
                    reading.leave()?;
                    (reading.buffer, reading.entry) = (Buffer::default(), entry);
                    reading.typed.clear();
                }
                Flow::Done(read) => break read,
            }
        };
        reading.leave()?;
        if let Read::Text(text) = &read
            && !text.trim().is_empty()
        {
            self.history.add(text.trim_end());
        }
        Ok(read)
    }
}

impl Reading<'_> {
    fn key(&mut self, key: Key) -> io::Result<Flow> {
        let buffer = &mut self.buffer;
        match key {
            Key::Char('\n') if is_complete(&buffer.text) => {
                return Ok(Flow::Done(Read::Text(buffer.text.clone())));
            }
            Key::Ctrl('c') => return Ok(Flow::Dropped),
            Key::Ctrl('d') if buffer.text.is_empty() => return Ok(Flow::Done(Read::End)),
            Key::Char('\t') => self.complete()?,
            Key::Alt('\r' | '\n') => buffer.insert("\n"),
            Key::Char(letter) => buffer.insert(letter.encode_utf8(&mut [0; 4])),
            Key::Left | Key::Ctrl('b') => buffer.cursor = buffer.left(),
            Key::Right | Key::Ctrl('f') => buffer.cursor = buffer.right(),
            Key::CtrlLeft | Key::AltLeft | Key::Alt('b') => buffer.cursor = buffer.word_left(),
            Key::CtrlRight | Key::AltRight | Key::Alt('f') => buffer.cursor = buffer.word_right(),
            Key::Home | Key::Ctrl('a') => buffer.cursor = buffer.line_start(),
            Key::End | Key::Ctrl('e') => buffer.cursor = buffer.line_end(),
            Key::Up | Key::Ctrl('p') => match buffer.up() {
                Some(above) => buffer.cursor = above,
                None => self.show_entry(self.entry.checked_sub(1)),
            },
            Key::Down | Key::Ctrl('n') => match buffer.down() {
                Some(below) => buffer.cursor = below,
                None => self.show_entry(Some(self.entry + 1)),
            },
            Key::Backspace | Key::Ctrl('h') => drop(buffer.cut(buffer.left())),
            Key::Delete | Key::Ctrl('d') => drop(buffer.cut(buffer.right())),
            Key::Ctrl('w') | Key::Alt('\u{7f}') => self.cut = buffer.cut(buffer.word_left()),
            Key::Alt('d') => self.cut = buffer.cut(buffer.word_right()),
            Key::Ctrl('u') => self.cut = buffer.cut(buffer.line_start()),
            Key::Ctrl('k') => self.cut = buffer.cut(buffer.line_end()),
            Key::Ctrl('y') => buffer.insert(&self.cut),
            Key::Ctrl('l') => {
                write!(self.out, "{}{}", clear::All, cursor::Goto(1, 1))?;
                self.row = 0;
            }
            _ => {}
        }
        Ok(Flow::On)
    }

    /// Shows an entry of the history, where there is one.
    fn show_entry(&mut self, entry: Option<usize>) {
        let Some(entry) = entry.filter(|&entry| entry <= self.history.entries.len()) else { return };
        if self.entry == self.history.entries.len() {
            self.typed = std::mem::take(&mut self.buffer.text);
        }
        self.buffer = Buffer::of(self.history.entries.get(entry).unwrap_or(&self.typed));
        self.entry = entry;
    }

    fn complete(&mut self) -> io::Result<()> {
        let (start, end) = (self.buffer.name_start(), self.buffer.cursor);
        let candidates = complete::candidates(self.names, &self.buffer.text, start, end);
        let common = complete::common(&candidates);
        match candidates.len() {
            0 => write!(self.out, "\x07"),
            1 => {
                self.buffer.cut(start);
                self.buffer.insert(&(common + " "));
                Ok(())
            }
            _ if common.len() > end - start => {
                self.buffer.cut(start);
                self.buffer.insert(&common);
                Ok(())
            }
            _ => self.list(&candidates),
        }
    }

    /// Lists candidates below what is typed.
    fn list(&mut self, candidates: &[String]) -> io::Result<()> {
        self.leave()?;
        let width = candidates.iter().map(|name| name.width()).max().unwrap_or(0) + 2;
        let across = (columns() / width).max(1);
        for row in candidates[..candidates.len().min(CANDIDATES_MAX)].chunks(across) {
            let row: Vec<String> = row.iter().map(|name| format!("{name}{:1$}", "", width - name.width())).collect();
            write!(self.out, "{}\r\n", row.concat().trim_end())?;
        }
        if candidates.len() > CANDIDATES_MAX {
            write!(self.out, "and {} more\r\n", candidates.len() - CANDIDATES_MAX)?;
        }
        Ok(())
    }

    /// Looks for an entry that contains what is typed, the latest first. The key that ended the search; `None` where it was
    /// given up.
    fn search(&mut self, keys: &mut Keys<Stdin>) -> io::Result<Option<Key>> {
        let before = self.buffer.clone();
        let mut sought = String::new();
        let mut entry = self.history.entries.len();
        loop {
            let prompt = format!("search \"{sought}\": ");
            self.draw([&prompt, PROMPTS[1]])?;
            let Some(key) = keys.next() else { return Ok(None) };
            let from = match key? {
                Key::Char(letter) if !letter.is_control() => {
                    sought.push(letter);
                    entry + 1
                }
                Key::Backspace => {
                    sought.pop();
                    self.history.entries.len()
                }
                Key::Ctrl('r') => entry,
                Key::Ctrl('c' | 'g') | Key::Esc => {
                    self.buffer = before;
                    return Ok(None);
                }
                key => return Ok(Some(key)),
            };
            let mut older = self.history.entries.iter().enumerate().take(from).rev();
            if let Some((found, text)) = older.find(|(_, text)| text.contains(&sought)) {
                (entry, self.entry) = (found, found);
                self.buffer = Buffer::of(text);
            }
        }
    }

    /// Draws the text over what was drawn before.
    fn draw(&mut self, prompts: [&str; 2]) -> io::Result<()> {
        let columns = columns();
        let mut drawn = String::from("\r");
        if self.row > 0 {
            drawn += &cursor::Up(self.row as u16).to_string();
        }
        drawn += clear::AfterCursor.as_ref();
        let (mut row, mut start, mut at) = (0, 0, (0, 0));
        for (line, text) in self.buffer.text.split('\n').enumerate() {
            let prompt = prompts[line.min(1)];
            drawn += if line > 0 { "\r\n" } else { "" };
            drawn += prompt;
            // A tab has no width of its own.
            drawn += &text.replace('\t', " ");
            let cells = prompt.width() + width(text);
            let end = start + text.len();
            if (start..=end).contains(&self.buffer.cursor) {
                let before = prompt.width() + width(&text[..self.buffer.cursor - start]);
                at = (row + before / columns, before % columns);
            }
            // A full row is left by the next character only.
            let full = cells > 0 && cells.is_multiple_of(columns);
            if full && end == self.buffer.text.len() {
                drawn += "\r\n";
            }
            row += cells / columns + usize::from(!full || end == self.buffer.text.len());
            start = end + 1;
        }
        let above = row - 1 - at.0.min(row - 1);
        if above > 0 {
            drawn += &cursor::Up(above as u16).to_string();
        }
        drawn.push('\r');
        if at.1 > 0 {
            drawn += &cursor::Right(at.1 as u16).to_string();
        }
        self.row = at.0;
        write!(self.out, "{drawn}")?;
        self.out.flush()
    }

    /// Goes to the line below the text.
    fn leave(&mut self) -> io::Result<()> {
        let cursor = std::mem::replace(&mut self.buffer.cursor, self.buffer.text.len());
        if !self.buffer.text.is_empty() {
            self.draw(PROMPTS)?;
        }
        self.buffer.cursor = cursor;
        self.row = 0;
        write!(self.out, "\r\n")?;
        self.out.flush()
    }
}

/// Whether Enter runs what is typed: complete statements, a command, or nothing.
fn is_complete(text: &str) -> bool {
    let trimmed = text.trim();
    if trimmed.starts_with('\\') || ["", "exit", "quit"].contains(&trimmed) {
        return true;
    }
    let mut statements = Statements::default();
    statements.push(text);
    !statements.is_open()
}

fn width(text: &str) -> usize {
    text.split('\t').map(UnicodeWidthStr::width).sum::<usize>() + text.matches('\t').count()
}

/// Of the screen; where it does not say, as many as most have.
fn columns() -> usize {
    let said = termion::terminal_size().ok().map(|(columns, _)| usize::from(columns));
    said.filter(|&columns| columns > 0).unwrap_or(80).max(20)
}
