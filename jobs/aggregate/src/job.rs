//! Aggregating one day.

use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail};
use meterlake_core::catalog::required_table;
use meterlake_core::day_inputs::DayInputs;
use meterlake_core::engine::{Scan, Statement};
use meterlake_core::lake::Lake;
use meterlake_core::notes::{DayNotes, HourNotes};
use meterlake_core::period::{Day, Period};
use meterlake_core::publish::Publication;
use meterlake_core::report::Status;
use meterlake_core::run::Job;
use meterlake_core::slot::{Draft, Slot, persistently};
use meterlake_core::sql::{SqlFile, SqlValue, SqlValues};
use meterlake_core::store::visible_objects;

use crate::UNATTRIBUTED;
use crate::args::AggregateJob;
use crate::report::Report;

/// How a day is aggregated.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Build again even if nothing changed.
    pub force: bool,
    /// Go on where hours were never merged.
    pub allow_missing: bool,
}

/// Aggregates a day, unless its published generation is made from the same hours.
///
/// # Errors
/// A table does not exist, an hour is missing, or the engine, store or catalog failed. What was published stays so.
pub async fn aggregate_day(lake: &Lake, day: Day, options: Options) -> Result<Report> {
    let started = Instant::now();
    let done = persistently(day, || attempt(lake, day, options)).await;
    let Some(report) = done.with_context(|| format!("cannot aggregate the day {day}"))? else {
        bail!("the day {day} was published by other runs, or its hours changed, again and again: run aggregate again")
    };
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Report { duration_ms, ..report })
}

/// A day, its hours, and what is published of it.
pub(crate) struct Work<'a> {
    lake: &'a Lake,
    day: Day,
    sql: SqlFile,
    inputs: DayInputs,
    slot: Slot<'a, Day>,
    /// Whether the files of what is published are still there.
    is_there: bool,
}

/// The numbers of one aggregated day.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    rows: u64,
    requests: u64,
    unattributed: u64,
    output_files: u64,
    output_bytes: u64,
    scan: Scan,
}

/// Whether a day was published without some of its hours.
pub(crate) fn lacks_hours(published: &Publication<Day>) -> bool {
    !published.notes.missing_hours.is_empty()
}

/// `None`: the day changed meanwhile and has to be looked at again.
async fn attempt(lake: &Lake, day: Day, options: Options) -> Result<Option<Report>> {
    let work = Work::look(lake, day).await?;
    work.inputs.require_in_the_lake()?;
    match &work.slot.published {
        Some(published) if work.is_fresh() && !options.force => {
            if !options.allow_missing {
                work.inputs.require_all(day)?;
            }
            work.slot.vacuum(None).await?;
            Ok(Some(Report::of(day, Status::Unchanged, published, Scan::default())))
        }
        _ => work.build(options).await,
    }
}

impl<'a> Work<'a> {
    pub(crate) async fn look(lake: &'a Lake, day: Day) -> Result<Self> {
        for table in [&lake.layout.merged, &lake.layout.usage_daily] {
            required_table(&*lake.catalog, &table.name).await?;
        }
        let slot = Slot::look(lake, &lake.layout.usage_daily, day).await?;
        let is_there = slot.is_there().await?;
        let inputs = DayInputs::look(lake, day).await?;
        Ok(Self { lake, day, sql: lake.sql.query("usage_daily")?, inputs, slot, is_there })
    }

    /// Whether what is published is made from what is there, and is still there itself.
    pub(crate) fn is_fresh(&self) -> bool {
        let published = self.slot.published.as_ref();
        self.is_there
            && published.is_some_and(|published| published.fingerprint == self.inputs.fingerprint(self.lake, &self.sql))
    }

    async fn build(&self, options: Options) -> Result<Option<Report>> {
        if !options.allow_missing {
            self.inputs.require_all(self.day)?;
        }
        self.inputs.require_linked(self.day)?;
        let fingerprint = self.inputs.fingerprint(self.lake, &self.sql);
        let calls = self.inputs.sum(|hour| hour.rows);
        let draft = if calls == 0 {
            self.slot.draft(AggregateJob::NAME)?
        } else {
            self.slot.begin(AggregateJob::NAME, &self.sql, &fingerprint, options.force).await?
        };
        let counts = match self.write(&draft).await {
            Ok(counts) => counts,
            Err(error) => return Err(draft.fail(self.lake, error).await),
        };
        if !self.inputs.are_shown(self.lake).await? {
            draft.discard(self.lake).await;
            return Ok(None);
        }
        if counts.requests != calls {
            let error = anyhow!(
                "{} counts {} requests where the hours have {calls} calls: every call must be counted, and what is not \
                 billable is left out of billable_requests alone; if the SQL is right, an hour is registered twice: run \
                 `repair`, which mends that",
                self.sql.label(),
                counts.requests
            );
            return Err(draft.fail(self.lake, error).await);
        }
        let publication = self.publication(&draft, counts);
        let Some(head) = self.slot.publish(&publication, &draft.folder).await? else {
            draft.discard(self.lake).await;
            return Ok(None);
        };
        draft.finish(self.lake).await?;
        self.slot.vacuum(Some(&head)).await?;
        let status = if calls == 0 { Status::Empty } else { Status::Published };
        Ok(Some(Report::of(self.day, status, &publication, counts.scan)))
    }

