//! What a directory may answer: the messages of RFC 4511 in the form that they must have. Pure.
//!
//! The LDAP library takes every answer for well-formed and panics where one is not. So nothing reaches it that was not read here
//! first: whole, bounded, and the answer to what was asked.

/// Bytes of one message: an entry with 5,000 values is a tenth of it.
const LONGEST: usize = 8 * 1024 * 1024;
/// What pages are asked for with (RFC 2696); the only control whose value is read.
const PAGED_RESULTS: &[u8] = b"1.2.840.113556.1.4.319";

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const ENUMERATED: u8 = 0x0a;
const BOOLEAN: u8 = 0x01;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;

/// The message is not one that a directory may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not BER as LDAP uses it (RFC 4511, 5.1).
    #[error("its answer is not LDAP")]
    Encoding,
    /// Longer than is taken.
    #[error("its answer has more than 8 MiB in one message")]
    TooLong,
    /// Not the form of an answer.
    #[error("its answer is malformed")]
    Form,
    /// An answer to something else.
    #[error("it answers what was not asked")]
    NotAsked,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// An entry or a reference of a search: more comes.
    Item,
    /// The end of a search.
    SearchDone,
    /// The end of a bind, or of an extended operation.
    Done,
    /// Comes unasked, before the server closes (RFC 4511, 4.4).
    Notice,
}

/// A message of the server's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The id of the request.
    pub id: u32,
    /// What it is.
    pub operation: Operation,
    /// The result code, where it ends something.
    pub code: u32,
    /// What the server says to it, for people.
    pub text: String,
}

/// How long the first message of `bytes` is; `None` while that much is not there.
pub fn frame(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    match bytes.first() {
        None => return Ok(None),
        Some(&SEQUENCE) => {}
        Some(_) => return Err(Malformed::Encoding),
    }
    let Some((header, length)) = length(bytes.get(1..).unwrap_or_default())? else { return Ok(None) };
    let whole = 1 + header + length;
    if whole > LONGEST {
        return Err(Malformed::TooLong);
    }
    Ok((bytes.len() >= whole).then_some(whole))
}

/// The id of a request, and whether it is a search.
pub fn request(message: &[u8]) -> Result<(u32, bool), Malformed> {
    let mut message = Reader(Reader(message).only(SEQUENCE)?);
    let id = message.number(INTEGER)?;
    let (tag, _) = message.next()?;
    Ok((id, tag == 0x63))
}

/// Reads a message of the server's.
pub fn answer(message: &[u8]) -> Result<Answer, Malformed> {
    let mut message = Reader(Reader(message).only(SEQUENCE)?);
    let id = message.number(INTEGER)?;
    if id == 0 {
        // Whatever follows, the server is about to close; Active Directory writes it in a form of its own.
        return Ok(Answer { id, operation: Operation::Notice, code: 0, text: String::new() });
    }
    let (tag, content) = message.next()?;
    if !message.0.is_empty() {
        controls(message.only(0xa0)?)?;
    }
    let item = Answer { id, operation: Operation::Item, code: 0, text: String::new() };
    let operation = match tag {
        0x64 => return entry(content).map(|()| item),
        0x73 => return texts(content, OCTETS).map(|()| item),
        0x65 => Operation::SearchDone,
        0x61 | 0x78 => Operation::Done,
        _ => return Err(Malformed::Form),
    };
    let (code, text) = result(content)?;
    Ok(Answer { id, operation, code, text })
}

/// `LDAPResult`, with what a bind or an extended operation has beside it.
fn result(content: &[u8]) -> Result<(u32, String), Malformed> {
    let mut content = Reader(content);
    let code = content.number(ENUMERATED)?;
    content.text()?;
    let text = content.text()?.to_owned();
    while !content.0.is_empty() {
        match content.next()? {
            (0xa3, referral) => texts(referral, OCTETS)?,
            (0x87 | 0x8b, _) => {}
            (0x8a, name) => drop(utf8(name)?),
            _ => return Err(Malformed::Form),
        }
    }
    Ok((code, text))
}

