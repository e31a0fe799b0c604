//! The way of the records into objects.

use std::mem;

use anyhow::Result;
use meterlake_core::period::Hour;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::call::Call;
use crate::chance::{Topic, chance};
use crate::fault::{blank_line, spoiled_line};
use crate::object::{Draft, Object};
use crate::options::Options;
use crate::people::People;
use crate::schedule::{Buffer, buffers};
use crate::truth::Truth;

/// Makes the objects one after the other and keeps the truth about them.
#[derive(Debug)]
pub(crate) struct Delivery<'a> {
    options: &'a Options,
    people: People,
    buffers: Vec<Buffer>,
    /// The copies that each buffer has to take.
    copies: Vec<Vec<CallNumber>>,
    /// The buffer whose turn it is.
    next: usize,
    truth: Truth,
}

/// Which call: calls are made again, not kept, when their copy is due.
#[derive(Debug, Clone, Copy)]
struct CallNumber {
    /// The place of its buffer among all.
    place: usize,
    index: u64,
}

impl<'a> Delivery<'a> {
    /// The delivery of the options' hours.
    pub(crate) fn new(options: &'a Options) -> Self {
        let buffers = buffers(options);
        Self {
            options,
            people: People::new(options.seed, options.users),
            copies: vec![Vec::new(); buffers.len()],
            buffers,
            next: 0,
            truth: Truth::of_hours(options.from, options.to),
        }
    }

    /// The next object, late ones among them; `None` after the last. A buffer without a record gives none.
    pub(crate) fn next_object(&mut self) -> Result<Option<Object>> {
        while self.next < self.buffers.len() {
            let object = self.object(self.next)?;
            self.next += 1;
            if object.is_some() {
                return Ok(object);
            }
        }
        Ok(None)
    }

    /// The truth about the objects that were made.
    pub(crate) fn into_truth(self) -> Truth {
        self.truth
    }

    fn object(&mut self, place: usize) -> Result<Option<Object>> {
        let buffer = self.buffers[place].clone();
        let mut draft = Draft::new(self.options, &buffer);
        let mut copies = mem::take(&mut self.copies[place]);
        let mut blank = 0;
        for index in 0..buffer.calls {
            let mut chance = chance(self.options.seed, Topic::Fate, buffer.start.timestamp_millis(), index);
            if chance.random_bool(self.options.malformed / 3.0) {
                draft.push(blank_line(&mut chance));
                blank += 1;
            }
            let number = CallNumber { place, index };
            draft.push(&self.deliver(number, &mut copies, &mut chance)?);
            if chance.random()
                && let Some(copy) = copies.pop()
            {
                draft.push(&self.call(copy).line()?);
            }
        }
        for copy in copies {
            draft.push(&self.call(copy).line()?);
        }
        if draft.is_empty() {
            return Ok(None);
        }
        let object = draft.finish(&buffer)?;
        if let Some(folder) = self.folder_after_run(place) {
            self.truth.add_object(folder, object.content.len(), blank);
        }
        Ok(Some(object))
    }

    /// The line that arrives of a call. If it will arrive again, it is put with `copies`, which are those of the same
    /// buffer, or with those of a later one.
    fn deliver(&mut self, number: CallNumber, copies: &mut Vec<CallNumber>, chance: &mut ChaCha8Rng) -> Result<String> {
        let call = Call::new(self.options, &self.people, &self.buffers[number.place], number.index);
        let folder = self.folder_after_run(number.place);
        if chance.random_bool(self.options.malformed) {
            folder.into_iter().for_each(|folder| self.truth.add_malformed(folder));
            return spoiled_line(&call, chance);
        }
        let again = chance.random_bool(self.options.copies).then(|| self.place_of_copy(number.place, chance));
        let folder_again = again.and_then(|place| self.folder_after_run(place));
        self.truth.add_call(&call, folder.into_iter().chain(folder_again));
        match again {
            Some(place) if place == number.place => copies.push(number),
            Some(place) => self.copies[place].push(number),
            None => {}
        }
        call.line()
    }

    fn call(&self, number: CallNumber) -> Call<'_> {
        Call::new(self.options, &self.people, &self.buffers[number.place], number.index)
    }

    /// Where the second delivery of a call ends up: in the same buffer, a later one of its hour, or one of the next
    /// hour. Never further on, for a merge looks for copies in the folder of the hour before and no further back.
    fn place_of_copy(&self, place: usize, chance: &mut ChaCha8Rng) -> usize {
        let per_hour = self.options.objects_per_hour as usize;
        let next_hour = (place / per_hour + 1) * per_hour;
        let places = match chance.random_range(0..3) {
            0 => place..place + 1,
            1 => place + 1..next_hour,
            _ => next_hour..self.buffers.len().min(next_hour + per_hour),
        };
        if places.is_empty() { place } else { chance.random_range(places) }
    }

    /// The hour in whose folder a buffer's object lies when the run is over; `None` if it is yet to come.
    fn folder_after_run(&self, place: usize) -> Option<Hour> {
        let buffer = &self.buffers[place];
        self.options.late.leaves(buffer.late).then_some(buffer.hour)
    }
}
