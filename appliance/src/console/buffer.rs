//! The text that is being typed, any number of lines, and where in it the cursor is.

/// A text and a place in it, at the beginning of a character.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buffer {
    pub text: String,
    pub cursor: usize,
}

impl Buffer {
    /// A text with the cursor at its end.
    pub fn of(text: &str) -> Buffer {
        Buffer { text: text.to_owned(), cursor: text.len() }
    }

    pub fn insert(&mut self, text: &str) {
        self.text.insert_str(self.cursor, text);
        self.cursor += text.len();
    }

    /// Takes out what is between the cursor and another place; the cursor is where it began.
    pub fn cut(&mut self, to: usize) -> String {
        let (start, end) = (self.cursor.min(to), self.cursor.max(to));
        self.cursor = start;
        self.text.drain(start..end).collect()
    }

    /// The place one character to the left, or to the right.
    pub fn left(&self) -> usize {
        self.text[..self.cursor].char_indices().next_back().map_or(0, |(at, _)| at)
    }

    pub fn right(&self) -> usize {
        self.text[self.cursor..].chars().next().map_or(self.text.len(), |letter| self.cursor + letter.len_utf8())
    }

    /// The beginning of the word before the cursor.
    pub fn word_left(&self) -> usize {
        let before = self.text[..self.cursor].trim_end_matches(|letter| !in_word(letter));
        before.trim_end_matches(in_word).len()
    }

    /// The end of the word behind the cursor.
    pub fn word_right(&self) -> usize {
        let behind = self.text[self.cursor..].trim_start_matches(|letter| !in_word(letter));
        self.text.len() - behind.trim_start_matches(in_word).len()
    }

    pub fn line_start(&self) -> usize {
        self.text[..self.cursor].rfind('\n').map_or(0, |end| end + 1)
    }

    pub fn line_end(&self) -> usize {
        self.text[self.cursor..].find('\n').map_or(self.text.len(), |end| self.cursor + end)
    }

    /// The same column of the line above; `None` on the first line.
    pub fn up(&self) -> Option<usize> {
        let start = self.line_start();
        let above = self.text[..start.checked_sub(1)?].rfind('\n').map_or(0, |end| end + 1);
        Some(self.column_of(above, start - 1, self.text[start..self.cursor].chars().count()))
    }

    /// The same column of the line below; `None` on the last line.
    pub fn down(&self) -> Option<usize> {
        let end = self.line_end();
        let below = (end < self.text.len()).then_some(end + 1)?;
        let stop = self.text[below..].find('\n').map_or(self.text.len(), |end| below + end);
        Some(self.column_of(below, stop, self.text[self.line_start()..self.cursor].chars().count()))
    }

    /// Place of a column in the line between two places, or its end.
    fn column_of(&self, start: usize, end: usize, column: usize) -> usize {
        self.text[start..end].char_indices().nth(column).map_or(end, |(at, _)| start + at)
    }

    /// Where the word before the cursor begins that a name could complete.
    pub fn name_start(&self) -> usize {
        let before = &self.text[..self.cursor];
        before.trim_end_matches(|letter| in_word(letter) || letter == '.' || letter == '\\').len()
    }
}

fn in_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_moves_by_characters_words_and_lines() {
        let mut buffer = Buffer::of("SELECT ñandú,\nx FROM\nlonger_name");
        assert_eq!(&buffer.text[buffer.word_left()..], "longer_name");
        buffer.cursor = buffer.up().unwrap();
        assert_eq!(&buffer.text[..buffer.cursor], "SELECT ñandú,\nx FROM", "a shorter line ends before the column");
        buffer.cursor = buffer.up().unwrap();
        assert_eq!(&buffer.text[buffer.cursor..buffer.right()], " ");
        assert_eq!(buffer.up(), None);
        buffer.cursor = buffer.right();
        assert_eq!(&buffer.text[buffer.cursor..buffer.right()], "ñ");
        assert_eq!(&buffer.text[buffer.cursor..buffer.word_right()], "ñandú");
        assert_eq!(buffer.text[buffer.line_start()..buffer.line_end()].chars().count(), 13);
        buffer.cursor = buffer.down().unwrap();
        assert_eq!(&buffer.text[buffer.cursor..], "\nlonger_name", "a shorter line ends before the column");
        assert_eq!(Buffer::of("a").down(), None);
    }

    #[test]
    fn text_goes_in_and_out_at_the_cursor() {
        let mut buffer = Buffer::of("SELECT x");
        assert_eq!(buffer.cut(buffer.word_left()), "x");
        buffer.insert("ñ, y");
        buffer.cursor = buffer.word_left();
        assert_eq!(buffer.cut(buffer.line_start()), "SELECT ñ, ");
        assert_eq!((buffer.text.as_str(), buffer.cursor), ("y", 0));
    }
}
