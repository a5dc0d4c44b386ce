//! Server-sent events as they arrive: any split of the bytes into reads gives the same events.
//! (WHATWG HTML, 9.2.6; only `data` matters to the dialects, comments and other fields are skipped.)

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr2;

/// An event that is longer than the parser may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is longer than {0} bytes")]
pub struct TooLong(pub usize);

/// Takes bytes as they arrive and gives the data of whole events. An event that lies within one read is not copied.
#[derive(Debug)]
pub struct Parser {
    /// What is left of the last read.
    current: Bytes,
    /// The beginning of a line whose end has not arrived.
    partial: BytesMut,
    /// The data of the event under way.
    data: Data,
    /// The last line ended in a carriage return at the very end of what had arrived.
    after_return: bool,
    max_event_bytes: usize,
}

#[derive(Debug)]
enum Data {
    None,
    /// One line, the usual case.
    One(Bytes),
    Many(BytesMut),
}

impl Parser {
    pub fn new(max_event_bytes: usize) -> Self {
        Self {
            current: Bytes::new(),
            partial: BytesMut::new(),
            data: Data::None,
            after_return: false,
            max_event_bytes,
        }
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: Bytes) {
        if self.current.is_empty() {
            self.current = bytes;
        } else {
            let mut joined = BytesMut::from(&self.current[..]);
            joined.extend_from_slice(&bytes);
            self.current = joined.freeze();
        }
    }

    /// The data of the next whole event, if it has arrived.
    pub fn next_event(&mut self) -> Result<Option<Bytes>, TooLong> {
        if let Some(data) = self.plain_event() {
            return Ok(Some(data));
        }
        while let Some(line) = self.line() {
            if line.is_empty() {
                match std::mem::replace(&mut self.data, Data::None) {
                    Data::None => {}
                    Data::One(data) => return Ok(Some(data)),
                    Data::Many(data) => return Ok(Some(data.freeze())),
                }
            } else if let Some(value) = data_of(&line) {
                self.add(value);
            }
            if self.held_bytes() > self.max_event_bytes {
                return Err(TooLong(self.max_event_bytes));
            }
        }
        if self.held_bytes() > self.max_event_bytes {
            Err(TooLong(self.max_event_bytes))
        } else {
            Ok(None)
        }
    }

    /// The usual event, if it comes next: one line of data, then an empty one, within what has arrived. All others are left as they are.
    fn plain_event(&mut self) -> Option<Bytes> {
        const BEFORE: &[u8] = b"data: ";
        const BEHIND: &[u8] = b"\n\n";
        if !self.partial.is_empty() || self.after_return || !matches!(self.data, Data::None) {
            return None;
        }
        let rest = self.current.strip_prefix(BEFORE)?;
        let length = memchr2(b'\n', b'\r', rest)?;
        if length > self.max_event_bytes || !rest[length..].starts_with(BEHIND) {
            return None;
        }
        let end = BEFORE.len() + length;
        let mut event = if end + BEHIND.len() == self.current.len() {
            std::mem::take(&mut self.current)
        } else {
            let event = self.current.slice(..end);
            self.current.advance(end + BEHIND.len());
            event
        };
        event.truncate(end);
        event.advance(BEFORE.len());
        Some(event)
    }

    /// The stream ended: the data of an event whose empty line did not come. The standard would drop it; providers that forget
    /// the last line end exist.
    pub fn finish(&mut self) -> Option<Bytes> {
        self.partial.extend_from_slice(&self.current);
        self.current = Bytes::new();
        let line = self.partial.split().freeze();
        if let Some(value) = data_of(&line) {
            self.add(value);
        }
        match std::mem::replace(&mut self.data, Data::None) {
            Data::None => None,
            Data::One(data) => Some(data),
            Data::Many(data) => Some(data.freeze()),
        }
    }

    fn held_bytes(&self) -> usize {
        self.partial.len()
            + match &self.data {
                Data::None => 0,
                Data::One(data) => data.len(),
                Data::Many(data) => data.len(),
            }
    }

    /// The next whole line, without its end.
    fn line(&mut self) -> Option<Bytes> {
        if self.after_return && !self.current.is_empty() {
            self.after_return = false;
            if self.current[0] == b'\n' {
                self.current.advance(1);
            }
        }
        let Some(end) = memchr2(b'\n', b'\r', &self.current) else {
            self.partial.extend_from_slice(&self.current);
            self.current = Bytes::new();
            return None;
        };
        let piece = self.current.split_to(end);
        let ended_by_return = self.current[0] == b'\r';
        self.current.advance(1);
        if ended_by_return {
            match self.current.first() {
                Some(b'\n') => self.current.advance(1),
                Some(_) => {}
                None => self.after_return = true,
            }
        }
        if self.partial.is_empty() {
            return Some(piece);
        }
        self.partial.extend_from_slice(&piece);
        Some(self.partial.split().freeze())
    }

    fn add(&mut self, value: Bytes) {
        self.data = match std::mem::replace(&mut self.data, Data::None) {
            Data::None => Data::One(value),
            Data::One(first) => {
                let mut many = BytesMut::from(&first[..]);
                many.extend_from_slice(b"\n");
                many.extend_from_slice(&value);
                Data::Many(many)
            }
            Data::Many(mut many) => {
                many.extend_from_slice(b"\n");
                many.extend_from_slice(&value);
                Data::Many(many)
            }
        };
    }
}

/// The value of a `data` line.
fn data_of(line: &Bytes) -> Option<Bytes> {
    let value = line.strip_prefix(b"data")?;
    match value.first() {
        None => Some(Bytes::new()),
        Some(b':') => {
            let value = &value[1..];
            Some(line.slice_ref(value.strip_prefix(b" ").unwrap_or(value)))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events<'a>(reads: impl IntoIterator<Item = &'a [u8]>) -> Vec<Bytes> {
        let mut parser = Parser::new(1 << 20);
        let mut events = Vec::new();
        for read in reads {
            parser.push(Bytes::copy_from_slice(read));
            while let Some(event) = parser.next_event().unwrap() {
                events.push(event);
            }
        }
        events.extend(parser.finish());
        events
    }

    #[test]
    fn comments_fields_and_line_ends_of_all_kinds() {
        let text =
            b": hello\n\ndata: one\r\n\r\nevent: x\ndata:two\ndata: 2\n\nid: 4\rdata: three\r\rdata\n\ndata: last";
        assert_eq!(events([&text[..]]), ["one", "two\n2", "three", "", "last"]);
    }

    #[test]
    fn an_event_that_is_too_long_is_refused() {
        let mut parser = Parser::new(10);
        parser.push(Bytes::from_static(b"data: 0123456789ab"));
        assert_eq!(parser.next_event(), Err(TooLong(10)));
    }

    proptest! {
        #[test]
        fn any_split_into_reads_gives_the_same_events(
            lines in proptest::collection::vec(("(data: |data:|: |event: |)[a-z]{0,6}", 0..3_usize), 0..20),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let text = lines.iter().fold(String::new(), |text, (line, end)| text + line + ["\n", "\r\n", "\r"][*end]);
            let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            places.push(0);
            places.push(text.len());
            places.sort_unstable();
            let reads = places.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]);
            prop_assert_eq!(events(reads), events([text.as_bytes()]));
        }
    }
}
