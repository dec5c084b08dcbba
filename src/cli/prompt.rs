//! Passwords: typed at the terminal without being shown, or read on standard input.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead as _, Read, Write as _},
};

use rustix::termios::{self, LocalModes, OptionalActions, SpecialCodeIndex, Termios};

use super::Failure;
use crate::{management::passwords::LONGEST, secret::Secret};

/// Ctrl-C, Ctrl-D, Ctrl-U, and the two keys that erase.
const INTERRUPT: u8 = 0x03;
const END: u8 = 0x04;
const KILL_LINE: u8 = 0x15;
const ERASE: [u8; 2] = [0x08, 0x7f];

/// The person's terminal, which shows nothing of what is typed until it is dropped.
struct Quiet {
    terminal: File,
    before: Termios,
}

impl Quiet {
    fn new(terminal: File) -> io::Result<Self> {
        let before = termios::tcgetattr(&terminal)?;
        let mut quiet = before.clone();
        // Keys come one by one and as they are, so that Ctrl-C leaves a terminal that shows again.
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        termios::tcsetattr(&terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
        let _ = self.terminal.write_all(b"\n");
    }
}

/// Asks for a password at the terminal of the person, wherever standard input and output lead.
pub(super) fn password(question: &str) -> Result<Secret<String>, Failure> {
    let no_terminal = |_| Failure::new("there is no terminal to type a password at: use --password-stdin");
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty").map_err(no_terminal)?;
    // Quiet before it asks: what is typed at once is neither shown nor lost.
    let quiet = Quiet::new(terminal).map_err(no_terminal)?;
    (&quiet.terminal).write_all(format!("{question}: ").as_bytes())?;
    // Key by key: a reader that reads ahead would take what is typed for the next question.
    let mut keys = &quiet.terminal;
    typed(std::iter::from_fn(|| {
        let mut key = [0];
        match keys.read(&mut key) {
            Ok(0) => None,
            Ok(_) => Some(Ok(key[0])),
            Err(error) => Some(Err(error)),
        }
    }))
}

/// Asks twice for a new password, until both are alike.
pub(super) fn new_password(of: &str) -> Result<Secret<String>, Failure> {
    for _ in 0..3 {
        let new = password(&format!("New password of `{of}`"))?;
        if new == password("The same again")? {
            return Ok(new);
        }
        writeln!(io::stderr(), "The two differ.")?;
    }
    Err(Failure::new("no new password: the two differed each time"))
}

/// What keys give up to Enter.
fn typed(keys: impl Iterator<Item = io::Result<u8>>) -> Result<Secret<String>, Failure> {
    let mut line = Vec::new();
    for key in keys {
        match key? {
            b'\r' | b'\n' => break,
            INTERRUPT => return Err(Failure::new("interrupted")),
            END if line.is_empty() => return Err(Failure::new("no password was typed")),
            KILL_LINE => line.clear(),
            key if ERASE.contains(&key) => {
                // A character may be several bytes: those after its first begin with the bits 10.
                while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            _ if line.len() > LONGEST => return Err(too_long()),
            key => line.push(key),
        }
    }
    read(line)
}

fn read(line: Vec<u8>) -> Result<Secret<String>, Failure> {
    let text = String::from_utf8(line).map_err(|_| Failure::new("the password is not UTF-8"))?;
    if text.is_empty() {
        return Err(Failure::new("the password is empty"));
    }
    Ok(Secret::new(text))
}

fn too_long() -> Failure {
    Failure(format!("the password is longer than {LONGEST} bytes"))
}

/// The lines of standard input: the password, and, where there is one, the new password.
pub(super) fn from_stdin() -> Result<(Secret<String>, Option<Secret<String>>), Failure> {
    let mut input = io::stdin().lock().take(4 * LONGEST as u64);
    let mut line = || {
        let mut line = Vec::new();
        input.read_until(b'\n', &mut line)?;
        while line.last().is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
            line.pop();
        }
        if line.len() > LONGEST { Err(too_long()) } else { Ok(line) }
    };
    let first = line()?;
    if first.is_empty() {
        return Err(Failure::new("--password-stdin: no password on standard input"));
    }
    let second = line()?;
    let second = if second.is_empty() { None } else { Some(read(second)?) };
    Ok((read(first)?, second))
}

#[cfg(test)]
mod tests {
    use super::typed;

    fn keys(text: &str) -> Result<String, String> {
        typed(text.bytes().map(Ok)).map(|secret| secret.expose().clone()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_password_is_what_was_typed_before_enter_and_can_be_corrected() {
        assert_eq!(keys("hunter2\rmore").unwrap(), "hunter2");
        assert_eq!(keys("hä\u{7f}\u{8}unter\n").unwrap(), "unter");
        assert_eq!(keys("wrong\u{15}right\n").unwrap(), "right");
        assert_eq!(keys("\u{7f}\u{7f}a\n").unwrap(), "a");
        assert_eq!(keys("hun\u{3}ter\n").unwrap_err(), "interrupted");
        assert!(keys("\u{4}").is_err() && keys("\n").is_err());
        let error = keys(&format!("{}\n", "x".repeat(5000))).unwrap_err();
        assert!(error.contains("longer than"), "{error}");
    }
}