    async fn write(&self, draft: &Draft) -> Result<Counts> {
        if self.inputs.sum(|hour| hour.rows) == 0 {
            return Ok(Counts::default());
        }
        let outcome = self.lake.engine.execute(&self.statement(draft, &self.sql, self.render(draft)?)).await?;
        let totals = self.lake.sql.query("usage_daily_totals")?;
        let values =
            SqlValues::from([("staging_table", draft.staging_value(self.lake)), ("unattributed", UNATTRIBUTED.into())]);
        let answer = self.lake.engine.query(&self.statement(draft, &totals, totals.render_one(&values)?)).await?;
        let numbers: Option<Vec<u64>> =
            answer.rows.first().and_then(|row| row.iter().map(|cell| cell.as_ref()?.parse().ok()).collect());
        let Some([rows, requests, unattributed]) = numbers.as_deref() else {
            bail!("{} did not give three numbers", totals.label());
        };
        let files = visible_objects(&*self.lake.store, &draft.folder).await?;
        Ok(Counts {
            rows: *rows,
            requests: *requests,
            unattributed: *unattributed,
            output_files: files.len() as u64,
            output_bytes: files.iter().map(|file| file.size).sum(),
            scan: outcome.scan + answer.scan,
        })
    }

    fn statement(&self, draft: &Draft, file: &SqlFile, sql: String) -> Statement {
        Statement { label: file.label(), sql, database: self.lake.config.database.clone(), token: draft.token() }
    }

    fn render(&self, draft: &Draft) -> Result<String> {
        let mut values = SqlValues::from([
            ("staging_table", draft.staging_value(self.lake)),
            ("location", (&draft.folder).into()),
            ("merged_table", (&self.lake.layout.merged.name).into()),
            ("generations", SqlValue::Texts(self.inputs.generations())),
            ("time_zone", self.lake.config.billing.time_zone.as_str().into()),
            ("day_start", format!("{} 00:00:00.000", self.day).as_str().into()),
        ]);
        let numbers = self.day.numbers().into_iter().map(SqlValue::from);
        values.extend(Day::KEYS.iter().copied().zip(numbers));
        self.sql.render_one(&values)
    }

    fn publication(&self, draft: &Draft, counts: Counts) -> Publication<Day> {
        let of_hours = |number: fn(&HourNotes) -> u64| self.inputs.sum(number);
        let notes = DayNotes {
            rows: counts.rows,
            requests: counts.requests,
            unattributed: counts.unattributed,
            lines: of_hours(|hour| hour.lines),
            duplicates: of_hours(|hour| hour.duplicates),
            malformed: of_hours(|hour| hour.malformed),
            unreadable_values: of_hours(|hour| hour.unreadable_values),
            unreadable_objects: of_hours(|hour| hour.unreadable_objects),
            source_files: of_hours(|hour| hour.output_files),
            source_bytes: of_hours(|hour| hour.output_bytes),
            output_files: counts.output_files,
            output_bytes: counts.output_bytes,
            missing_hours: self.inputs.missing(),
        };
        Publication {
            generation: draft.generation.clone(),
            fingerprint: self.inputs.fingerprint(self.lake, &self.sql),
            sql: self.sql.label(),
            published_at: self.lake.clock.now(),
            notes,
        }
    }
}

/// What a dry run says of a day: what would be done and why, and the statement.
///
/// # Errors
/// A table does not exist, or the store or catalog failed.
pub(crate) async fn plan(lake: &Lake, day: Day) -> Result<(String, String)> {
    let work = Work::look(lake, day).await?;
    let why = match &work.slot.published {
        Some(_) if work.is_fresh() => "is unchanged; with --force it would run",
        Some(published) if published.sql != work.sql.label() => "would be built again, because the SQL is a newer one",
        Some(_) => "would be built again, because its hours changed",
        None => "would be built for the first time",
    };
    let missing = work.inputs.missing().len();
    let calls = work.inputs.sum(|hour| hour.rows);
    let draft = work.slot.draft(AggregateJob::NAME)?;
    Ok((format!("{day} ({calls} calls, {missing} hours never merged) {why}"), work.render(&draft)?))
}
