//! Writing a payload, and noting its values on the way.
//!
//! The text is written once, by the event's own serializer, and is what readers get; so it, and not a
//! `serde_json::Value` made beside it, is what has to be valid. To read it back would cost more than to write it. So the
//! formatter notes what it writes: kinds, numbers, where a text begins and ends, and how far an object reaches.

use std::io;

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter};

/// One value of the text, or the name of a member.
#[derive(Clone, Copy)]
pub(super) enum Note {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    /// Between its quotes, as it is written.
    Text {
        start: u32,
        end: u32,
        escaped: bool,
    },
    /// Its items follow, up to `end` among the notes.
    List {
        items: u32,
        end: u32,
    },
    /// Its members follow, each a name and a value, up to `end` among the notes.
    Object {
        members: u32,
        end: u32,
    },
}

/// A payload with its notes, in the order of the text: the whole comes first.
#[derive(Default)]
pub(super) struct Noted {
    pub(super) text: String,
    pub(super) notes: Vec<Note>,
}

/// Most events have fewer notes and bytes than this, so that neither buffer grows.
const NOTES: usize = 64;
const BYTES: usize = 512;

impl Noted {
    /// Writes a value.
    ///
    /// # Errors
    /// The serializer's, and for a text of 4 GiB or more.
    pub(super) fn write(value: &(impl Serialize + ?Sized)) -> serde_json::Result<Self> {
        let mut noted = Self { text: String::with_capacity(BYTES), notes: Vec::with_capacity(NOTES) };
        let formatter = Noting { noted: &mut noted, open: NONE, in_text: false, escaped: false, start: 0 };
        // The formatter keeps the text itself, as text, and knows so at any time how far it has come.
        value.serialize(&mut Serializer::with_formatter(io::sink(), formatter))?;
        Ok(noted)
    }
}

/// No container is open.
const NONE: u32 = u32::MAX;

/// The formatter. Numbers and truths can be names of members; then they stand in quotes, and are part of a text.
struct Noting<'n> {
    noted: &'n mut Noted,
    /// The note of the innermost container. While that is open, its `end` leads to the one around it.
    open: u32,
    in_text: bool,
    escaped: bool,
    start: u32,
}

impl Noting<'_> {
    #[inline]
    fn note(&mut self, note: Note) {
        if !self.in_text {
            self.noted.notes.push(note);
        }
    }

    #[inline]
    fn here(&self) -> io::Result<u32> {
        u32::try_from(self.noted.text.len()).map_err(|_| io::Error::other("the payload is larger than 4 GiB"))
    }

    /// Opens the container whose note this is. Each note stands for at least one byte, and those are counted in 32 bits.
    #[inline]
    fn open(&mut self, note: Note) {
        self.open = self.noted.notes.len() as u32;
        self.noted.notes.push(note);
    }

    /// One more item or member in the innermost container.
    #[inline]
    fn count(&mut self) {
        if let Some(Note::List { items: held, .. } | Note::Object { members: held, .. }) =
            self.noted.notes.get_mut(self.open as usize)
        {
            *held += 1;
        }
    }

    /// Completes the note of the innermost container.
    #[inline]
    fn close(&mut self) {
        let reached = self.noted.notes.len() as u32;
        if let Some(Note::List { end, .. } | Note::Object { end, .. }) =
            self.noted.notes.get_mut(self.open as usize)
        {
            self.open = std::mem::replace(end, reached);
        }
    }

    #[inline]
    fn separate(&mut self, first: bool) {
        if !first {
            self.noted.text.push(',');
        }
    }
}

/// Takes the digits, words and escapes that the compact formatter writes.
struct Ascii<'t>(&'t mut String);

