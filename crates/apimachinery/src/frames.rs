//! Where one event of a streamed watch ends and the next begins, so that a watch can be ended between two.
//!
//! Nothing is parsed and nothing is kept but a few bytes of state, as every byte of every watch passes here.

/// How the events of a watch are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// `application/json`: each event ends with a line feed, and holds none.
    Lines,
    /// `application/vnd.kubernetes.protobuf;stream=watch`: the length in four bytes, big endian, then the event.
    LengthDelimited,
}

impl Framing {
    /// The framing of a watch with this `Content-Type`; `None` when its events cannot be told apart, as with
    /// `application/cbor-seq`.
    pub fn of(content_type: &str) -> Option<Self> {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/json") {
            Some(Self::Lines)
        } else if essence.eq_ignore_ascii_case("application/vnd.kubernetes.protobuf") {
            Some(Self::LengthDelimited)
        } else {
            None
        }
    }
}

/// Follows a watch's body and knows whether it stands between two events.
#[derive(Clone, Debug)]
pub struct FrameEnd {
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    Lines { between: bool },
    LengthDelimited(Delimited),
}

/// Either inside the four bytes of a length, or inside an event of which `left` bytes are to come.
#[derive(Clone, Copy, Debug, Default)]
struct Delimited {
    /// How many bytes of the length have come; 0 to 3.
    length_bytes: u8,
    /// What they say so far.
    length: u32,
    /// Bytes of the event that are to come.
    left: u32,
}

impl FrameEnd {
    /// At the beginning of a body.
    pub fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::Lines => State::Lines { between: true },
            Framing::LengthDelimited => State::LengthDelimited(Delimited::default()),
        };
        Self { state }
    }

    /// Whether what has passed so far is whole events only.
    pub fn is_between(&self) -> bool {
        match &self.state {
            State::Lines { between } => *between,
            State::LengthDelimited(delimited) => delimited.is_between(),
        }
    }

    /// Takes note of a chunk that is passed on whole.
    pub fn passed(&mut self, chunk: &[u8]) {
        match &mut self.state {
            State::Lines { between } => {
                if let Some(last) = chunk.last() {
                    *between = *last == b'\n';
                }
            }
            State::LengthDelimited(delimited) => {
                let mut rest = chunk;
                while !rest.is_empty() {
                    rest = delimited.step(rest);
                }
            }
        }
    }

    /// How much of the next chunk belongs to the event under way: after that many bytes the body can be ended. 0 between
    /// two events; `None` when the event does not end within the chunk.
    pub fn end_within(&self, chunk: &[u8]) -> Option<usize> {
        if self.is_between() {
            return Some(0);
        }
        match &self.state {
            State::Lines { .. } => chunk.iter().position(|byte| *byte == b'\n').map(|at| at + 1),
            State::LengthDelimited(delimited) => {
                let mut delimited = *delimited;
                let mut rest = chunk;
                while !rest.is_empty() {
                    rest = delimited.step(rest);
                    if delimited.is_between() {
                        return Some(chunk.len() - rest.len());
                    }
                }
                None
            }
        }
    }
}

impl Delimited {
    fn is_between(self) -> bool {
        self.left == 0 && self.length_bytes == 0
    }

    /// Takes one byte of a length, or as much of an event as there is; returns what is left of the chunk.
    fn step<'a>(&mut self, chunk: &'a [u8]) -> &'a [u8] {
        if self.left > 0 {
            let taken = chunk.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.left -= u32::try_from(taken).unwrap_or(self.left);
            return chunk.get(taken..).unwrap_or_default();
        }
        let Some((byte, rest)) = chunk.split_first() else {
            return chunk;
        };
        self.length = (self.length << 8) | u32::from(*byte);
        self.length_bytes += 1;
        if self.length_bytes == 4 {
            self.left = self.length;
            self.length = 0;
            self.length_bytes = 0;
        }
        rest
    }
}