/// `SearchResultEntry`.
fn entry(content: &[u8]) -> Result<(), Malformed> {
    let mut content = Reader(content);
    content.text()?;
    let mut attributes = Reader(content.only(SEQUENCE)?);
    while !attributes.0.is_empty() {
        let mut attribute = Reader(attributes.expect(SEQUENCE)?);
        attribute.text()?;
        let mut values = Reader(attribute.only(SET)?);
        while !values.0.is_empty() {
            values.expect(OCTETS)?;
        }
    }
    Ok(())
}

fn controls(content: &[u8]) -> Result<(), Malformed> {
    let mut controls = Reader(content);
    while !controls.0.is_empty() {
        let mut control = Reader(controls.expect(SEQUENCE)?);
        let oid = control.text()?;
        let mut value = None;
        if control.0.first() == Some(&BOOLEAN) && control.expect(BOOLEAN)?.is_empty() {
            return Err(Malformed::Form);
        }
        if !control.0.is_empty() {
            value = Some(control.only(OCTETS)?);
        }
        if oid.as_bytes() == PAGED_RESULTS {
            let mut page = Reader(Reader(value.ok_or(Malformed::Form)?).only(SEQUENCE)?);
            page.number(INTEGER)?;
            page.only(OCTETS)?;
        }
    }
    Ok(())
}

/// Any number of texts, each under `tag`, and nothing else.
fn texts(content: &[u8], tag: u8) -> Result<(), Malformed> {
    let mut content = Reader(content);
    while !content.0.is_empty() {
        utf8(content.expect(tag)?)?;
    }
    Ok(())
}

fn utf8(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed::Form)
}

/// The bytes that a length takes, and the length; `None` while they are not all there.
fn length(bytes: &[u8]) -> Result<Option<(usize, usize)>, Malformed> {
    let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
    let count = usize::from(first & 0x7f);
    if first < 0x80 {
        return Ok(Some((1, count)));
    }
    // 0x80 is an indefinite length, which LDAP has not.
    if !(1..=4).contains(&count) {
        return Err(Malformed::Encoding);
    }
    let Some(digits) = rest.get(..count) else { return Ok(None) };
    let length = digits.iter().fold(0_usize, |length, &digit| length << 8 | usize::from(digit));
    Ok(Some((1 + count, length)))
}

