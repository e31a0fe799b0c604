//! One object as Firehose leaves it.

use std::io::Write;

use anyhow::Result;
use flate2::Compression;
use flate2::write::GzEncoder;
use meterlake_core::period::Hour;
use rand::RngExt;

use crate::chance::{Topic, chance, uuid};
use crate::options::{Gzip, Options};
use crate::schedule::Buffer;

/// The delivery stream that the gateway logs to.
const STREAM: &str = "amazon-apigateway-random-gen";

/// One object, ready to be written.
#[derive(Debug)]
pub(crate) struct Object {
    /// The hour whose folder it goes to.
    pub(crate) hour: Hour,
    /// Its name, such as `amazon-apigateway-random-gen-1-2023-01-31-06-00-12-<uuid>.gz`.
    pub(crate) name: String,
    /// Its bytes, as stored.
    pub(crate) content: Vec<u8>,
    /// Whether it is late.
    pub(crate) late: bool,
}

/// The text of an object while it is put together.
#[derive(Debug)]
pub(crate) struct Draft {
    name: String,
    text: String,
    /// One object in eight has the line ends of Windows.
    line_end: &'static str,
    /// Whether the last line ends like the others.
    closed: bool,
    gzip: bool,
}

impl Draft {
    /// The empty object of a buffer.
    pub(crate) fn new(options: &Options, buffer: &Buffer) -> Self {
        let mut chance = chance(options.seed, Topic::Object, buffer.start.timestamp_millis(), 0);
        let gzip = match options.gzip {
            Gzip::None => false,
            Gzip::Half => buffer.number % 2 == 0,
            Gzip::All => true,
        };
        let time = buffer.start.format("%Y-%m-%d-%H-%M-%S");
        let suffix = if gzip { ".gz" } else { "" };
        Self {
            name: format!("{STREAM}-1-{time}-{}{suffix}", uuid(&mut chance)),
            text: String::new(),
            line_end: if chance.random_range(0..8) == 0 { "\r\n" } else { "\n" },
            closed: chance.random(),
            gzip,
        }
    }

    /// Whether it has no line.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Adds a line, which comes without its end.
    pub(crate) fn push(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push_str(self.line_end);
    }

    /// The object, for the folder of its buffer's hour.
    pub(crate) fn finish(mut self, buffer: &Buffer) -> Result<Object> {
        if !self.closed {
            self.text.truncate(self.text.len() - self.line_end.len());
        }
        let mut content = self.text.into_bytes();
        if self.gzip {
            let mut encoder = GzEncoder::new(Vec::with_capacity(content.len() / 4), Compression::fast());
            encoder.write_all(&content)?;
            content = encoder.finish()?;
        }
        Ok(Object { hour: buffer.hour, name: self.name, content, late: buffer.late })
    }
}
