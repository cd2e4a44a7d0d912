//! Server-sent events (the WHATWG's HTML standard, section 9.2), as far as MCP uses them.

/// The largest message that is passed on, in bytes.
pub(crate) const LARGEST: usize = 64 << 20;

/// An event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its lines, joined by line feeds.
    pub(crate) data: String,
    /// For taking the stream up again; `None`: it sets none.
    pub(crate) id: Option<String>,
    /// How long to wait before that, in milliseconds.
    pub(crate) retry: Option<u64>,
}

/// The message is larger than [`LARGEST`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// Reads events out of pieces of a stream, wherever it is cut.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    rest: Vec<u8>,
    /// How much of the rest holds no end of a line.
    searched: usize,
    event: Event,
    has_data: bool,
}

impl Reader {
    /// Takes a piece and returns the events that it completes.
    ///
    /// # Errors
    /// An event that is too large.
    pub(crate) fn take(&mut self, piece: &[u8]) -> Result<Vec<Event>, TooLarge> {
        self.rest.extend(piece);
        let mut events = Vec::new();
        let mut start = 0;
        while let Some(found) = self.rest[start + self.searched..].iter().position(|byte| *byte == b'\n') {
            let end = start + self.searched + found;
            let line = String::from_utf8_lossy(&self.rest[start..end]).into_owned();
            (start, self.searched) = (end + 1, 0);
            events.extend(self.line(line.trim_end_matches('\r')));
        }
        self.rest.drain(..start);
        self.searched = self.rest.len();
        if self.rest.len() + self.event.data.len() > LARGEST { Err(TooLarge) } else { Ok(events) }
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        let line = line.strip_prefix('\u{feff}').unwrap_or(line);
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            let whole = std::mem::take(&mut self.has_data) || event.id.is_some() || event.retry.is_some();
            return whole.then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.has_data = true;
                self.event.data.push_str(value);
            }
            "id" if !value.contains('\0') => self.event.id = Some(value.to_owned()),
            "retry" => self.event.retry = value.parse().ok(),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_wherever_the_stream_is_cut() {
        let text = "\u{feff}: hello\r\nid: 7\r\nevent: message\r\ndata: {\"a\":\r\ndata:  1}\r\n\r\n\
                    retry: 50\nid\n\ndata:é\n\ndata: cut off";
        let message =
            |data: &str, id: Option<&str>, retry| Event { data: data.into(), id: id.map(Into::into), retry };
        let expected = [
            message("{\"a\":\n 1}", Some("7"), None),
            message("", Some(""), Some(50)),
            message("é", None, None),
        ];
        for size in 1..text.len() {
            let mut reader = Reader::default();
            let pieces = text.as_bytes().chunks(size);
            let events: Vec<_> = pieces.flat_map(|piece| reader.take(piece).unwrap()).collect();
            assert_eq!(events, expected, "{size}");
        }
    }

    #[test]
    fn an_event_without_an_end_is_not_collected_forever() {
        let mut reader = Reader::default();
        let piece = vec![b'x'; 8 << 20];
        assert_eq!((0..9).map(|_| reader.take(&piece)).find(Result::is_err), Some(Err(TooLarge)));
    }
}