/// Values one after the other.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The next value's tag and content.
    fn next(&mut self) -> Result<(u8, &'a [u8]), Malformed> {
        let (&tag, rest) = self.0.split_first().ok_or(Malformed::Form)?;
        if tag & 0x1f == 0x1f {
            return Err(Malformed::Encoding);
        }
        let (header, length) = length(rest)?.ok_or(Malformed::Encoding)?;
        let rest = rest.get(header..).ok_or(Malformed::Encoding)?;
        let (content, rest) = rest.split_at_checked(length).ok_or(Malformed::Encoding)?;
        self.0 = rest;
        Ok((tag, content))
    }

    /// The next value, which has this tag.
    fn expect(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        let (found, content) = self.next()?;
        if found == tag { Ok(content) } else { Err(Malformed::Form) }
    }

    /// The next value, which has this tag and is the last.
    fn only(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        let content = self.expect(tag)?;
        if self.0.is_empty() { Ok(content) } else { Err(Malformed::Form) }
    }

    fn text(&mut self) -> Result<&'a str, Malformed> {
        utf8(self.expect(OCTETS)?)
    }

    /// A number from 0 to 2³¹ - 1.
    fn number(&mut self, tag: u8) -> Result<u32, Malformed> {
        let digits = self.expect(tag)?;
        if digits.is_empty() || digits.len() > 4 || digits.first().is_some_and(|first| first & 0x80 != 0) {
            return Err(Malformed::Form);
        }
        Ok(digits.iter().fold(0, |number, &digit| number << 8 | u32::from(digit)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![tag, 0x82];
        bytes.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
        bytes.extend(content);
        bytes
    }

    fn message(id: u8, operation: &[u8], controls: &[u8]) -> Vec<u8> {
        tlv(SEQUENCE, &[&[INTEGER, 1, id], operation, controls].concat())
    }

    fn done(tag: u8, more: &[u8]) -> Vec<u8> {
        tlv(tag, &[&[ENUMERATED, 1, 49, OCTETS, 0, OCTETS, 2, b'n', b'o'], more].concat())
    }

    #[test]
    fn the_answers_of_a_directory_are_read() {
        let answer = answer(&message(3, &done(0x61, &[0x87, 1, b'x']), &[])).unwrap();
        assert_eq!(answer, Answer { id: 3, operation: Operation::Done, code: 49, text: "no".into() });
        let attribute = tlv(SEQUENCE, &[tlv(OCTETS, b"cn"), tlv(SET, &tlv(OCTETS, b"\xff"))].concat());
        let entry = tlv(0x64, &[tlv(OCTETS, b"cn=a"), tlv(SEQUENCE, &attribute)].concat());
        assert_eq!(super::answer(&message(3, &entry, &[])).unwrap().operation, Operation::Item);
        let page = tlv(SEQUENCE, &[&[INTEGER, 1, 0], tlv(OCTETS, b"next").as_slice()].concat());
        let control = tlv(SEQUENCE, &[tlv(OCTETS, PAGED_RESULTS), tlv(OCTETS, &page)].concat());
        let paged = message(3, &done(0x65, &[]), &tlv(0xa0, &control));
        assert_eq!(super::answer(&paged).unwrap().operation, Operation::SearchDone);
        assert_eq!(super::answer(&message(0, &done(0x78, &[]), &[0x8a, 0])).unwrap().operation, Operation::Notice);
    }

    #[test]
    fn an_answer_of_another_form_is_refused() {
        let no_page = tlv(SEQUENCE, &tlv(OCTETS, PAGED_RESULTS));
        let name = tlv(0x64, &[tlv(OCTETS, b"\xff"), tlv(SEQUENCE, b"")].concat());
        for bad in [
            message(1, &name, &[]),
            message(1, &tlv(0x64, &tlv(OCTETS, b"cn=a")), &[]),
            message(1, &tlv(0x61, &[]), &[]),
            message(1, &done(0x61, &[0xa7, 0]), &[]),
            message(1, &done(0x62, &[]), &[]),
            message(1, &done(0x65, &[]), &tlv(0xa0, &no_page)),
            message(1, &done(0x65, &[]), &[0x80, 0]),
            message(0x80, &done(0x65, &[]), &[]),
            tlv(SEQUENCE, &[INTEGER, 1, 1]),
            vec![SEQUENCE, 0],
        ] {
            assert!(answer(&bad).is_err(), "{bad:02x?}");
        }
    }

    #[test]
    fn a_message_is_whole_when_its_length_is_there_and_never_too_long() {
        let whole = message(1, &done(0x61, &[]), &[]);
        assert_eq!(frame(&whole), Ok(Some(whole.len())));
        for cut in 0..whole.len() {
            assert_eq!(frame(&whole[..cut]), Ok(None), "{cut}");
        }
        assert_eq!(frame(&[SEQUENCE, 0x84, 0x7f, 0xff, 0xff, 0xff]), Err(Malformed::TooLong));
        assert_eq!(frame(&[SEQUENCE, 0x80]), Err(Malformed::Encoding));
        assert_eq!(frame(&[SEQUENCE, 0x85]), Err(Malformed::Encoding));
        assert_eq!(frame(b"HTTP/1.1 400 Bad Request"), Err(Malformed::Encoding));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (frame(&bytes), answer(&bytes), request(&bytes));
        }
    }
}