impl io::Write for Ascii<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let text = std::str::from_utf8(bytes);
        self.0.push_str(text.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes as the compact formatter does, and notes the value.
macro_rules! noting {
    ($($write:ident($number:ty) => $note:expr;)+) => {$(
        #[inline]
        fn $write<W: ?Sized + io::Write>(&mut self, _: &mut W, value: $number) -> io::Result<()> {
            self.note($note(value));
            CompactFormatter.$write(&mut Ascii(&mut self.noted.text), value)
        }
    )+};
}

impl Formatter for Noting<'_> {
    noting! {
        write_bool(bool) => Note::Bool;
        write_i8(i8) => |value| Note::Signed(i64::from(value));
        write_i16(i16) => |value| Note::Signed(i64::from(value));
        write_i32(i32) => |value| Note::Signed(i64::from(value));
        write_i64(i64) => Note::Signed;
        write_i128(i128) => of_i128;
        write_u8(u8) => |value| Note::Unsigned(u64::from(value));
        write_u16(u16) => |value| Note::Unsigned(u64::from(value));
        write_u32(u32) => |value| Note::Unsigned(u64::from(value));
        write_u64(u64) => Note::Unsigned;
        write_u128(u128) => of_u128;
        write_f32(f32) => |value| Note::Float(f64::from(value));
        write_f64(f64) => Note::Float;
    }

    #[inline]
    fn write_null<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.note(Note::Null);
        self.noted.text.push_str("null");
        Ok(())
    }

    fn write_number_str<W: ?Sized + io::Write>(&mut self, _: &mut W, value: &str) -> io::Result<()> {
        self.note(of_digits(value)?);
        self.noted.text.push_str(value);
        Ok(())
    }

    #[inline]
    fn begin_string<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.noted.text.push('"');
        (self.in_text, self.escaped, self.start) = (true, false, self.here()?);
        Ok(())
    }

    #[inline]
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, _: &mut W, fragment: &str) -> io::Result<()> {
        self.noted.text.push_str(fragment);
        Ok(())
    }

    #[inline]
    fn write_char_escape<W: ?Sized + io::Write>(&mut self, _: &mut W, escape: CharEscape) -> io::Result<()> {
        self.escaped = true;
        CompactFormatter.write_char_escape(&mut Ascii(&mut self.noted.text), escape)
    }

    #[inline]
    fn end_string<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.in_text = false;
        let text = Note::Text { start: self.start, end: self.here()?, escaped: self.escaped };
        self.noted.notes.push(text);
        self.noted.text.push('"');
        Ok(())
    }

    #[inline]
    fn begin_array<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.open(Note::List { items: 0, end: self.open });
        self.noted.text.push('[');
        Ok(())
    }

    #[inline]
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, _: &mut W, first: bool) -> io::Result<()> {
        self.count();
        self.separate(first);
        Ok(())
    }

    #[inline]
    fn end_array<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.close();
        self.noted.text.push(']');
        Ok(())
    }

    #[inline]
    fn begin_object<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.open(Note::Object { members: 0, end: self.open });
        self.noted.text.push('{');
        Ok(())
    }

    #[inline]
    fn begin_object_key<W: ?Sized + io::Write>(&mut self, _: &mut W, first: bool) -> io::Result<()> {
        self.count();
        self.separate(first);
        Ok(())
    }

    #[inline]
    fn begin_object_value<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.noted.text.push(':');
        Ok(())
    }

    #[inline]
    fn end_object<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.close();
        self.noted.text.push('}');
        Ok(())
    }

    /// Text that nobody looked at cannot be noted, and what is not noted cannot be checked.
    fn write_raw_fragment<W: ?Sized + io::Write>(&mut self, _: &mut W, _text: &str) -> io::Result<()> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "an event cannot hold a `RawValue`: its contract could not be checked",
        ))
    }
}

fn of_i128(value: i128) -> Note {
    match (u64::try_from(value), i64::try_from(value)) {
        (Ok(unsigned), _) => Note::Unsigned(unsigned),
        (_, Ok(signed)) => Note::Signed(signed),
        _ => Note::Float(value as f64),
    }
}

fn of_u128(value: u128) -> Note {
    u64::try_from(value).map_or(Note::Float(value as f64), Note::Unsigned)
}

fn of_digits(text: &str) -> io::Result<Note> {
    if let Ok(unsigned) = text.parse() {
        return Ok(Note::Unsigned(unsigned));
    }
    if let Ok(signed) = text.parse() {
        return Ok(Note::Signed(signed));
    }
    text.parse().map(Note::Float).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}
